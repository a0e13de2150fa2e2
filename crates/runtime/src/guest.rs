//! What stands in the store of an instance, and the calls under way in it.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use wasmtime::AsContextMut;
use wasmtime::component::{GuestTaskId, ResourceTable};
use wasmtime_wasi::filesystem::FsPerms;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::agent::{Agent, LineSource};
use crate::cpu::{Budget, Quota};
use crate::journal::Journal;
use crate::limits::{Limiter, Limits};
use crate::plugins::{self, Opened};
use crate::stdio::LogStream;
use crate::storage::{self, Storage};
use crate::wasi::{Outgoing, identity};
use crate::wit::messages::Update;
use crate::wit::{Error, Message, Sender, bytes_of_update};

/// Bytes of randomness that a guest may ask for at once.
const MAX_RANDOM: u64 = 64 * 1024;

/// Calls of the host that may wait at the same time in one instance. Each takes some memory of the host's.
pub(crate) const MAX_WAITING: usize = 1_000;

/// Things of WASI that an instance may hold: streams, what it waits for, errors.
const MAX_HANDLES: usize = 10_000;

/// Calls that have returned and are still remembered: work that they left behind is still theirs.
const REMEMBERED: usize = 256;

/// A callback under way.
#[derive(Debug)]
pub struct Call {
    /// The callback's name, such as `on-message`.
    pub callback: &'static str,
    /// The id of the message that is being handled, if one is.
    pub message: Option<String>,
    /// Who sent it. Only both together name a message: senders make up their ids themselves.
    pub sender: Option<Sender>,
    /// Ends when the call is canceled: whatever waits on its behalf gives up then.
    pub canceled: CancellationToken,
    /// The plugins that it has opened.
    pub(crate) plugins: Opened,
    /// How it goes, as the agent has told it.
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    updates: Vec<Update>,
    bytes: usize,
}

/// Updates of one call, and the bytes of all of them, that are kept for its answer.
const MAX_UPDATES: usize = 1_000;
const MAX_TOLD: usize = 1024 * 1024;

impl Call {
    /// A callback that is no message's.
    pub(crate) fn new(callback: &'static str) -> Arc<Self> {
        Self::on(callback, None)
    }

    /// A callback, on a message if it is one's.
    pub(crate) fn on(callback: &'static str, message: Option<&Message>) -> Arc<Self> {
        Arc::new(Self {
            callback,
            message: message.map(|message| message.id.clone()),
            sender: message.map(|message| message.sender.clone()),
            canceled: CancellationToken::new(),
            plugins: Opened::default(),
            told: Mutex::default(),
        })
    }

    /// Keeps what was told of how it goes.
    pub(crate) fn tell(&self, update: Update) -> Result<(), Error> {
        if self.message.is_none() {
            return Err(Error::Invalid("there is no message in hand whose sender could be told".to_owned()));
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = told.bytes + bytes_of_update(&update);
        if told.updates.len() >= MAX_UPDATES || bytes > MAX_TOLD {
            return Err(Error::TooLarge(format!(
                "of one message {MAX_UPDATES} updates of {MAX_TOLD} bytes in all can be told"
            )));
        }
        told.bytes = bytes;
        told.updates.push(update);
        Ok(())
    }

    /// Takes out what was told.
    pub(crate) fn told(&self) -> Vec<Update> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner)).updates
    }
}

/// What all instances of an agent share: one that dies of its greed does not begin anew with it.
#[derive(Clone)]
pub(crate) struct Allowance {
    pub(crate) limits: Limits,
    pub(crate) quota: Arc<Quota>,
    pub(crate) journal: Arc<Journal>,
    /// Whether there is one callback in flight at a time.
    pub(crate) one_at_a_time: bool,
}

impl Allowance {
    pub(crate) fn new(agent: &Agent, limits: Limits, one_at_a_time: bool) -> Self {
        let quota = Arc::new(Quota::new(&limits));
        let journal = Journal::new(agent.observer.clone(), &limits);
        Self { limits, quota, journal, one_at_a_time }
    }
}

/// The data of an instance's store.
pub(crate) struct Guest {
    pub(crate) agent: Arc<Agent>,
    pub(crate) limiter: Limiter,
    pub(crate) budget: Arc<Budget>,
    pub(crate) journal: Arc<Journal>,
    /// Held once by each call of the host that waits.
    pub(crate) waiting: Arc<()>,
    pub(crate) stderr: LogStream,
    /// The folder of the agent, where it has been granted one.
    pub(crate) storage: Option<Storage>,
    /// What tells the folder of its plugins from all others, where it sees one.
    pub(crate) plugins_root: Option<(u64, u64)>,
    pub(crate) outgoing: Outgoing,
    stdout: LogStream,
    calls: Calls,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
}

impl Guest {
    /// WASI with nothing granted but the agent's own folder and the sight of its plugins: no other file, no socket, no name, no environment, no
    /// argument.
    ///
    /// # Errors
    /// A folder cannot be opened.
    pub(crate) fn new(agent: Arc<Agent>, allowance: Allowance) -> wasmtime::Result<Self> {
        let Allowance { limits, journal, one_at_a_time, .. } = allowance;
        let stdout = LogStream::new(LineSource::Stdout, journal.clone());
        let stderr = LogStream::new(LineSource::Stderr, journal.clone());
        let mut wasi = WasiCtx::builder();
        wasi.stdout(stdout.clone())
            .stderr(stderr.clone())
            .max_random_size(MAX_RANDOM)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        let storage = agent.storage.clone().filter(|_| agent.gate.grants().storage_bytes.is_some());
        if let Some(storage) = &storage {
            wasi.preopened_dir(storage.folder(), storage::GUEST_PATH, FsPerms::ReadWrite)?;
        }
        let mut plugins_root = None;
        if let Some(folder) = agent.services.plugins_folder().filter(|_| agent.gate.is_open()) {
            wasi.preopened_dir(&folder, plugins::GUEST_PATH, FsPerms::ReadOnly)?;
            plugins_root = identity(&File::open(&folder)?);
        }
        let budget = Arc::new(Budget::new(&limits, one_at_a_time));
        let limiter = Limiter::new(limits).telling(agent.observer.clone());
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Ok(Self {
            outgoing: Outgoing::new(agent.clone()),
            agent,
            budget,
            limiter,
            journal,
            waiting: Arc::default(),
            stdout,
            stderr,
            storage,
            plugins_root,
            calls: Calls::default(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            table,
        })
    }

    pub(crate) fn began(&mut self, task: GuestTaskId, call: Arc<Call>) {
        self.calls.of_task.insert(task, call);
        self.budget.began();
    }

    pub(crate) fn ended(&mut self, task: GuestTaskId) {
        self.calls.ended(task);
        self.budget.ended();
    }
}

impl Drop for Guest {
    /// However the instance ended: its last lines are written out, should they lack an end.
    fn drop(&mut self) {
        self.stdout.finish();
        self.stderr.finish();
        self.agent.observer.memory(0);
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}

/// Which task of the component model is which call.
#[derive(Default)]
struct Calls {
    /// Those that run, and those that ended last.
    of_task: HashMap<GuestTaskId, Arc<Call>>,
    /// Those that ended last, oldest first.
    ended: VecDeque<(GuestTaskId, Arc<Call>)>,
}

impl Calls {
    /// Remembers one more call that has ended, and forgets the one that ended longest ago.
    fn ended(&mut self, task: GuestTaskId) {
        let Some(call) = self.of_task.get(&task) else { return };
        call.plugins.end();
        self.ended.push_back((task, call.clone()));
        if self.ended.len() > REMEMBERED
            && let Some((task, oldest)) = self.ended.pop_front()
            // The component model numbers its tasks anew: the number may be another call's by now.
            && self.of_task.get(&task).is_some_and(|call| Arc::ptr_eq(call, &oldest))
        {
            self.of_task.remove(&task);
        }
    }
}

/// Whose import call this is. Must be asked on entry, before anything is awaited: after that the stack is gone.
pub(crate) fn caller(
    mut store: impl AsContextMut<Data = Guest>,
) -> wasmtime::Result<(Arc<Agent>, Option<Arc<Call>>)> {
    let mut store = store.as_context_mut();
    // Youngest first: the last is the callback that the host started.
    let root = store.async_call_stack()?.last();
    let guest = store.data();
    let call = root.and_then(|task| guest.calls.of_task.get(&task).cloned());
    Ok((guest.agent.clone(), call))
}
