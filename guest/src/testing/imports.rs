//! The functions that an agent calls, answered by the scripted host. Same signatures as the generated ones.

use std::cell::RefCell;
use std::time::Duration;

use super::host::{Event, Host};
use crate::{Denial, Error, Sent};

thread_local! {
    /// The hosts that this thread is in, the innermost last.
    static ENTERED: RefCell<Vec<Host>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, calls of the host go to this one.
pub(super) struct Entered;

impl Entered {
    pub(super) fn new(host: &Host) -> Self {
        ENTERED.with_borrow_mut(|hosts| hosts.push(host.clone()));
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        ENTERED.with_borrow_mut(|hosts| hosts.pop());
    }
}

/// The host that this thread is in.
#[expect(clippy::panic, reason = "a test that calls a host where there is none cannot go on")]
pub(super) fn current(function: &str) -> Host {
    ENTERED.with_borrow(|hosts| hosts.last().cloned()).unwrap_or_else(|| {
        panic!(
            "`{function}` was called where there is no host. In a component the host is the program that runs it; in a \
             test it is a `molecule_guest::testing::Host`: call this in a callback of an agent that `Host::start` \
             started, or within `Host::run`"
        )
    })
}

/// The host, unless the agent describes itself or the test has this function fail.
pub(super) fn reachable(function: &str) -> Result<Host, Error> {
    let host = current(function);
    if host.inner.describing.get() {
        return Err(Error::Denied(Denial {
            rule: "not-started".into(),
            message: format!("`{function}` is not possible before the agent has started"),
            grant: None,
        }));
    }
    match host.inner.failing.borrow().get(function) {
        Some(error) => Err(error.clone()),
        None => Ok(host.clone()),
    }
}

/// The host, for what is waited for in the name of a message: that is not canceled.
pub(super) fn awaited(function: &str) -> Result<Host, Error> {
    let host = reachable(function)?;
    if host.is_canceled() { Err(Error::Canceled(Sent::No)) } else { Ok(host) }
}

/// Lets time pass, until the message in hand is canceled at most.
async fn pass(host: &Host, duration: Duration, sent: Sent) -> Result<(), Error> {
    let left = host.inner.canceled_at.get().map(|at| at.saturating_sub(host.elapsed()));
    match left.filter(|left| *left <= duration) {
        Some(left) => {
            host.inner.clock.sleep(left).await;
            Err(Error::Canceled(sent))
        }
        None => {
            host.inner.clock.sleep(duration).await;
            Ok(())
        }
    }
}

pub(super) fn record(host: &Host, event: Event) {
    host.inner.events.borrow_mut().push(event);
}

pub(crate) mod workspace {
    use super::{Event, awaited, current, reachable, record};
    use crate::workspace::State;
    use crate::{Card, Error, Identity};

    pub(crate) fn me() -> Identity {
        current("workspace::me").inner.start.borrow().identity.clone()
    }

    pub(crate) fn config(key: &str) -> Option<String> {
        let host = current("workspace::config");
        let start = host.inner.start.borrow();
        start.config.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value.clone())
    }

    pub(crate) fn set_task(task: Option<&str>) -> Result<(), Error> {
        let host = reachable("workspace::set_task")?;
        let task = task.map(str::to_owned);
        (host.inner.script.borrow_mut().on_set_task)(&task)?;
        record(&host, Event::SetTask(task));
        Ok(())
    }

    pub(crate) async fn register(card: Option<Card>) -> Result<(), Error> {
        let host = awaited("workspace::register")?;
        record(&host, Event::Registered(card));
        Ok(())
    }

    pub(crate) async fn heartbeat() -> Result<(), Error> {
        let host = awaited("workspace::heartbeat")?;
        record(&host, Event::Heartbeat);
        Ok(())
    }

    pub(crate) async fn state() -> Result<State, Error> {
        Ok(awaited("workspace::state")?.inner.state.borrow().clone())
    }
}

pub(crate) mod messages {
    use super::{Event, awaited, record};
    use crate::messages::{Direction, Entry};
    pub(crate) use crate::testing::conversation::{
        Correspondent, HistoryQuery, history, is_canceled, open, progress,
    };
    use crate::{Content, Error, Sender};

    pub(crate) async fn notify(content: Content) -> Result<(), Error> {
        let host = awaited("messages::notify")?;
        if content.parts.is_empty() {
            return Err(Error::Invalid("a message needs at least one part".into()));
        }
        (host.inner.script.borrow_mut().on_notify)(&content)?;
        host.say(Entry::new("notify", Direction::Sent, Sender::User, content.clone()));
        record(&host, Event::Notified(content));
        Ok(())
    }
}

pub(crate) mod peers {
    use std::time::Duration;

    use super::{Event, awaited, pass, reachable, record};
    pub(crate) use crate::bindings::molecule::agent::peers::CallOptions;
    use crate::peers::Location;
    use crate::testing::Call;
    pub(crate) use crate::testing::delegations::{DelegateOptions, delegate, delegation, delegations};
    use crate::{Content, Error, Failure, Peer, Reply, Sent};

    /// How long a call waits that does not say.
    const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

    pub(crate) async fn list() -> Result<Vec<Peer>, Error> {
        let host = awaited("peers::list")?;
        record(&host, Event::ListedPeers);
        let peers = host.inner.peers.borrow().clone();
        (host.inner.script.borrow_mut().on_list)(&peers)
    }

    pub(crate) async fn call(peer: String, content: Content, options: CallOptions) -> Result<Reply, Error> {
        let host = awaited("peers::call")?;
        if content.parts.is_empty() {
            return Err(Error::Invalid("a message needs at least one part".into()));
        }
        let timeout = options.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        let call = Call { peer, content, timeout, context_id: options.context_id };
        record(&host, Event::Called(call.clone()));
        let reply = (host.inner.script.borrow_mut().on_call)(&call);

        let takes = host.inner.call_takes.get();
        let waits = timeout.unwrap_or(DEFAULT_TIMEOUT);
        pass(&host, takes.min(waits), Sent::Yes).await?;
        match reply {
            Ok(Reply::Answer(_)) if takes > waits => {
                let calls = host.calls().len();
                Ok(Reply::Queued(format!("message-{calls}")))
            }
            reply => reply,
        }
    }

    pub(crate) async fn discover(peer: String) -> Result<Location, Error> {
        let host = awaited("peers::discover")?;
        let peers = host.inner.peers.borrow();
        match peers.iter().find(|known| known.id == peer || known.name == peer) {
            None => Err(Error::NotFound(format!("there is no peer {peer:?}"))),
            Some(known) if known.status != "online" => {
                let message = format!("{peer:?} is {}", known.status);
                Err(Error::Unavailable(Failure { message, sent: Sent::No }))
            }
            Some(known) => Ok(Location::new(&known.id, &known.name)),
        }
    }

    pub(crate) fn invalidate(peer: Option<&str>) {
        if let Ok(host) = reachable("peers::invalidate") {
            record(&host, Event::Invalidated(peer.map(str::to_owned)));
        }
    }
}

pub(crate) mod memory {
    pub(crate) use crate::testing::memory::{
        SearchQuery, SetOptions, checkpoints, clear_checkpoints, commit, delete, forget, get,
        latest_checkpoint, list, save_checkpoint, search, set,
    };
}

pub(crate) mod approvals {
    pub(crate) use crate::testing::approvals::{Request, ask, get, list};
}

pub(crate) mod http {
    pub(crate) use crate::testing::fetch::{
        Body, HostResponse as Response, PipeEnd, PipeWriter, Request, RequestBody, Timeouts, fetch, pipe,
    };
}

pub(crate) mod secrets {
    use super::{Event, awaited, current, record};
    use crate::Error;

    pub(crate) fn names() -> Vec<String> {
        current("secrets::names").inner.secrets.borrow().keys().cloned().collect()
    }

    pub(crate) async fn reveal(name: String) -> Result<String, Error> {
        let host = awaited("secrets::reveal")?;
        record(&host, Event::Revealed(name.clone()));
        let known = host.inner.secrets.borrow().get(&name).cloned();
        match known {
            Some(Some(value)) => Ok(value),
            Some(None) => Err(crate::testing::denied("reveal", format!("--allow-reveal {name}"))),
            None => Err(Error::NotFound(format!("there is no secret {name}"))),
        }
    }
}

pub(crate) mod plugins {
    use super::{Event, awaited, record};
    use crate::Error;
    pub(crate) use crate::bindings::molecule::agent::plugins::InstallOptions;
    use crate::plugins::{Installed, Plugin};
    use crate::testing::Install;

    pub(crate) async fn install(name: String, options: InstallOptions) -> Result<Installed, Error> {
        let host = awaited("plugins::install")?;
        let InstallOptions { source, setup, sha256 } = options;
        let install = Install { name, source, setup, sha256 };
        record(&host, Event::Installed(install.clone()));
        let installed = (host.inner.script.borrow_mut().on_install)(&install)?;
        let mut plugins = host.inner.plugins.borrow_mut();
        plugins.retain(|plugin| plugin.name != installed.plugin.name);
        plugins.push(installed.plugin.clone());
        Ok(installed)
    }

    pub(crate) async fn list() -> Result<Vec<Plugin>, Error> {
        Ok(awaited("plugins::list")?.inner.plugins.borrow().clone())
    }

    pub(crate) async fn remove(name: String) -> Result<(), Error> {
        let host = awaited("plugins::remove")?;
        record(&host, Event::RemovedPlugin(name.clone()));
        let mut plugins = host.inner.plugins.borrow_mut();
        let before = plugins.len();
        plugins.retain(|plugin| plugin.name != name);
        if plugins.len() < before {
            Ok(())
        } else {
            Err(Error::NotFound(format!("there is no plugin {name}")))
        }
    }
}

pub(crate) mod storage {
    pub(crate) use crate::bindings::molecule::agent::storage::Usage;

    /// None: a native test has the files of its machine, and no `/data`.
    pub(crate) async fn measure() -> Option<Usage> {
        None
    }
}

pub(crate) mod log {
    use super::{Event, current, record};
    use crate::log::Level;

    pub(crate) fn write(level: Level, message: &str, fields: &[(String, String)]) {
        let event = Event::Logged { level, message: message.to_owned(), fields: fields.to_vec() };
        record(&current("log::write"), event);
    }
}

pub(crate) mod time {
    use std::time::Duration;

    use super::{Event, awaited, pass, record};
    use crate::{Error, Sent};

    pub(crate) async fn sleep(ms: u32) -> Result<(), Error> {
        let host = awaited("time::sleep")?;
        let duration = Duration::from_millis(ms.into());
        record(&host, Event::Slept(duration));
        pass(&host, duration, Sent::No).await
    }
}
