//! Logs every callback with what it was told, and answers `callbacks` with their names so far.

use std::cell::RefCell;

use molecule_guest::{Agent, Card, Message, Outcome, Result, Start, StopReason, log};

#[derive(Default)]
struct Lifecycle {
    callbacks: RefCell<Vec<&'static str>>,
}

impl Lifecycle {
    fn note(&self, callback: &'static str, told: &str) {
        self.callbacks.borrow_mut().push(callback);
        log::info!(callback = callback, "{callback} {told}");
    }
}

impl Agent for Lifecycle {
    fn describe() -> Card {
        zoo::card("lifecycle")
    }

    async fn on_start(&self, start: Start) -> Result<()> {
        let identity = format!("{} {}", start.identity.workspace_id, start.identity.name);
        let told = format!("({}) {identity} {:?} {:?}", start.reason, start.config, start.instructions);
        self.note("on-start", &told);
        Ok(())
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        self.note("on-message", &format!("{message:?}"));
        Ok(self.callbacks.borrow().join(" ").into())
    }

    async fn on_pause(&self) {
        self.note("on-pause", "");
    }

    async fn on_resume(&self) {
        self.note("on-resume", "");
    }

    async fn on_stop(&self, reason: StopReason) {
        self.note("on-stop", &reason.to_string());
    }
}

molecule_guest::export!(Lifecycle);
