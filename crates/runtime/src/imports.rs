//! The imports of an agent: find out whose call it is, pass the gate, hand it to the services.

mod approvals;
mod http;
mod memory;
mod messages;
mod peers;
mod plugins;
mod secrets;
mod storage;
mod workspace;

#[expect(unreachable_pub, reason = "the generated bindings name the resources in public")]
pub use http::{Body, PipeEnd, PipeWriter};

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use molecule_gate::{Act, Denial, Grant, Permit, Rule};
use wasmtime::component::{Access, Accessor, HasSelf, Linker};

use crate::agent::{Agent, Line, LineSource};
use crate::appeal;
use crate::bindings::molecule::agent as contract;
use crate::bindings::molecule::agent::{log, time, types};
use crate::guest::{Call, Guest, MAX_WAITING, caller};
use crate::wasi;
use crate::wit::{self, Backoff, Error, Level, Sent};

/// Links everything that an agent may import: WASI 0.2 and `molecule:agent`.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasi::link(linker)?;
    types::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    contract::workspace::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    contract::messages::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    contract::peers::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    contract::http::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    contract::secrets::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    contract::storage::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    contract::plugins::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    contract::memory::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    contract::approvals::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    log::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    time::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

impl types::Host for Guest {}
impl log::Host for Guest {}
impl time::Host for Guest {}

/// An import call, on entry.
struct Import {
    agent: Arc<Agent>,
    call: Arc<Call>,
    /// Counts it among those of its instance that wait, as long as it does.
    waiting: Arc<()>,
}

impl Import {
    fn enter(mut access: Access<'_, Guest, HasSelf<Guest>>) -> wasmtime::Result<Self> {
        let waiting = access.get().waiting.clone();
        let (agent, call) = caller(access)?;
        // A task that nobody started: work that outlived everything it was done for.
        let call = call.unwrap_or_else(|| Call::new("background"));
        Ok(Self { agent, call, waiting })
    }

    fn enter_async(accessor: &Accessor<Guest, HasSelf<Guest>>) -> wasmtime::Result<Self> {
        accessor.with(Self::enter)
    }

    fn pass<A: Act>(&self, act: A) -> Result<Permit<A>, Error> {
        self.pass_once(act, &[])
    }

    /// As if these grants held as well.
    fn pass_once<A: Act>(&self, act: A, once: &[Grant]) -> Result<Permit<A>, Error> {
        self.go_on()?;
        self.agent.gate.pass_once(act, self.call.message.as_deref(), once).map_err(denied)
    }

    /// The same for an import that can wait: somebody may be asked before it is denied.
    async fn pass_or_appeal<A: Act>(&self, act: A) -> Result<Permit<A>, Error> {
        self.go_on()?;
        appeal::pass_or_appeal(&self.agent, &self.call, act).await.map_err(denied)
    }

    /// A call that was canceled begins nothing new, nor does one beside too many others.
    fn go_on(&self) -> Result<(), Error> {
        if self.call.canceled.is_cancelled() {
            return Err(Error::Canceled(Sent::No));
        }
        // The instance itself holds one.
        if Arc::strong_count(&self.waiting) > MAX_WAITING + 1 {
            let message =
                format!("{MAX_WAITING} calls of the host wait already; wait for some of them first");
            return Err(Error::RateLimited(Backoff { message, retry_after_ms: None }));
        }
        Ok(())
    }

    /// Does the work, or gives up when the call is canceled.
    async fn unless_canceled<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.go_on()?;
        tokio::select! {
            biased;
            () = self.call.canceled.cancelled() => Err(Error::Canceled(Sent::Maybe)),
            done = work => done,
        }
    }
}

/// An import that waits: passes the gate with an act, and has it done.
async fn act<A, T, F>(
    accessor: &Accessor<Guest, HasSelf<Guest>>,
    act: A,
    done: impl FnOnce(Arc<Agent>, Arc<Call>, Permit<A>) -> F,
) -> wasmtime::Result<Result<T, Error>>
where
    A: Act,
    F: Future<Output = Result<T, Error>>,
{
    let import = Import::enter_async(accessor)?;
    Ok(import
        .unless_canceled(async {
            let permit = import.pass_or_appeal(act).await?;
            done(import.agent.clone(), import.call.clone(), permit).await
        })
        .await)
}

/// The gate's denial, in the words of the contract.
pub fn denied(denial: Denial) -> Error {
    match denial.rule {
        Rule::Size | Rule::FileSize | Rule::RequestSize => Error::TooLarge(denial.to_string()),
        Rule::Rate { retry_after } | Rule::RequestRate { retry_after } => Error::RateLimited(Backoff {
            message: denial.to_string(),
            retry_after_ms: u32::try_from(retry_after.as_millis()).ok(),
        }),
        Rule::NotStarted
        | Rule::Peer
        | Rule::Network
        | Rule::Address
        | Rule::Secret
        | Rule::Reveal
        | Rule::StorageQuota
        | Rule::Plugin
        | Rule::Memory
        | Rule::Socket
        | Rule::Policy => Error::Denied(wit::Denial {
            rule: denial.rule.name().to_owned(),
            message: denial.message,
            grant: denial.grant,
        }),
    }
}

impl log::HostWithStore<Guest> for HasSelf<Guest> {
    fn write(
        mut host: Access<'_, Guest, Self>,
        level: Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let journal = host.get().journal.clone();
        let import = Import::enter(host)?;
        let message = cut(message, Line::MAX);
        let fields: Vec<_> = fields
            .into_iter()
            .take(MAX_FIELDS)
            .map(|(name, value)| (cut(name, MAX_FIELD_BYTES), cut(value, MAX_FIELD_BYTES)))
            .collect();
        journal.line(Line {
            source: LineSource::Log,
            level,
            text: &message,
            fields: &fields,
            message: import.call.message.as_deref(),
        });
        Ok(())
    }
}

/// Fields of a log line, and the bytes of each name and value.
const MAX_FIELDS: usize = 32;
const MAX_FIELD_BYTES: usize = 1024;

/// Cuts a text to so many bytes, at a character's edge; a text that was cut ends in `…`.
fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max.saturating_sub("…".len())));
        text.push('…');
    }
    text
}

impl time::HostWithStore<Guest> for HasSelf<Guest> {
    async fn sleep(accessor: &Accessor<Guest, Self>, ms: u32) -> wasmtime::Result<Result<(), Error>> {
        let import = Import::enter_async(accessor)?;
        if !import.agent.gate.is_open() {
            // An agent that only describes itself must not wait: its call could not return.
            return Ok(Err(denied(Denial::without_cure(
                Rule::NotStarted,
                "time.sleep is not possible before the agent has started",
            ))));
        }
        if let Err(error) = import.go_on() {
            return Ok(Err(error));
        }
        Ok(tokio::select! {
            biased;
            () = import.call.canceled.cancelled() => Err(Error::Canceled(Sent::No)),
            () = tokio::time::sleep(Duration::from_millis(ms.into())) => Ok(()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_character() {
        for (text, max, expected) in
            [("short", 10, "short"), ("exactly", 7, "exactly"), ("äöüäöü", 10, "äöü…"), ("abcdef", 5, "ab…")]
        {
            assert_eq!(cut(text.to_owned(), max), expected);
        }
    }
}
