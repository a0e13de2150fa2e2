//! A scripted host: runs an agent in a native test, without platform and without WebAssembly.
//!
//! ```
//! use molecule_guest::testing::Host;
//! use molecule_guest::{Agent, Card, Message, Outcome, Result, peers};
//!
//! #[derive(Default)]
//! struct GoBetween;
//!
//! impl Agent for GoBetween {
//!     fn describe() -> Card {
//!         Card::new("go-between").ask_peer("bob")
//!     }
//!
//!     async fn on_message(&self, message: Message) -> Result<Outcome> {
//!         let reply = peers::call("bob", message.text()).await?;
//!         Ok(reply.answer().map_or("Bob is busy.".into(), Outcome::from))
//!     }
//! }
//!
//! # fn main() {
//! let host = Host::new().on_call(|call| match call.content.text().as_str() {
//!     "Hello?" => Ok("Hello yourself.".into()),
//!     _ => Ok(molecule_guest::Reply::Queued("m-1".into())),
//! });
//! let agent = host.start::<GoBetween>().unwrap();
//!
//! assert_eq!(agent.message("Hello?").unwrap().text(), "Hello yourself.");
//! assert_eq!(agent.message("Are you there?").unwrap().text(), "Bob is busy.");
//! assert_eq!(host.calls().len(), 2);
//! # }
//! ```
//!
//! - What the host knows and answers is said before the start: [`Host::config`], [`Host::peer`], [`Host::on_call`],
//!   [`Host::on_fetch`] and the like. A script returns an error (such as [`denied`]) to see what the agent makes of it.
//! - What happens to the agent is said by the [`Instance`]: [`message`](Instance::message), [`tick`](Instance::tick),
//!   [`stop`](Instance::stop), [`deliver`](Instance::deliver) for the results of what it gave to peers,
//!   [`canceled`](Instance::canceled) for a message that is canceled. These block until the callback has returned, and
//!   give what a host would see.
//! - What the agent did is in [`Host::events`], in order, and by kind in [`Host::notified`], [`Host::calls`],
//!   [`Host::told`], [`Host::logged`], [`Host::task`] and others.
//! - What the platform keeps, it keeps as long as the host: memory ([`Host::allow_memory`]), questions
//!   ([`Host::on_ask`], [`Host::decide`]), delegations and the history. To see what an agent makes of a restart, start it
//!   again on the same host.
//! - Any function can be made to fail, with [`Host::fail`].
//! - Time is virtual: [`time::sleep`](crate::time::sleep) returns at once and moves the clock, which
//!   [`Host::elapsed`] reads. Sleeps in several messages at once end in the order in which they would.
//!
//! A part of an agent is tested with [`Host::run`], which runs any future in the host. What an agent prints, and what
//! it does through WASI, is not scripted: that happens as in any native program.

pub(crate) mod approvals;
mod calendar;
pub(crate) mod conversation;
pub(crate) mod delegations;
mod executor;
pub(crate) mod fetch;
mod host;
pub(crate) mod imports;
mod instance;
pub(crate) mod memory;
mod message;
mod script;

pub use approvals::Question;
pub use delegations::Assignment;
pub use fetch::{Fetch, Response};
pub use host::{Event, Host};
pub use instance::Instance;
pub use script::{Call, Install};

use crate::{Denial, Error};

/// A denial, as the operator's host would give it: the rule that refused, and the grant that would allow it.
///
/// ```
/// use molecule_guest::testing::{Host, denied};
///
/// let host = Host::new().on_call(|call| Err(denied("peer", format!("--allow-peer {}", call.peer))));
/// ```
pub fn denied(rule: impl Into<String>, grant: impl Into<String>) -> Error {
    let rule = rule.into();
    let message = format!("the rule `{rule}` of the test refuses it");
    Error::Denied(Denial { rule, message, grant: Some(grant.into()) })
}
