//! What an agent may take from its host.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::agent::Observer;

/// Bounds on one agent: the first three on each of its instances, the others on all of them together, so that one that
/// dies of its greed has no new start with it. What they do not name is bounded elsewhere:
/// [`ActorOptions`](crate::ActorOptions) has times and numbers of callbacks, the [`Runtime`](crate::Runtime) the stack.
///
/// A Python agent is at home in the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, all memories of the instance together. 256 MiB, of which Python takes some 15.
    pub memory_bytes: usize,
    /// Elements of all tables of the instance together; each takes a pointer's 8 bytes. 1,000,000.
    pub table_elements: usize,
    /// Core instances in one component, and as many tables and memories. 64; a Python agent needs some ten.
    pub instances: usize,
    /// CPU time of one callback: with one callback in flight at a time, from its start to its end; with more, of one
    /// run that lets none of the others go on. Whoever takes more dies. 30 s.
    pub callback_cpu: Duration,
    /// CPU time in a minute. Saved up for a minute at most; whoever has used it up waits for more and does not die.
    /// 30 s, which is half a core; from 60 s on there is no bound.
    pub cpu_per_minute: Duration,
    /// Lines that the agent logs and prints in a minute; what comes above that is dropped and counted. 3,000.
    pub log_lines_per_minute: u32,
    /// Bytes of these lines in a minute. 1 MiB.
    pub log_bytes_per_minute: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 * 1024 * 1024,
            table_elements: 1_000_000,
            instances: 64,
            callback_cpu: Duration::from_secs(30),
            cpu_per_minute: Duration::from_secs(30),
            log_lines_per_minute: 3_000,
            log_bytes_per_minute: 1024 * 1024,
        }
    }
}

/// Something of which an instance gets only so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Linear memory.
    Memory,
    /// Tables and their elements.
    Tables,
    /// Core instances.
    Instances,
}

/// What was refused, in words that begin with the limit's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Of what it was refused more.
    pub resource: Resource,
    /// How much was wanted, and how much is allowed.
    pub detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.resource {
            Resource::Memory => "memory limit",
            Resource::Tables => "table limit",
            Resource::Instances => "instance limit",
        };
        write!(f, "{name}: {}", self.detail)
    }
}

/// Enforces the first three of the [`Limits`], and remembers what was refused, so that a death can name its reason.
pub(crate) struct Limiter {
    limits: Limits,
    memory: Grown,
    tables: Grown,
    refused: Option<Refusal>,
    /// Who hears how much memory it is.
    observer: Option<Arc<dyn Observer>>,
}

impl Limiter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, memory: Grown::default(), tables: Grown::default(), refused: None, observer: None }
    }

    /// Tells how much memory the instance has, whenever that changes.
    pub(crate) fn telling(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// What was refused last.
    pub(crate) fn refused(&self) -> Option<&Refusal> {
        self.refused.as_ref()
    }

    /// Reads the error with which wasmtime refuses a component that is made of too many things.
    pub(crate) fn too_many(&self, error: &str) -> Option<Refusal> {
        let (_, said) = error.split_once("resource limit exceeded: ")?;
        let (kind, count) = said.split_once(" count too high at ")?;
        let resource = match kind {
            "memory" => Resource::Memory,
            "table" => Resource::Tables,
            _ => Resource::Instances,
        };
        let count = count.split(|it: char| !it.is_ascii_digit()).next().unwrap_or_default();
        let things = match resource {
            Resource::Memory => "memories",
            Resource::Tables => "tables",
            Resource::Instances => "core instances",
        };
        let detail = format!("{count} {things} or more are needed, {} allowed", self.limits.instances);
        Some(Refusal { resource, detail })
    }
}

/// How much there is of something, and how much there was before it grew last.
#[derive(Debug, Default)]
struct Grown {
    now: usize,
    before: usize,
}

impl Grown {
    /// How much there would be after one of several has grown.
    fn after(&self, current: usize, desired: usize) -> usize {
        self.now.saturating_sub(current).saturating_add(desired)
    }

    fn grow(&mut self, total: usize) {
        self.before = std::mem::replace(&mut self.now, total);
    }

    /// What was allowed did not come about.
    fn shrink_back(&mut self) {
        self.now = self.before;
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.after(current, desired);
        if total > self.limits.memory_bytes {
            let detail = format!(
                "{} MiB wanted, {} MiB allowed",
                total.div_ceil(1024 * 1024),
                self.limits.memory_bytes / (1024 * 1024)
            );
            self.refused = Some(Refusal { resource: Resource::Memory, detail });
            return Ok(false);
        }
        self.memory.grow(total);
        if let Some(observer) = &self.observer {
            observer.memory(total);
        }
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.shrink_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.tables.after(current, desired);
        if total > self.limits.table_elements {
            let detail = format!("{total} elements wanted, {} allowed", self.limits.table_elements);
            self.refused = Some(Refusal { resource: Resource::Tables, detail });
            return Ok(false);
        }
        self.tables.grow(total);
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.tables.shrink_back();
        Ok(())
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.instances
    }

    fn memories(&self) -> usize {
        self.limits.instances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_are_counted_together() {
        let mut limiter = Limiter::new(Limits { memory_bytes: 100, ..Limits::default() });
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 41, None).unwrap());
        assert!(limiter.refused().unwrap().to_string().starts_with("memory limit: "));
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(!limiter.memory_growing(60, 61, None).unwrap());
    }

    #[test]
    fn tables_are_counted_together() {
        let mut limiter = Limiter::new(Limits { table_elements: 100, ..Limits::default() });
        assert!(limiter.table_growing(0, 60, None).unwrap());
        assert!(!limiter.table_growing(0, 41, None).unwrap());
        assert_eq!(limiter.refused().unwrap().to_string(), "table limit: 101 elements wanted, 100 allowed");
        assert!(limiter.table_growing(60, 100, None).unwrap());
    }

    /// Else an agent that asks in vain, again and again, would lose memory that it never had.
    #[test]
    fn what_was_allowed_and_did_not_come_about_is_not_counted() {
        let mut limiter = Limiter::new(Limits { memory_bytes: 100, ..Limits::default() });
        for _ in 0..10 {
            assert!(limiter.memory_growing(10, 90, Some(50)).unwrap());
            limiter.memory_grow_failed(wasmtime::Error::msg("its own maximum")).unwrap();
        }
    }
}
