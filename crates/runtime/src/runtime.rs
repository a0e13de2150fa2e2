//! The engine and the threads that guests run on.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::aot::AotStore;
use crate::component::{self, Component, LoadError};
use crate::engine::{self, Ticker};
use crate::guest::Guest;
use crate::imports;
use crate::instance;
use crate::limits::Limits;
use crate::wit::Card;

/// How long `describe` may take.
const DESCRIBE_TIME: Duration = Duration::from_secs(5);

/// Runs any number of agents. One is enough for a process; cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) ticker: Arc<Ticker>,
    linker: Linker<Guest>,
    aot: Option<AotStore>,
    /// One compilation at a time: each uses all cores by itself.
    compiling: Arc<Semaphore>,
    threads: Option<tokio::runtime::Runtime>,
}

/// What all agents of a runtime share.
#[derive(Debug)]
pub struct RuntimeOptions {
    /// Keeps compiled components: what is compiled once is loaded after that.
    pub aot: Option<AotStore>,
    /// Bytes of stack that a guest's functions may use, each instance for itself. The stack on which a guest keeps
    /// what its functions point to is another one, in its own memory, of a size that its toolchain chose. 1 MiB.
    pub stack_bytes: usize,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self { aot: None, stack_bytes: 1024 * 1024 }
    }
}

/// The runtime could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly runtime could not be built: {0}")]
pub struct RuntimeError(String);

impl Runtime {
    /// Builds the engine, its clock and the guests' threads. With a store, what is compiled once is loaded after that.
    ///
    /// # Errors
    /// When the system gives no threads or no executable memory.
    pub fn new(aot: Option<AotStore>) -> Result<Self, RuntimeError> {
        Self::with(RuntimeOptions { aot, ..RuntimeOptions::default() })
    }

    /// The same, with options.
    ///
    /// # Errors
    /// As above, and when there is no stack of that size.
    pub fn with(RuntimeOptions { aot, stack_bytes }: RuntimeOptions) -> Result<Self, RuntimeError> {
        let failed = |error: wasmtime::Error| RuntimeError(format!("{error:#}"));
        let engine = engine::engine(stack_bytes).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        imports::link(&mut linker).map_err(failed)?;
        let io_failed = |error: std::io::Error| RuntimeError(error.to_string());
        let ticker = Arc::new(Ticker::start(&engine).map_err(io_failed)?);
        let threads = tokio::runtime::Builder::new_multi_thread()
            .thread_name("molecule-guest")
            .enable_all()
            .build()
            .map_err(io_failed)?;
        let inner = Inner {
            engine,
            ticker,
            linker,
            aot,
            compiling: Arc::new(Semaphore::new(1)),
            threads: Some(threads),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Compiles a component, or takes what was compiled before, and sees that it is an agent.
    ///
    /// # Errors
    /// [`LoadError`] says what it is instead.
    pub async fn load(&self, bytes: Vec<u8>) -> Result<Component, LoadError> {
        component::check_bytes(&bytes)?;
        let host = |detail: String| LoadError::Host { detail };
        let turn = self.inner.compiling.clone().acquire_owned().await;
        let turn = turn.map_err(|error| host(error.to_string()))?;
        let inner = self.inner.clone();
        let loading = tokio::task::spawn_blocking(move || {
            // Compiling goes on when nobody waits for it any more: its turn ends with it.
            let _turn = turn;
            inner.load(&bytes)
        });
        loading.await.map_err(|error| host(error.to_string()))?
    }

    /// Asks an agent who it is, in an instance of its own that can reach nothing.
    ///
    /// # Errors
    /// [`LoadError::Describe`] when it dies, of a limit or by itself, or takes longer than five seconds.
    pub async fn describe(&self, component: &Component, limits: Limits) -> Result<Card, LoadError> {
        instance::describe(self, component, limits, DESCRIBE_TIME)
            .await
            .map_err(|death| LoadError::Describe { detail: death.to_string() })
    }

    /// Where guests run.
    pub(crate) fn threads(&self) -> Option<&tokio::runtime::Handle> {
        self.inner.threads.as_ref().map(tokio::runtime::Runtime::handle)
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

impl Inner {
    fn load(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        let digest = blake3::hash(bytes).to_hex().to_string();
        let (component, was_kept) = self.compiled(bytes, &digest)?;
        component::check_world(&component, &self.engine)?;
        let pre = self
            .linker
            .instantiate_pre(&component)
            .map_err(|error| LoadError::OtherWorld { detail: format!("{error:#}") })?;
        Component::new(pre, digest, was_kept)
    }

    /// Native code for a component, and whether it was there already.
    fn compiled(
        &self,
        bytes: &[u8],
        digest: &str,
    ) -> Result<(wasmtime::component::Component, bool), LoadError> {
        let name = self.artefact_name(digest);
        if let Some(artefact) = self.aot.as_ref().and_then(|aot| aot.load(&name)) {
            match deserialize(&self.engine, artefact) {
                Ok(component) => return Ok((component, true)),
                Err(error) => {
                    tracing::warn!("a compiled component does not load ({error:#}); compiling it again")
                }
            }
        }
        let artefact = self
            .engine
            .precompile_component(bytes)
            .map_err(|error| LoadError::Invalid { detail: format!("{error:#}") })?;
        if let Some(aot) = &self.aot
            && let Err(error) = aot.save(&name, &artefact)
        {
            tracing::warn!(
                "the compiled component could not be kept: {error}; the next start compiles it again"
            );
        }
        let component = deserialize(&self.engine, artefact);
        Ok((component.map_err(|error| LoadError::Host { detail: format!("{error:#}") })?, false))
    }

    /// Names an artefact by the component, and by all of this engine that matters for compiled code.
    fn artefact_name(&self, digest: &str) -> String {
        let mut hasher = DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        format!("{digest}-{:016x}", hasher.finish())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Dropping a tokio runtime in place would wait, and panic within another one.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// Loads native code that this process has just made, or whose tag [`AotStore::load`] has checked.
#[allow(unsafe_code)]
fn deserialize(engine: &Engine, artefact: Vec<u8>) -> wasmtime::Result<wasmtime::component::Component> {
    // SAFETY: the bytes are what `precompile_component` returned, in this process or in one that had the key of our own
    // store: both callers above see to it. They are in memory: nobody can change them between the check and here.
    unsafe { wasmtime::component::Component::deserialize(engine, artefact) }
}
