//! The one engine, and the clock that lets it take turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::{Config, Engine, EngineWeak, WasmBacktraceDetails};

/// How long a guest runs before others get their turn.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a running guest after which the clock sleeps until there is one.
const IDLE_TICKS: u32 = 20;

/// What the host's own functions find below a guest's stack.
const HOST_STACK: usize = 1536 * 1024;

/// Builds the engine; nothing else does. `stack` is how many bytes of it a guest may use.
pub(crate) fn engine(stack: usize) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.max_wasm_stack(stack);
    config.async_stack_size(stack.saturating_add(HOST_STACK));
    // Guests yield at every tick: an endless loop can be dropped there.
    config.epoch_interruption(true);
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    Engine::new(&config)
}

/// Advances the epoch of an engine every [`TICK`] while a guest runs, from a plain thread: a runtime's own timer may
/// be held up by the very guests that it is to interrupt.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    ended: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new()
            .name("molecule-ticker".to_owned())
            .spawn({
                let (shared, engine) = (shared.clone(), engine.weak());
                move || tick(&shared, &engine)
            })?
            .thread()
            .clone();
        Ok(Self { shared, thread })
    }

    /// Keeps the clock going until what this gives back is dropped.
    pub(crate) fn ticking(&self) -> Ticking {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking(self.shared.clone())
    }
}

/// A guest runs.
pub(crate) struct Ticking(Arc<Shared>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn tick(shared: &Shared, engine: &EngineWeak) {
    let mut idle = 0;
    while !shared.ended.load(Ordering::SeqCst) {
        thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
        idle = if shared.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
        if idle >= IDLE_TICKS {
            drop(engine);
            shared.asleep.store(true, Ordering::SeqCst);
            // Whoever enters after this sees `asleep`; whoever entered before is seen here.
            while shared.running.load(Ordering::SeqCst) == 0 && !shared.ended.load(Ordering::SeqCst) {
                thread::park();
            }
            shared.asleep.store(false, Ordering::SeqCst);
            idle = 0;
        }
    }
}
