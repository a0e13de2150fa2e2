//! What every route has at hand.

use std::ops::Deref;
use std::sync::Arc;

use molecule_store::{Database, Schema};
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::events::Events;
use crate::journal::Journal;
use crate::plugins::Plugins;
use crate::rates::RateWindows;
use crate::tokens::TokenUses;

/// `"mlcp"`
const APPLICATION_ID: i32 = 0x6d6c_6370;

pub(crate) const SCHEMA: Schema = Schema {
    application_id: APPLICATION_ID,
    migrations: &[
        include_str!("schema.sql"),
        include_str!("schema-2.sql"),
        include_str!("schema-3.sql"),
        include_str!("schema-4.sql"),
        include_str!("schema-5.sql"),
    ],
};

/// The running platform; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) db: Database,
    pub(crate) events: Events,
    /// Pushes messages to agents.
    pub(crate) http: reqwest::Client,
    pub(crate) journal: Option<Journal>,
    pub(crate) plugins: Plugins,
    pub(crate) rates: RateWindows,
    pub(crate) token_uses: TokenUses,
    /// Places for forms with files, which are in memory until they are stored or handed on.
    pub(crate) forms: Semaphore,
    /// True from the moment the platform shall end: streams must.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Parts {
    /// Runs what nobody waits for, until it is done or the platform ends.
    pub(crate) fn in_background(&self, job: impl Future<Output = ()> + Send + 'static) {
        let mut stopping = self.stopping.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = job => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        });
    }

    /// The time as the database keeps it.
    pub(crate) fn now(&self) -> i64 {
        self.config.clock.micros()
    }
}
