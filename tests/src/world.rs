//! A platform of a test's own, in this process, and a folder for what hosts keep.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a fixture: what it does not expect is the fault of the test, which then fails"
)]

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use molecule_platform::{Clock, Config, Platform, Running};
use tempfile::TempDir;

use crate::canvas::Canvas;

/// Folders that the platform has its plugins from.
const PLUGINS: &str = "plugins";
const GITHUB: &str = "github";

/// A platform on a free port, and its users. Both end with it; the folder stays where the test has failed.
pub struct World {
    config: Config,
    platform: Option<Running>,
    canvas: Canvas,
    folder: TempDir,
}

impl World {
    /// A platform that keeps everything in a file, so that it can be restarted.
    pub async fn new() -> Self {
        Self::with_clock(Clock::system()).await
    }

    /// The same with a clock of its own.
    pub async fn with_clock(clock: Clock) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [plugins, github] = [PLUGINS, GITHUB].map(|name| folder.path().join(name));
        for folder in [&plugins, &github] {
            std::fs::create_dir(folder).expect("a folder");
        }
        let config = Config {
            db: Some(folder.path().join("platform.db")),
            plugins_dir: Some(plugins),
            github_base: Some(github),
            clock,
            ..Config::default()
        };
        let platform = Platform::start(config.clone()).await.expect("a platform");
        let config = Config { listen: platform.addr, ..config };
        Self { config, canvas: Canvas::of(platform.url.to_string()), platform: Some(platform), folder }
    }

    /// Where the platform listens.
    pub fn address(&self) -> SocketAddr {
        self.config.listen
    }

    /// A path in the folder of this test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the platform has its own plugins, a folder each.
    pub fn plugins(&self) -> PathBuf {
        self.path(PLUGINS)
    }

    /// Where it has what it takes for GitHub.
    pub fn github(&self) -> PathBuf {
        self.path(GITHUB)
    }

    /// The folder of this test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the platform.
    pub async fn stop_platform(&mut self) {
        if let Some(platform) = self.platform.take() {
            platform.shutdown().await;
        }
    }

    /// Starts it again, at the same address and with all that it knew.
    pub async fn start_platform(&mut self) {
        self.platform = Some(Platform::start(self.config.clone()).await.expect("a platform"));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            println!("what platform and hosts have kept is in {}", self.folder.path().display());
        }
    }
}

impl Deref for World {
    type Target = Canvas;

    fn deref(&self) -> &Canvas {
        &self.canvas
    }
}
