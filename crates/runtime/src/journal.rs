//! What an agent writes, as far as it may: so many lines and bytes a minute.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::agent::{AgentEvent, Line, Observer};
use crate::limits::Limits;

/// Hands the lines of all instances of an agent to its observer. What comes too fast is dropped and counted.
pub(crate) struct Journal {
    observer: Arc<dyn Observer>,
    most: Most,
    minute: Mutex<Minute>,
}

const MINUTE: Duration = Duration::from_secs(60);

/// What may be written in a minute.
#[derive(Debug, Clone, Copy)]
struct Most {
    lines: u32,
    bytes: usize,
}

impl Journal {
    pub(crate) fn new(observer: Arc<dyn Observer>, limits: &Limits) -> Arc<Self> {
        let most = Most { lines: limits.log_lines_per_minute, bytes: limits.log_bytes_per_minute };
        Arc::new(Self { observer, most, minute: Mutex::new(Minute::starting(Instant::now())) })
    }

    /// Passes a line on, if there is room for it in this minute.
    pub(crate) fn line(self: &Arc<Self>, line: Line<'_>) {
        let fields: usize = line.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        let judged = self.minute().judge(self.most, line.text.len() + fields, Instant::now());
        self.tell(judged.dropped_before);
        match judged.verdict {
            Verdict::Passes => self.observer.line(line),
            Verdict::FirstDropped => self.tell_later(),
            Verdict::Dropped => {}
        }
    }

    /// Says what has been dropped, if that has not been said.
    pub(crate) fn flush(&self) {
        let dropped = self.minute().taken();
        self.tell(dropped);
    }

    /// Whoever falls silent after a flood does not say how much was dropped.
    fn tell_later(self: &Arc<Self>) {
        // Within a runtime that is just being shut down there is nobody to tell.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let journal = Arc::downgrade(self);
        let at = self.minute().began + MINUTE;
        runtime.spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            if let Some(journal) = journal.upgrade() {
                let dropped = journal.minute().taken_at(Instant::now());
                journal.tell(dropped);
            }
        });
    }

    fn tell(&self, dropped: Option<Dropped>) {
        if let Some(Dropped { lines, bytes }) = dropped {
            self.observer.event(AgentEvent::LogDropped { lines, bytes });
        }
    }

    fn minute(&self) -> std::sync::MutexGuard<'_, Minute> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was written, and what was not, since some instant.
#[derive(Debug)]
struct Minute {
    began: Instant,
    lines: u32,
    bytes: usize,
    dropped: Dropped,
}

/// What came too fast.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Dropped {
    lines: u64,
    bytes: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passes,
    FirstDropped,
    Dropped,
}

struct Judged {
    verdict: Verdict,
    /// What was dropped in the minute before, where this line begins another one.
    dropped_before: Option<Dropped>,
}

impl Minute {
    fn starting(now: Instant) -> Self {
        Self { began: now, lines: 0, bytes: 0, dropped: Dropped::default() }
    }

    fn judge(&mut self, most: Most, bytes: usize, now: Instant) -> Judged {
        let dropped_before = self.taken_at(now);
        let fits = self.lines < most.lines && self.bytes.saturating_add(bytes) <= most.bytes;
        // What has begun to be dropped is dropped to the end, so that no short lines stand amid a gap.
        let verdict = if self.dropped == Dropped::default() && fits {
            self.lines += 1;
            self.bytes += bytes;
            Verdict::Passes
        } else {
            self.dropped.lines += 1;
            self.dropped.bytes += bytes as u64;
            if self.dropped.lines == 1 { Verdict::FirstDropped } else { Verdict::Dropped }
        };
        Judged { verdict, dropped_before }
    }

    /// What was dropped, if the minute is over; the next one begins then.
    fn taken_at(&mut self, now: Instant) -> Option<Dropped> {
        if now.saturating_duration_since(self.began) < MINUTE {
            return None;
        }
        let dropped = self.taken();
        *self = Self::starting(now);
        dropped
    }

    fn taken(&mut self) -> Option<Dropped> {
        Some(std::mem::take(&mut self.dropped)).filter(|dropped| *dropped != Dropped::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_holds_so_many_lines_and_bytes_and_the_next_one_says_what_did_not_fit() {
        let start = Instant::now();
        let most = Most { lines: 3, bytes: 100 };
        for (sizes, passed, expected) in [
            (vec![10, 10, 10, 10, 10], 3, Dropped { lines: 2, bytes: 20 }),
            // By bytes; and what is short does not slip through after that.
            (vec![60, 60, 1], 1, Dropped { lines: 2, bytes: 61 }),
            (vec![101], 0, Dropped { lines: 1, bytes: 101 }),
        ] {
            let mut minute = Minute::starting(start);
            let verdicts: Vec<_> = sizes
                .into_iter()
                .map(|bytes| {
                    let judged = minute.judge(most, bytes, start + MINUTE / 2);
                    assert_eq!(judged.dropped_before, None);
                    judged.verdict
                })
                .collect();
            assert_eq!(verdicts.iter().filter(|it| **it == Verdict::Passes).count(), passed);
            assert_eq!(verdicts.iter().filter(|it| **it == Verdict::FirstDropped).count(), 1);
            let judged = minute.judge(most, 10, start + MINUTE);
            assert_eq!((judged.verdict, judged.dropped_before), (Verdict::Passes, Some(expected)));
        }
    }

    #[test]
    fn what_has_been_said_is_not_said_again() {
        let start = Instant::now();
        let mut minute = Minute::starting(start);
        assert_eq!(minute.taken(), None);
        minute.judge(Most { lines: 0, bytes: 100 }, 10, start);
        assert_eq!(minute.taken(), Some(Dropped { lines: 1, bytes: 10 }));
        assert_eq!(minute.taken_at(start + MINUTE), None);
    }
}
