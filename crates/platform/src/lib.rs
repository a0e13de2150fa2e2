//! A Molecule AI platform on one's own machine: for developing agents, and for tests.
//!
//! It speaks to hosts, agents and operators as the real one does. The routes that it has answer with the same status
//! codes, error bodies, checks and their order. It keeps everything in one SQLite file, or in memory. What it does not do: start containers, bill,
//! or hold many people apart. It listens on the loopback interface, and refuses requests that a foreign web page makes a
//! browser send, because in development whoever reaches it is its admin. Where it listens elsewhere, or an admin token is
//! set, that token is asked for and stands in the address of its [page](Running::page).
//!
//! ```
//! use molecule_platform::{Config, Platform};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let platform = Platform::start(Config::default()).await?; // in memory, on a free port
//! println!("an agent connects to {}", platform.url);
//! platform.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Where it differs from the real one:
//!
//! - Pages of other origins are refused unless configured; the real one allows `localhost:3000`. So are unknown hosts.
//! - A token that is nobody's is refused by the proxy even when no caller is named.
//! - When the storage cannot say who is who, nobody passes.
//! - Names of members are matched to the letter, and a trailing slash is another route.
//! - Secrets are kept in clear, in a file that only its owner may read.
//! - `PUT /workspaces/:id/instructions` is its own.
//! - Plugins come from a folder of folders and from a folder of git repositories, which stands in for GitHub. No link
//!   that leads out of these two is followed, and of a repository nothing is read but its refs and objects.
//! - An agent that redirects a pushed message is followed within its origin only, and where its name leads is judged again
//!   when the connection is made.
//! - `GET /` is its own page, and `GET /events/stream` what the page lives on: server-sent events for the operator, over
//!   all workspaces. The first is `{whole: true, now, workspaces, gone, rows}`, how things stand; the others say the same
//!   of what has changed since. `rows` are rows of the activity log, in order and each once; where a body is over 32 KiB
//!   the row comes without it and with `cut`.
//! - A change by `PATCH /workspaces/:id` is an event `WORKSPACE_UPDATED`.
//! - Effects of agents are rows `agent_log` of method `gate` and status `ok` or `denied`, with `{effect, target, rule,
//!   grant}` as `metadata`, the last two of a denial only; the page shows them.
//!
//! - `--journal` writes down what is asked; see [`Config::journal`].
//!
//! Not there (`404 page not found`) are `/events`, the MCP bridge, and whatever needs a container (`chat/download` says so).
//! Nor are there sessions of browsers, and thus no cookies that prove anything.

mod a2a;
mod agent_url;
mod app;
mod auth;
mod beat;
mod clock;
mod config;
mod delegation;
mod error;
mod events;
mod feed;
mod guard;
mod hierarchy;
mod journal;
mod log;
mod plugins;
mod rates;
mod records;
mod reply;
mod router;
mod routes;
mod schedule;
mod sweep;
pub mod testing;
mod tls;
mod tokens;

use std::net::SocketAddr;
use std::time::Duration;

use molecule_protocol::PlatformUrl;
use molecule_store::{Database, Options};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use crate::clock::{Clock, ClockHand};
pub use crate::config::{Config, Environment};
pub use crate::error::StartError;
pub use crate::rates::RateWindow;

use crate::app::{App, Parts, SCHEMA};

/// Forms with files, of 50 MiB at most, that are in memory at once; the others wait.
const MOST_FORMS: usize = 4;

/// Starts platforms.
#[derive(Debug)]
pub struct Platform;

impl Platform {
    /// Starts a platform on the current tokio runtime. When this returns, it answers.
    ///
    /// # Errors
    /// [`StartError`], each with what to do.
    pub async fn start(mut config: Config) -> Result<Running, StartError> {
        if !config.listen.ip().is_loopback() && config.is_open() {
            if !config.open_to_network {
                return Err(StartError::Open(config.listen));
            }
            config.admin_token = Some(tokens::random().map_err(|_| StartError::NoRandomness)?);
        }
        for (flag, folder) in [("--plugins-dir", &config.plugins_dir), ("--github-base", &config.github_base)]
        {
            check_folder(flag, folder.as_deref())?;
        }
        let journal = config.journal.as_deref().map(open_journal).transpose()?;
        let cannot_listen = |source| StartError::Listen { addr: config.listen, source };
        // Before the database, which would otherwise be made for nothing.
        let listener = TcpListener::bind(config.listen).await.map_err(cannot_listen)?;
        let addr = listener.local_addr().map_err(cannot_listen)?;
        let url = url_of(addr).map_err(|error| cannot_listen(std::io::Error::other(error)))?;
        let db = open(&config).await?;
        db.write(|connection| {
            a2a::queue::recover(connection)?;
            delegation::recover(connection)?;
            schedule::recover(connection)
        })
        .await?;
        let (stop, stopping) = watch::channel(false);
        let app = App::new(Parts {
            http: tls::client(&config)?,
            journal,
            events: events::Events::new(),
            plugins: plugins::Plugins::new(&config),
            rates: rates::RateWindows::default(),
            token_uses: tokens::TokenUses::default(),
            forms: tokio::sync::Semaphore::new(MOST_FORMS),
            stopping: stopping.clone(),
            db,
            config,
        });
        let sweeper = tokio::spawn(keep_sweeping(app.clone(), stopping.clone()));
        let server = tokio::spawn(serve(listener, app.clone(), stopping));
        Ok(Running { addr, url, app, stop, server, sweeper })
    }
}

/// A platform that runs until [`shutdown`](Self::shutdown), or until this is dropped.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What a client on this machine connects to.
    pub url: PlatformUrl,
    app: App,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    sweeper: JoinHandle<()>,
}

impl Running {
    /// The address of the page for a person's browser. Where an admin token is demanded, it is in there: behind the `#`,
    /// which no browser sends anywhere.
    pub fn page(&self) -> String {
        match &self.app.config.admin_token {
            None => format!("{}/", self.url),
            Some(token) => {
                let token: String = url::form_urlencoded::byte_serialize(token.expose().as_bytes()).collect();
                format!("{}/#token={token}", self.url)
            }
        }
    }

    /// Looks now at what time alone changes (agents gone silent, rows too old), instead of waiting for the next time it is
    /// due.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn sweep(&self) -> Result<(), molecule_store::StoreError> {
        sweep::sweep(&self.app).await
    }

    /// How many requests each window of the rate limit had, in the order in which they began; the last 10,080 that are
    /// over, and those that run. Empty where requests are not counted.
    pub fn rate_windows(&self) -> Vec<RateWindow> {
        self.app.rates.all()
    }

    /// Stops: takes no more requests, ends streams, gives what is under way 10 s, closes the database.
    pub async fn shutdown(self) {
        const GRACE: Duration = Duration::from_secs(10);
        let Self { app, stop, mut server, sweeper, .. } = self;
        stop.send_replace(true);
        if tokio::time::timeout(GRACE, &mut server).await.is_err() {
            server.abort();
        }
        // A sweep that failed was logged.
        let _ = sweeper.await;
        let db = app.db.clone();
        drop(app);
        // A message that is being pushed may hold the database for long. What was promised is on the disk anyhow.
        let _ = tokio::time::timeout(Duration::from_secs(1), db.close()).await;
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("url", &self.url).finish_non_exhaustive()
    }
}

fn url_of(addr: SocketAddr) -> Result<PlatformUrl, molecule_protocol::InvalidPlatformUrl> {
    match addr.ip().is_unspecified() {
        true => format!("http://localhost:{}", addr.port()).parse(),
        false => format!("http://{addr}").parse(),
    }
}

/// Sees to it that a folder is there: without it every download would fail, one by one.
fn check_folder(flag: &'static str, folder: Option<&std::path::Path>) -> Result<(), StartError> {
    let Some(path) = folder else { return Ok(()) };
    path.read_dir().map(drop).map_err(|source| StartError::Folder { flag, path: path.to_owned(), source })
}

fn open_journal(path: &std::path::Path) -> Result<journal::Journal, StartError> {
    journal::Journal::open(path).map_err(|source| StartError::Journal { path: path.to_owned(), source })
}

async fn open(config: &Config) -> Result<Database, StartError> {
    let Some(path) = config.db.clone() else { return Ok(Database::in_memory(&SCHEMA)?) };
    let open = move || Database::open(&path, &SCHEMA, Options::default());
    let opened = tokio::task::spawn_blocking(open).await;
    Ok(opened.unwrap_or(Err(molecule_store::StoreError::Closed))?)
}

async fn serve(listener: TcpListener, app: App, mut stopping: watch::Receiver<bool>) {
    use axum::serve::ListenerExt as _;

    let router = router::router(app).into_make_service_with_connect_info::<SocketAddr>();
    let listener = listener.tap_io(|stream| {
        // Small answers must not wait for more.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
    });
    let stopped = async move {
        // The sender being gone is a stop, too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "the platform stopped");
    }
}

async fn keep_sweeping(app: App, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(app.config.sweep_every) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = sweep::sweep(&app).await {
            tracing::warn!(%error, "a sweep failed");
        }
    }
}
