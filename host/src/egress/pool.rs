//! The connections of one agent that are open and not in use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use molecule_gate::{Host, Reach, Scheme, Target};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::body::Progress;
use super::connection::Connection;

/// What a connection can be used for: the same server, the same addresses in reach, the same grants.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) target: Server,
    pub(super) reach: Reach,
    pub(super) revision: u64,
}

/// Who is spoken to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Server {
    scheme: Scheme,
    host: Host,
    port: u16,
}

impl Server {
    pub(super) fn of(target: &Target) -> Self {
        Self { scheme: target.scheme(), host: target.host().clone(), port: target.port() }
    }
}

/// The pool. It is that of one agent alone.
pub(super) struct Pool {
    kept: Mutex<Connections>,
    idle: Duration,
    most: usize,
}

#[derive(Default)]
struct Connections {
    by_server: HashMap<Server, Vec<Kept>>,
    /// Somebody closes those that are not used.
    is_swept: bool,
}

struct Kept {
    key: Key,
    connection: Connection,
    since: Instant,
}

/// How long a connection that is kept may take until it takes a request. It needs a turn of its task, no more.
const READY: Duration = Duration::from_secs(1);

impl Pool {
    pub(super) fn new(idle: Duration, most: usize) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), idle, most })
    }

    /// A connection that takes a request, if there is one.
    pub(super) async fn take(self: &Arc<Self>, key: &Key) -> Option<Lease> {
        loop {
            let connection = self.find(key)?;
            if tokio::time::timeout(READY, connection.is_ready()).await.unwrap_or(false) {
                return Some(self.lease(key.clone(), connection));
            }
            self.forget(key, &connection);
        }
    }

    /// Takes care of a connection that was just made.
    pub(super) fn lease(self: &Arc<Self>, key: Key, connection: Connection) -> Lease {
        let threads = Handle::current();
        if connection.is_http2() {
            self.keep(key.clone(), connection.clone(), &threads);
        }
        Lease { pool: Arc::downgrade(self), key, connection, progress: None, threads }
    }

    /// The latest one; of HTTP/1.1 it is no longer in the pool then.
    fn find(&self, key: &Key) -> Option<Connection> {
        let mut kept = self.kept();
        let list = kept.by_server.get_mut(&key.target)?;
        let index = list.iter().rposition(|it| it.key == *key && it.connection.has_room())?;
        if list.get(index)?.connection.is_http2() {
            let it = list.get_mut(index)?;
            it.since = Instant::now();
            Some(it.connection.clone())
        } else {
            Some(list.remove(index).connection)
        }
    }

    fn forget(&self, key: &Key, connection: &Connection) {
        if let Some(list) = self.kept().by_server.get_mut(&key.target) {
            list.retain(|it| !it.connection.is_same(connection));
        }
    }

    fn keep(self: &Arc<Self>, key: Key, connection: Connection, threads: &Handle) {
        let mut kept = self.kept();
        let list = kept.by_server.entry(key.target.clone()).or_default();
        if list.iter().any(|it| it.connection.is_same(&connection)) {
            return;
        }
        // Under other grants nobody asks for the old ones any more.
        list.retain(|it| it.key.revision == key.revision);
        list.push(Kept { key, connection, since: Instant::now() });
        if !std::mem::replace(&mut kept.is_swept, true) {
            threads.spawn(sweep(Arc::downgrade(self), self.idle));
        }
    }

    /// Closes what was not used for a while. False if there is nothing left to look after.
    fn sweep(&self) -> bool {
        let now = Instant::now();
        let mut kept = self.kept();
        kept.by_server.retain(|_, list| {
            list.retain(|it| {
                !it.connection.is_idle_without(None) || now.duration_since(it.since) < self.idle
            });
            !list.is_empty()
        });
        kept.is_swept = !kept.by_server.is_empty();
        kept.is_swept
    }

    fn kept(&self) -> MutexGuard<'_, Connections> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Closes those that were used longest ago, where more than this are idle once this one is let go of.
    fn drop_beyond(&mut self, most: usize, leaving: &Connection) {
        loop {
            let idle = || {
                let kept = self.by_server.values().flatten();
                kept.filter(|it| it.connection.is_idle_without(Some(leaving)))
            };
            if idle().count() <= most {
                return;
            }
            let oldest = idle().min_by_key(|it| it.since);
            let Some((server, connection)) = oldest.map(|it| (it.key.target.clone(), it.connection.clone()))
            else {
                return;
            };
            if let Some(list) = self.by_server.get_mut(&server) {
                list.retain(|it| !it.connection.is_same(&connection));
            }
        }
    }
}

/// Sweeps a pool now and then, as long as there is something in it.
async fn sweep(pool: Weak<Pool>, idle: Duration) {
    loop {
        tokio::time::sleep(idle).await;
        if !pool.upgrade().is_some_and(|pool| pool.sweep()) {
            return;
        }
    }
}

/// A connection in use. It is closed when this is dropped, unless it is given back.
pub(super) struct Lease {
    pool: Weak<Pool>,
    key: Key,
    pub(super) connection: Connection,
    /// Of the request that it carries.
    pub(super) progress: Option<Arc<Progress>>,
    /// Where connections are driven: the response may be read elsewhere.
    threads: Handle,
}

impl Lease {
    /// All of the response has come. A request of which a part has not been sent yet would be in the way of the next.
    pub(super) fn give_back(self) {
        let is_free = self.progress.as_ref().is_none_or(|progress| progress.is_sent());
        if let (true, false, Some(pool)) = (is_free, self.connection.is_http2(), self.pool.upgrade()) {
            pool.keep(self.key.clone(), self.connection.clone(), &self.threads);
        }
    }
}

impl Drop for Lease {
    /// Of HTTP/2 the connection stays in the pool, and may be idle from now on.
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.kept().drop_beyond(pool.most, &self.connection);
        }
    }
}
