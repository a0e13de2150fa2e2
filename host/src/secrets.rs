//! The secrets of one agent: where they come from, who may have them, and how they are kept out of everything else.
//!
//! An agent uses a secret by writing its reference, `{{secret:NAME}}`, into a request; [`egress`](crate::egress) puts
//! the value in its place at the socket, after the judgment and the receipt. Values are held in memory that is
//! overwritten, in a type that cannot be printed, and become variables of nothing.
//!
//! A value that has been used is known to the [`Redactor`], which masks it
//!
//! - in all events, and so in logs (`session::context::Context::say`), dead letters and what the platform is told of
//!   the agent's state (`session::vitals`),
//! - in answers and notices before they are kept (`session::letter`), in calls of peers and in the task that heartbeats
//!   carry (`session::services`), and in reports of what the gate decided (`session::decisions`),
//! - in the headers and the body of every response on their way to the agent, unless it was revealed to it.
//!
//! What a server sends back in a form of its own making, encrypted or compressed say, cannot be found. A request with
//! a secret therefore asks for an answer that is not compressed.

mod forms;
mod redactor;
mod source;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::join_all;
use molecule_gate::{Grants, Permit, SecretName};
use molecule_protocol::SecretValue;
use molecule_runtime::Reveal;
use molecule_runtime::wit::Error;

pub(crate) use self::redactor::Filter;
pub use self::redactor::{Redactor, SHORTEST};
pub use self::source::{InvalidSecretSource, SecretOrigin, SecretSource, UnreadableSecret};

/// How long the reading of one source may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The secrets of one agent.
#[derive(Default)]
pub struct Secrets {
    sources: Vec<SecretSource>,
    /// One for each source, held while it is read.
    turns: Vec<Arc<tokio::sync::Mutex<()>>>,
    patience: Duration,
    held: RwLock<Held>,
    redactor: Redactor,
}

#[derive(Default)]
struct Held {
    /// The operator's own, which go before those of the platform.
    own: molecule_protocol::Secrets,
    platform: molecule_protocol::Secrets,
}

impl Secrets {
    /// With sources of the operator's own, which are read when [`read`](Self::read) says so.
    pub fn new(sources: Vec<SecretSource>) -> Self {
        let turns = sources.iter().map(|_| Arc::default()).collect();
        Self { sources, turns, patience: PATIENCE, ..Self::default() }
    }

    /// Reads the operator's own, each for 10 s at most. One that cannot be read keeps its old value and is named in what is
    /// returned.
    pub async fn read(&self) -> Vec<UnreadableSecret> {
        let sources = self.sources.iter().zip(&self.turns);
        let read = join_all(sources.map(|(source, turn)| source.read_within(self.patience, turn))).await;
        let mut unreadable = Vec::new();
        let read = self.sources.iter().zip(read).filter_map(|(source, read)| {
            let value = read.map_err(|error| unreadable.push(error)).ok();
            let value = value.or_else(|| self.held(|held| held.own.get(source.name().as_str()).cloned()));
            Some((source.name().as_str().to_owned(), value?))
        });
        let own = read.collect();
        self.held.write().unwrap_or_else(PoisonError::into_inner).own = own;
        unreadable
    }

    /// Takes over what the platform gives out.
    pub fn pulled(&self, platform: molecule_protocol::Secrets) {
        self.held.write().unwrap_or_else(PoisonError::into_inner).platform = platform;
    }

    /// The secrets that these grants let an agent use or have, and that have a value, sorted.
    pub fn names(&self, grants: &Grants) -> Vec<SecretName> {
        let used = grants.secrets.iter().map(|grant| grant.name());
        let mut names: Vec<_> = used.chain(&grants.reveal).cloned().collect();
        names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        names.dedup();
        names.retain(|name| self.held(|held| held.get(name).is_some()));
        names
    }

    /// Whether a secret has a value.
    pub(crate) fn holds(&self, name: &SecretName) -> bool {
        self.held(|held| held.get(name).is_some())
    }

    /// The value of a secret, for the agent itself.
    ///
    /// # Errors
    /// `not-found` where it has none.
    pub fn reveal(&self, permit: Permit<Reveal>) -> Result<String, Error> {
        let name = permit.into_act().name;
        let value = self.held(|held| held.get(&name).cloned());
        let value = value.ok_or_else(|| Error::NotFound(no_secret(&name).to_string()))?;
        self.redactor.learn(name.as_str(), value.expose(), true);
        Ok(value.expose().to_owned())
    }

    /// The value of a secret, to be put into a request: from now on it is masked everywhere.
    pub(crate) fn use_up(&self, name: &SecretName) -> Result<SecretValue, molecule_runtime::FetchError> {
        let value = self.held(|held| held.get(name).cloned()).ok_or_else(|| no_secret(name))?;
        self.redactor.learn(name.as_str(), value.expose(), false);
        Ok(value)
    }

    /// What knows the values in use.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn held<T>(&self, look: impl FnOnce(&Held) -> T) -> T {
        look(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held {
    fn get(&self, name: &SecretName) -> Option<&SecretValue> {
        self.own.get(name.as_str()).or_else(|| self.platform.get(name.as_str()))
    }
}

fn no_secret(name: &SecretName) -> molecule_runtime::FetchError {
    molecule_runtime::FetchError::NoSecret { name: name.as_str().to_owned() }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("sources", &self.sources).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use molecule_gate::Gate;

    use super::*;

    fn platform(secrets: &[(&str, &str)]) -> molecule_protocol::Secrets {
        secrets.iter().map(|(name, value)| ((*name).to_owned(), SecretValue::new(*value))).collect()
    }

    fn value(secrets: &Secrets, name: &str) -> Option<String> {
        let name = name.parse().unwrap();
        secrets.use_up(&name).ok().map(|value| value.expose().to_owned())
    }

    fn with_file(path: &std::path::Path) -> Secrets {
        Secrets::new(vec![format!("KEY=file:{}", path.display()).parse().unwrap()])
    }

    #[tokio::test]
    async fn the_operator_s_own_go_before_those_of_the_platform() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "of the operator\n").unwrap();
        let secrets = with_file(&path);
        assert!(secrets.read().await.is_empty());
        secrets.pulled(platform(&[("KEY", "of the platform"), ("OTHER", "another")]));
        assert_eq!(value(&secrets, "KEY").as_deref(), Some("of the operator"));
        assert_eq!(value(&secrets, "OTHER").as_deref(), Some("another"));
        assert_eq!(value(&secrets, "NONE"), None);
    }

    #[tokio::test]
    async fn one_that_cannot_be_read_any_more_keeps_its_old_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let secrets = with_file(&path);
        assert_eq!((secrets.read().await.len(), value(&secrets, "KEY")), (1, None));
        std::fs::write(&path, "first").unwrap();
        assert!(secrets.read().await.is_empty());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(secrets.read().await.len(), 1);
        assert_eq!(value(&secrets, "KEY").as_deref(), Some("first"));
    }

    #[tokio::test]
    async fn a_pipe_that_nobody_writes_to_is_given_up_and_holds_up_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, file) = (folder.path().join("pipe"), folder.path().join("file"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::write(&file, "of the file").unwrap();
        let sources = [("PIPE", &pipe), ("FILE", &file)];
        let sources = sources.map(|(name, path)| format!("{name}=file:{}", path.display()).parse().unwrap());
        let mut secrets = Secrets::new(sources.to_vec());
        secrets.patience = Duration::from_millis(50);
        for _ in 0..2 {
            let unreadable = secrets.read().await;
            assert_eq!(unreadable.len(), 1);
            assert!(unreadable[0].to_string().contains("pipe that nobody writes to"), "{}", unreadable[0]);
            assert_eq!(value(&secrets, "FILE").as_deref(), Some("of the file"));
        }
        // The one thread that still waits.
        std::fs::write(&pipe, "too late").unwrap();
    }

    #[test]
    fn an_agent_hears_of_secrets_that_are_granted_and_have_a_value() {
        let secrets = Secrets::default();
        secrets.pulled(platform(&[("B", "1"), ("A", "2"), ("C", "3"), ("PATH", "4")]));
        let grants = Grants {
            secrets: ["B@x.example", "B@y.example", "GONE@x.example"].map(|it| it.parse().unwrap()).to_vec(),
            reveal: vec!["A".parse().unwrap()],
            ..Grants::default()
        };
        let names: Vec<_> = secrets.names(&grants).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["A", "B"]);
    }

    #[test]
    fn what_was_revealed_is_masked_in_what_we_say() {
        let secrets = Secrets::default();
        secrets.pulled(platform(&[("KEY", "hunter22")]));
        let name: SecretName = "KEY".parse().unwrap();
        let gate = Gate::new(Grants { reveal: vec![name.clone()], ..Grants::default() });
        let permit = gate.pass(Reveal { name }, None).unwrap();
        assert_eq!(secrets.redactor().redact("hunter22"), "hunter22");
        assert_eq!(secrets.reveal(permit).unwrap(), "hunter22");
        assert_eq!(secrets.redactor().redact("hunter22"), "[secret KEY]");
        assert!(!format!("{secrets:?}").contains("hunter22"));
    }
}
