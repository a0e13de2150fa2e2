//! The one engine, and the clock that lets it take turns.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::{Config, Engine, EngineWeak, WasmBacktraceDetails};

/// How long a guest runs before others get their turn.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a running guest after which the clock sleeps until there is one.
const IDLE_TICKS: u32 = 20;

/// Builds the engine; nothing else does.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
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

    /// Keeps the clock going while `future` is being polled.
    pub(crate) fn during<F: Future>(self: &Arc<Self>, future: F) -> Ticked<F> {
        Ticked { ticker: self.clone(), future: Box::pin(future) }
    }

    fn enter(&self) {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    fn leave(&self) {
        self.shared.running.fetch_sub(1, Ordering::SeqCst);
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

/// A future during whose polls the clock ticks.
pub(crate) struct Ticked<F> {
    ticker: Arc<Ticker>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Ticked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        struct Leave(Arc<Ticker>);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.leave();
            }
        }
        self.ticker.enter();
        let _leave = Leave(self.ticker.clone());
        self.future.as_mut().poll(context)
    }
}
