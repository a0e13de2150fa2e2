//! What somebody is to be reminded of.

use std::time::Instant;

/// Reminders that may wait.
const MOST: usize = 100;

/// Something to be reminded of.
#[derive(Clone, Debug, PartialEq)]
pub struct Reminder {
    due: Instant,
    pub what: String,
}

/// The reminders that wait, the earliest first.
#[derive(Default)]
pub struct Reminders(Vec<Reminder>);

impl Reminders {
    /// Keeps one. False where there are too many.
    pub fn add(&mut self, due: Instant, what: &str) -> bool {
        let room = self.0.len() < MOST;
        if room {
            self.put_back(Reminder { due, what: what.to_owned() });
        }
        room
    }

    /// Keeps one that could not be sent.
    pub fn put_back(&mut self, reminder: Reminder) {
        let at = self.0.partition_point(|other| other.due <= reminder.due);
        self.0.insert(at, reminder);
    }

    /// Takes the earliest, if it is due.
    pub fn take_due(&mut self, now: Instant) -> Option<Reminder> {
        self.0.first().is_some_and(|first| first.due <= now).then(|| self.0.remove(0))
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn reminders_come_when_they_are_due_in_order() {
        let (mut reminders, start) = (Reminders::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(reminders.add(after(20), "later") && reminders.add(after(10), "sooner"));
        assert_eq!(reminders.take_due(after(9)), None);
        let all: Vec<_> = std::iter::from_fn(|| reminders.take_due(after(20))).map(|it| it.what).collect();
        assert_eq!(all, ["sooner", "later"]);
    }

    #[test]
    fn so_many_may_wait() {
        let (mut reminders, now) = (Reminders::default(), Instant::now());
        let taken = (0..MOST + 5).filter(|_| reminders.add(now, "stretch")).count();
        assert_eq!((taken, reminders.len()), (MOST, MOST));
    }
}
