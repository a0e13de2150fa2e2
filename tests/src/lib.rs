//! What the end-to-end tests share.

pub mod canvas;
pub mod certificates;
pub mod dice;
pub mod embedded;
pub mod faults;
pub mod guests;
pub mod others;
pub mod plugins;
pub mod process;
pub mod scripted;
pub mod terminal;
pub mod world;
