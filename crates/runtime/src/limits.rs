//! What an instance may take from its host.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::agent::Observer;

/// Bounds on one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, all memories of the instance together.
    pub memory_bytes: usize,
    /// Elements of one table.
    pub table_elements: usize,
    /// Core instances in one component; a Python agent needs some ten.
    pub instances: usize,
}

impl Default for Limits {
    /// 256 MiB, which a Python agent fits in.
    fn default() -> Self {
        Self { memory_bytes: 256 * 1024 * 1024, table_elements: 1_000_000, instances: 64 }
    }
}

/// Enforces [`Limits`] and remembers what was refused, so that a death can name its reason.
pub(crate) struct Limiter {
    limits: Limits,
    memory: usize,
    refused: Option<String>,
    /// Who hears how much memory it is.
    observer: Option<Arc<dyn Observer>>,
}

impl Limiter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, memory: 0, refused: None, observer: None }
    }

    /// Tells how much memory the instance has, whenever that changes.
    pub(crate) fn telling(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// What was refused last, in words.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_sub(current).saturating_add(desired);
        if total > self.limits.memory_bytes {
            self.refused = Some(format!(
                "memory limit: {} MiB wanted, {} MiB allowed",
                total.div_ceil(1024 * 1024),
                self.limits.memory_bytes / (1024 * 1024)
            ));
            return Ok(false);
        }
        self.memory = total;
        if let Some(observer) = &self.observer {
            observer.memory(total);
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = desired <= self.limits.table_elements;
        if !fits {
            self.refused = Some(format!(
                "table limit: {desired} elements wanted, {} allowed",
                self.limits.table_elements
            ));
        }
        Ok(fits)
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
        assert!(limiter.refused().unwrap().contains("memory limit"));
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(!limiter.memory_growing(60, 61, None).unwrap());
    }
}
