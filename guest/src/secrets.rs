//! Secrets that the agent uses and does not have.
//!
//! The agent writes a [`reference()`] into a header of a request; when the request leaves, the host puts the value in its
//! place. So a key can be used, and neither be printed by mistake nor be stolen by whatever the agent runs.
//!
//! ```
//! use molecule_guest::{Error, http, secrets};
//!
//! async fn models() -> Result<http::Response, Error> {
//!     http::get("https://api.openai.com/v1/models").bearer(secrets::reference("OPENAI_API_KEY")).await
//! }
//! ```
//!
//! The operator says which secret may go to which server: `--allow-secret OPENAI_API_KEY@api.openai.com`.

use crate::Error;
use crate::imports::secrets as host;

/// What stands for a secret in the value of a header, or, where the operator allows that, in a field of a JSON body.
///
/// In a header any text around it stays: `format!("Bearer {}", reference("KEY"))`. A field of a body must be the reference
/// and nothing else, and the body be given whole, with a JSON `content-type`: in what is written piece by piece nothing is
/// looked for. A request has 16 of them at most.
pub fn reference(name: &str) -> String {
    format!("{{{{secret:{name}}}}}")
}

/// The names of the secrets that this agent may use, and that there are.
pub fn names() -> Vec<String> {
    host::names()
}

/// The value itself, where the operator grants even that (`--allow-reveal NAME`).
///
/// # Errors
///
/// [`Error::Denied`] where he does not, [`Error::NotFound`] where there is no such secret.
pub async fn reveal(name: impl Into<String>) -> Result<String, Error> {
    host::reveal(name.into()).await
}
