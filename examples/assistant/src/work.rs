//! What is being worked on, as the platform shows it.

use std::cell::RefCell;
use std::rc::Rc;

use molecule_guest::{Result, log, workspace};

/// The tasks in hand, the latest last. Several messages may be in hand at once.
#[derive(Default)]
pub struct Work(Rc<RefCell<Vec<(u64, String)>>>);

/// A task in hand; dropped, it is done.
pub struct Task {
    tasks: Rc<RefCell<Vec<(u64, String)>>>,
    number: u64,
}

impl Work {
    /// Says that it works on this until what comes back is dropped.
    pub fn begin(&self, task: String) -> Result<Task> {
        workspace::set_task(&task)?;
        let mut tasks = self.0.borrow_mut();
        let number = tasks.last().map_or(0, |(number, _)| number + 1);
        tasks.push((number, task));
        Ok(Task { tasks: self.0.clone(), number })
    }

    /// What it works on now.
    pub fn now(&self) -> Option<String> {
        self.0.borrow().last().map(|(_, task)| task.clone())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let mut tasks = self.tasks.borrow_mut();
        tasks.retain(|(number, _)| *number != self.number);
        let said = match tasks.last() {
            Some((_, task)) => workspace::set_task(task),
            None => workspace::clear_task(),
        };
        if let Err(error) = said {
            log::debug!("my task could not be told: {error}");
        }
    }
}
