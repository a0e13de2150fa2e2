//! The guest's side of `molecule:agent`, generated from `wit/`.
//!
//! The structs and variants are our own, so that they can have constructors, comparisons and docs for authors; the
//! generated code builds and reads them, so that a field which differs from the contract does not compile. Enums
//! and functions are the generated ones.
#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    rust_2018_idioms,
    clippy::all,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

wit_bindgen::generate!({
    path: "../wit/0.1.0",
    world: "agent",
    pub_export_macro: true,
    export_macro_name: "export_agent",
    generate_all,
    with: {
        "molecule:agent/types@0.1.0/part": crate::content::Part,
        "molecule:agent/types@0.1.0/part-content": crate::content::PartContent,
        "molecule:agent/types@0.1.0/file": crate::content::File,
        "molecule:agent/types@0.1.0/file-source": crate::content::FileSource,
        "molecule:agent/types@0.1.0/content": crate::content::Content,
        "molecule:agent/types@0.1.0/message": crate::message::Message,
        "molecule:agent/types@0.1.0/sender": crate::message::Sender,
        "molecule:agent/types@0.1.0/peer-ref": crate::message::PeerRef,
        "molecule:agent/types@0.1.0/caller": crate::message::Caller,
        "molecule:agent/types@0.1.0/outcome": crate::outcome::Outcome,
        "molecule:agent/types@0.1.0/task": crate::outcome::Task,
        "molecule:agent/types@0.1.0/artifact": crate::outcome::Artifact,
        "molecule:agent/types@0.1.0/error": crate::error::Error,
        "molecule:agent/types@0.1.0/denial": crate::error::Denial,
        "molecule:agent/types@0.1.0/failure": crate::error::Failure,
        "molecule:agent/types@0.1.0/backoff": crate::error::Backoff,
        "molecule:agent/types@0.1.0/remote-error": crate::error::RemoteError,
        "molecule:agent/types@0.1.0/card": crate::card::Card,
        "molecule:agent/types@0.1.0/skill": crate::card::Skill,
        "molecule:agent/types@0.1.0/asks": crate::card::Asks,
        "molecule:agent/types@0.1.0/identity": crate::start::Identity,
        "molecule:agent/types@0.1.0/start": crate::start::Start,
        "molecule:agent/peers@0.1.0/peer": crate::peers::Peer,
        "molecule:agent/peers@0.1.0/reply": crate::peers::Reply,
        "molecule:agent/plugins@0.1.0/plugin": crate::plugins::Plugin,
        "molecule:agent/plugins@0.1.0/skill": crate::plugins::Skill,
        "molecule:agent/plugins@0.1.0/installed": crate::plugins::Installed,
        "molecule:agent/plugins@0.1.0/setup-outcome": crate::plugins::SetupOutcome,
    },
});
