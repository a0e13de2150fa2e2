//! A browser for each test, and what a person does with it.

use std::panic::AssertUnwindSafe;
use std::process::Stdio;

use futures::FutureExt as _;
use molecule_tests::canvas::{PATIENCE, Workspace};
use reqwest::Method;
use serde_json::{Value, json};
use thirtyfour::prelude::*;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::{Duration, Instant};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// Browsers at a time: each takes a core and some hundred megabytes.
static ROOM: Semaphore = Semaphore::const_new(2);
/// Between two looks at the page.
const LOOK: Duration = Duration::from_millis(20);

/// A browser with a tab.
pub(crate) struct Browser {
    driver: WebDriver,
    /// The one the driver talks to, and its process.
    process: Child,
}

impl Browser {
    /// Runs a test in a browser of its own, and closes it however that ends.
    pub(crate) async fn run(test: impl AsyncFnOnce(&Self)) {
        let _room = ROOM.acquire().await.expect("it is never closed");
        let browser = Self::start().await;
        let outcome = AssertUnwindSafe(test(&browser)).catch_unwind().await;
        if outcome.is_err() {
            println!("the page says: {}", browser.look("document.body.innerText").await);
        }
        // Closes the browser, which would outlive its driver.
        let Self { driver, mut process } = browser;
        let closed = driver.quit().await;
        process.kill().await.expect("the driver ends");
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        closed.expect("the browser closes");
    }

    async fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts; where it is missing: apt-get install chromium chromium-driver");
        let mut said = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let port = loop {
            let line = said.next_line().await.expect("a line").expect("chromedriver says where it listens");
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                break rest.trim_end_matches('.').parse::<u16>().expect(rest);
            }
        };
        // It must not stop for a pipe that nobody reads.
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        let mut chrome = DesiredCapabilities::chrome();
        // The sandbox of the browser refuses to run as root; what it shows here is ours.
        for flag in [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-proxy-server",
            "--window-size=1440,900",
        ] {
            chrome.add_arg(flag).expect("a flag");
        }
        let builder = WebDriver::builder(format!("http://127.0.0.1:{port}"), chrome);
        let driver = builder.client(plain_http()).connect().await.expect("a browser");
        Self { driver, process }
    }

    /// What the driver can do beside.
    pub(crate) fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// Opens an address.
    pub(crate) async fn open(&self, url: &str) {
        self.driver.goto(url).await.expect(url);
    }

    /// Opens the page of a platform with this workspace's chat.
    pub(crate) async fn open_chat(&self, platform: &str, workspace: &Workspace) {
        self.open(&format!("{platform}/?w={}", workspace.id)).await;
        self.until(&format!("document.querySelector('#name').textContent === '{}'", workspace.name)).await;
    }

    /// Opens another tab and goes to it.
    pub(crate) async fn another_tab(&self) {
        let tab = self.driver.new_tab().await.expect("a tab");
        self.driver.switch_to_window(tab).await.expect("the tab");
    }

    /// Goes to a tab, the first one being 0.
    pub(crate) async fn tab(&self, nth: usize) {
        let tabs = self.driver.windows().await.expect("tabs");
        self.driver.switch_to_window(tabs[nth].clone()).await.expect("the tab");
    }

    /// What an expression gives.
    pub(crate) async fn look(&self, expression: &str) -> Value {
        let script = format!("return ({expression})");
        self.driver.execute(script, Vec::new()).await.expect(expression).json().clone()
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.look(&format!("Boolean({expression})")).await != true {
            assert!(Instant::now() < deadline, "it never came to this: {expression}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the texts of elements are these.
    pub(crate) async fn until_texts(&self, css: &str, wanted: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let texts = self.texts(css).await;
            if texts == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{css}: {wanted:?} was wanted, there is {texts:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The texts of all elements of a kind.
    pub(crate) async fn texts(&self, css: &str) -> Vec<String> {
        let expression =
            format!("Array.from(document.querySelectorAll({}), (it) => it.textContent)", json!(css));
        let texts = self.look(&expression).await;
        texts.as_array().expect("a list").iter().map(|it| it.as_str().expect("a text").to_owned()).collect()
    }

    /// Clicks on an element as soon as it can be seen.
    pub(crate) async fn click(&self, css: &str) {
        self.until(&format!("document.querySelector({})?.checkVisibility()", json!(css))).await;
        self.driver.find(By::Css(css)).await.expect(css).click().await.expect(css);
    }

    /// Types into whatever has the focus.
    pub(crate) async fn press(&self, keys: impl Into<TypingData>) {
        let element = self.driver.active_element().await.expect("something has the focus");
        element.send_keys(keys).await.expect("it takes keys");
    }

    /// Writes to the agent whose chat is open.
    pub(crate) async fn say(&self, text: &str) {
        self.click("#text").await;
        self.press(text).await;
        self.press(Key::Enter).await;
    }

    /// Shows the page as to somebody who likes it light or dark.
    pub(crate) async fn likes(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.driver
            .cdp()
            .send_raw("Emulation.setEmulatedMedia", features)
            .await
            .expect("a browser of Chromium's kind");
    }
}

/// What an agent's host reports to the log of its workspace.
pub(crate) async fn report(canvas: &molecule_tests::canvas::Canvas, workspace: &Workspace, row: Value) {
    let path = format!("/workspaces/{}/activity", workspace.id);
    let (status, answer) = canvas.ask(Method::POST, &path, Some(&workspace.token), Some(&row)).await;
    assert_eq!(status, 200, "{answer}");
}

/// A sign of life of an agent that has no host.
pub(crate) async fn beat(canvas: &molecule_tests::canvas::Canvas, workspace: &Workspace, mut beat: Value) {
    beat["workspace_id"] = workspace.id.clone().into();
    let (status, answer) =
        canvas.ask(Method::POST, "/registry/heartbeat", Some(&workspace.token), Some(&beat)).await;
    assert_eq!(status, 200, "{answer}");
}

/// The driver speaks no TLS; a provider of its own keeps the client from asking for one for the whole process.
fn plain_http() -> reqwest::Client {
    let tls = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client")
}
