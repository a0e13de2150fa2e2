//! Wire types of the Molecule AI platform: what a host and a platform say to each other over HTTP.
//!
//! Types and pure functions only: nothing here opens a socket, reads a clock or keeps state, so the client and
//! the local platform can share it. One module per thing that is said.
//!
//! - **Parsed at the edge:** [`WorkspaceId`], [`PeerId`], [`BearerToken`], [`PlatformUrl`] cannot hold a wrong value.
//! - **Opaque stays opaque:** JSON that only passes through is a [`Json`], which keeps its text as it came.
//! - **Strict in what is written, lenient in what is read:** answers of a platform tolerate absent members, unknown
//!   members and unknown words; a log row that makes no sense costs that row and not its page.
//! - **Total judgments:** [`proxy::classify`], [`state::classify`] and [`ActivityRow::inbound`] have an answer for
//!   every input and never fail.
//!
//! ```
//! use molecule_protocol::{ActivityPage, Inbound, Sender, WorkspaceId};
//!
//! let own: WorkspaceId = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11".parse()?;
//! let page = ActivityPage::read(br#"[{"id":"r1","activity_type":"a2a_receive","source_id":null,
//!     "request_body":{"params":{"message":{"parts":[{"kind":"text","text":"hello"}]}}}}]"#)?;
//! let Inbound::Message(message) = page.rows[0].inbound(&own) else { panic!("a message") };
//! assert_eq!(message.sender, Sender::User);
//! assert_eq!(message.text(), "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod a2a;
pub mod activity;
pub mod approvals;
pub mod budget;
pub mod card;
pub mod connection;
pub mod create;
pub mod delegation;
pub mod discovery;
pub mod error_body;
pub mod events;
pub mod heartbeat;
pub mod id;
pub mod inbound;
pub mod instructions;
pub mod json;
pub mod limits;
pub mod memory;
pub mod notify;
pub mod platform_url;
pub mod plugins;
pub mod proxy;
pub mod queue;
pub mod register;
pub mod rpc;
pub mod search;
pub mod secrets;
pub mod state;
pub mod timestamp;
pub mod token;
pub mod tokens;
pub mod uploads;
pub mod workspace;

pub use a2a::{Content, FileContent, Message, Part, Role};
pub use activity::{ActivityPage, ActivityQuery, ActivityReport, ActivityRow, ActivitySource};
pub use error_body::{ErrorBody, NotFound};
pub use heartbeat::{HeartbeatRequest, HeartbeatResponse, RuntimeMetadata};
pub use id::{InvalidPeerId, InvalidWorkspaceId, PeerId, WorkspaceId};
pub use inbound::{Inbound, InboundMessage, Sender, Skip};
pub use jiff::Timestamp;
pub use json::Json;
pub use notify::{Attachment, NotifyRequest};
pub use platform_url::{InvalidPlatformUrl, PlatformUrl};
pub use proxy::{Delivery, ProxyAnswer, ProxyFailure, Retry};
pub use register::{DeliveryMode, RegisterRequest, RegisterResponse};
pub use rpc::RpcRequest;
pub use secrets::{SecretValue, Secrets};
pub use state::{StateAnswer, StateResponse};
pub use token::{BearerToken, InvalidToken};
pub use workspace::{Status, Workspace};

/// `Authorization`: `Bearer <token>`, with exactly one space and a capital B.
pub const AUTHORIZATION: &str = "authorization";
/// `X-Workspace-ID`: the calling workspace. Decides who the sender of a message is.
pub const WORKSPACE_ID_HEADER: &str = "x-workspace-id";
/// `X-Source-Workspace-Id`: the same, as newer clients send it. Sent beside [`WORKSPACE_ID_HEADER`].
pub const SOURCE_WORKSPACE_ID_HEADER: &str = "x-source-workspace-id";
/// `X-Molecule-Org-Id`: the organisation, where one platform serves several.
pub const ORG_ID_HEADER: &str = "x-molecule-org-id";
