//! The runtime and real components: what loads, what an agent may do, and what becomes of its messages.

mod fixture;

mod appeals;
mod attribution;
mod blame;
mod deaths;
mod describe;
mod effects;
mod embedding;
mod http;
mod lifecycle;
mod limits;
mod load;
mod mailbox;
mod output;
mod storage;
mod store;
mod ticks;
mod wasi;
