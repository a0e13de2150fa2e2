//! Requests to servers, as far as the operator allows them.
//!
//! ```
//! use molecule_guest::{Result, http, secrets};
//!
//! async fn weather(city: &str) -> Result<String> {
//!     let response = http::get(format!("https://api.example.com/v1/weather?city={city}"))
//!         .bearer(secrets::reference("WEATHER_KEY"))
//!         .await?
//!         .ok()?;
//!     Ok(response.text().await?)
//! }
//! ```
//!
//! The operator grants a request with `--allow-net 'GET https://api.example.com/v1/**'`, and the secret with
//! `--allow-secret WEATHER_KEY@api.example.com`. What was not granted fails with
//! [`Error::Denied`](crate::Error::Denied), which says what would grant it.
//!
//! - A request is built by [`get`], [`post`] or [`request`], and made when it is awaited. It is made once: the host tries
//!   nothing again, and [`Error::sent`](crate::Error::sent) says whether the server may have seen it.
//! - [`Response`] has a status of any kind; [`Response::ok`] makes an error of 4xx and 5xx. Its body is read whole
//!   ([`text`](Response::text), [`bytes`](Response::bytes), `json`) or [in pieces](Response::chunk) as they come, and
//!   [`events`](Response::events) reads server-sent events, which is how a model streams its answer.
//! - The body of a request is bytes, or is [written](pipe) while it is sent.
//! - Redirects are not followed: the response with its `location` comes back, and going there is another request, which
//!   must be granted as well.
//!
//! With the feature `json`, `Request::json` and `Response::json` take and give types of serde.

mod events;
pub(crate) mod incoming;
mod pipe;
mod request;
mod response;

pub use events::{Events, ServerEvent};
pub use pipe::{Body, Writer, pipe};
pub use request::{Request, get, post, request};
pub use response::Response;

pub use response::StatusError;
