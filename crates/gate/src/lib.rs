//! The gate: what an agent may do.
//!
//! Every effect that an agent has on the world outside its instance passes [`Gate::pass`], which decides, meters
//! and records. What passes comes back as a [`Permit`], which cannot be made elsewhere or copied, and holds the very
//! [`Act`] that was judged; a function that has an effect takes a permit. So an effect that forgot the gate does not
//! compile, and neither does one that does something else than what was judged.
//!
//! What does not pass comes back as a [`Denial`]: it names the rule, and the grant that would have allowed it.
//!
//! ```
//! use molecule_gate::{Act, Effect, Gate, Grants, Permit};
//!
//! #[derive(Debug)]
//! struct Greet { peer: String, text: String }
//!
//! impl Act for Greet {
//!     fn effect(&self) -> Effect<'_> {
//!         Effect::CallPeer { id: &self.peer, name: None, bytes: self.text.len() }
//!     }
//! }
//!
//! fn greet(permit: Permit<Greet>) -> String {
//!     let Greet { peer, text } = permit.into_act();
//!     format!("{text}, {peer}")
//! }
//!
//! let gate = Gate::new(Grants { peers: vec!["bob".parse()?], ..Grants::default() });
//! let act = |peer: &str| Greet { peer: peer.into(), text: "hello".into() };
//!
//! assert_eq!(greet(gate.pass(act("bob"), None)?), "hello, bob");
//!
//! let denial = gate.pass(act("eve"), None).unwrap_err();
//! assert_eq!(denial.grant.as_deref(), Some("--allow-peer eve"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An HTTP request is an [`Effect::Fetch`] of a [`Target`], which is judged by the [`NetRule`]s and [`SecretGrant`]s of the
//! [`Grants`]. Its permit says on which [`Terms`] it may be sent; every address that its host leads to is then an
//! [`Effect::Connect`] of its own, judged by the [`Reach`] in these terms.
//!
//! ```
//! use molecule_gate::{Act, Effect, Gate, Grants, Reach, Target};
//!
//! struct Get(Target);
//!
//! impl Act for Get {
//!     fn effect(&self) -> Effect<'_> {
//!         Effect::Fetch { target: &self.0, bytes: 0, secrets: &[] }
//!     }
//! }
//!
//! let gate = Gate::new(Grants { net: vec!["https://api.example.com/v1/**".parse()?], ..Grants::default() });
//! let permit = gate.pass(Get(Target::parse("GET", "https://api.example.com/v1/models")?), None)?;
//! let (Get(target), terms) = permit.split();
//! assert_eq!(terms.reach, Reach::Public);
//!
//! // What the name server said; had it said 8.8.8.8, the connection could be made.
//! let address = "127.0.0.1".parse()?;
//! let connect = gate.explain(&Effect::Connect { target: &target, address, reach: &terms.reach });
//! assert!(!connect.is_allowed());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Pasting the grant that a denial names makes the same effect pass, and what [`Gate::explain`] says is what
//! [`Gate::pass`] does: they share one judgment, which allocates nothing.
//!
//! Adding an effect is adding a variant to [`Effect`] and a row to each `match` that the compiler then points at: its
//! [`Kind`], who must have granted it, and what it is metered by. The crate knows nothing of wasm or of the network.

mod address;
mod authority;
mod byte_size;
mod cure;
mod denial;
mod effect;
mod explanation;
mod gate;
mod grants;
mod invalid_target;
mod judge;
mod limits;
mod memory_scope;
mod meter;
mod method;
mod net_rule;
mod path;
mod path_pattern;
mod peer_grant;
mod permit;
mod plugin_grant;
mod policy;
mod receipts;
mod secret;
mod secret_grant;
mod target;
mod terms;

pub use address::{Reach, SpecialRange, special_range};
pub use authority::{Host, Scheme};
pub use byte_size::{ByteSize, InvalidSize};
pub use denial::{Denial, Rule, quoted};
pub use effect::{Act, Effect, Kind};
pub use explanation::Explanation;
pub use gate::{Clock, Gate, Listener};
pub use grants::{Grant, Grants};
pub use invalid_target::InvalidTarget;
pub use limits::Limits;
pub use memory_scope::{InvalidMemoryScope, MemoryScope};
pub use net_rule::{InvalidRule, NetRule, RuleFault};
pub use peer_grant::{InvalidGrant, PeerGrant};
pub use permit::Permit;
pub use plugin_grant::{InvalidPluginGrant, PluginGrant};
pub use policy::{Policy, Verdict};
pub use receipts::{Counts, Receipt, Receipts};
pub use secret::{
    InvalidPointer, InvalidSecretName, JsonPointer, SecretName, SecretPlace, SecretUse, references,
};
pub use secret_grant::{InvalidSecretGrant, SecretGrant};
pub use target::Target;
pub use terms::Terms;
