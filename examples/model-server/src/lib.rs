//! A language model of a few rules, behind the API of chat completions: streamed, and with calls of tools.
//!
//! It is for trying an agent without an account, and for tests, which start it in their own process, on a free port, and
//! look at the requests that came:
//!
//! ```
//! # async fn example() -> std::io::Result<()> {
//! use model_server::{Config, ModelServer};
//!
//! let server = ModelServer::start(Config { key: Some("sk-test".into()), ..Config::default() }).await?;
//! println!("--config model-url={}", server.url());
//! // ... and when an agent has talked with it:
//! for request in server.requests() {
//!     assert_eq!(request.authorization.as_deref(), Some("Bearer sk-test"));
//! }
//! # Ok(())
//! # }
//! ```

mod answer;
mod script;
mod server;

pub use server::{Config, ModelServer, Request};
