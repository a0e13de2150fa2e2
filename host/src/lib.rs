//! Runs an agent outside the Molecule AI platform as a first-class workspace.
//!
//! An agent is a WebAssembly component. The host registers it, heartbeats for it, fetches its messages, hands them over,
//! sends its answers, and obeys pause and delete; the agent reaches nothing that was not granted.
//!
//! - [`Host`], [`AgentSpec`], [`Running`], [`Event`]: build a host, load a component, run it, watch its events, stop it.
//! - [`blocking`]: the same for a program without tokio.
//! - [`platform`]: everything that talks HTTP to the platform. One request builder attaches who we are, one table says
//!   what is sent again, one pace per platform keeps all workspaces of a process within its rate limit.
//! - [`egress`]: everything that an agent sends to the rest of the world. [`secrets`]: what it may use there unseen.
//! - [`plugins`]: installed whole, verified, contained.
//! - [`token`], [`lock`], [`state_dir`]: the files that hold a workspace's identity.
//! - [`life`]: whether a workspace works, waits or has ended, as a state machine without I/O.
//!
//! What a message goes through, and what is promised about it, is told in `ARCHITECTURE.md`.

mod appeals;
pub mod blocking;
mod clock;
mod dead_letters;
mod direct_peer;
pub mod egress;
mod events;
mod host;
mod lacks;
pub mod life;
pub mod lock;
pub mod platform;
pub mod plugins;
mod public_url;
mod random;
pub mod secrets;
mod session;
mod spec;
pub mod state_dir;
mod status;
mod tls;
pub mod token;
mod tokens;

pub use molecule_gate as gate;
pub use molecule_protocol::{PlatformUrl, WorkspaceId};
pub use molecule_runtime as runtime;
pub use molecule_store as store;

pub use appeals::{Appeals, Ruling};
pub use clock::{Clock, SystemClock};
pub use dead_letters::{DeadLetter, DeadLetters, DeadLettersError};
pub use direct_peer::DirectPeer;
pub use events::{Ended, Event, Events, Happened};
pub use host::{BuildError, Host, HostBuilder, LoadedAgent, Running, StartError};
pub use lacks::{Lack, LackKind};
pub use public_url::{InvalidPublicUrl, PublicUrl};
pub use random::Random;
pub use spec::{AgentSpec, DelegationKeys, Intervals, Mailbox, OnEnd};
pub use status::{Messages, Phase, Status};
pub use tokens::{OldToken, Rotated, Rotation, TokenStatus, TokensError, WorkspaceTokens};
