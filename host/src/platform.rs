//! Everything that talks HTTP to the platform.
//!
//! A [`Client`] speaks for one workspace and is cheap to clone. What all clients of a process share, so that they do
//! not get into each other's way, is in a [`Network`].
//!
//! ```no_run
//! use molecule_host::platform::{Client, Identity, Network, TransportSettings};
//! use molecule_host::token::Credentials;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let network = Network::new(&TransportSettings::default())?;
//! let identity = Identity::new("https://acme.moleculesai.app".parse()?, "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11".parse()?);
//! let client = Client::new(&network, identity, Credentials::in_memory(Some("the-token".parse()?)));
//! println!("{:?}", client.state().await?);
//! # Ok(())
//! # }
//! ```

mod answer;
mod client;
mod endpoints;
mod error;
mod network;
mod pace;
mod request;
mod retry;
mod transport;

pub use self::client::Client;
pub use self::endpoints::{ActivityAnswer, PendingFile, PluginDownload, Reach, Registration};
pub use self::error::{PlatformError, PlatformFault};
pub use self::network::Network;
pub use self::pace::{Crowd, Pace, Paces, Presence, WINDOW};
pub use self::request::{Identity, InvalidHeader, OrgId, Origin};
pub use self::retry::RetryPolicy;
pub use self::transport::{
    BodyStream, HttpTransport, InvalidTransport, Limits, Lost, NotSent, Transport, TransportError,
    TransportSettings,
};
