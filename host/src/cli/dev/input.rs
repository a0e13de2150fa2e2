//! What the user has to say: by flags, or at the terminal.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use tokio::sync::mpsc;

use super::conversation::Patience;
use crate::cli::prompt::{Desk, is_at_the_terminal};

/// Where texts for the agent come from.
#[derive(Debug)]
pub(super) enum Input {
    /// From `--say`.
    Given {
        /// What is still to be said.
        left: VecDeque<String>,
        /// Whether that is all there will ever be.
        ends: bool,
    },
    /// From the terminal, a line each.
    Typed(mpsc::Receiver<String>),
}

impl Input {
    /// What was given; and where nothing was, what is typed, if somebody is there to type. A line that is typed while a
    /// question is open at the desk answers that.
    pub(super) fn new(say: Vec<String>, patience: Patience, desk: &Desk) -> Self {
        match say.is_empty() && is_at_the_terminal() {
            true => Self::Typed(lines_of_stdin(desk.clone())),
            false => Self::Given { left: say.into(), ends: patience != Patience::Endless },
        }
    }

    /// True if each text was typed just now.
    pub(super) fn is_typed(&self) -> bool {
        matches!(self, Self::Typed(_))
    }

    /// The next text; `None` at the end. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<String> {
        match self {
            Self::Given { left, ends } => match left.pop_front() {
                None if !*ends => std::future::pending().await,
                next => next,
            },
            Self::Typed(lines) => lines.recv().await,
        }
    }
}

/// Reads on a thread of its own, which ends with the process: a read from a terminal cannot be called off.
fn lines_of_stdin(desk: Desk) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let Some(line) = desk.offer(line) else { continue };
            if !line.trim().is_empty() && sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_given_comes_in_order_and_ends_only_where_that_is_all() {
        let given = |ends| Input::Given { left: ["a".to_owned(), "b".to_owned()].into(), ends };
        let mut once = given(true);
        assert_eq!(
            [once.next().await, once.next().await, once.next().await],
            [Some("a".into()), Some("b".into()), None]
        );
        let mut endless = given(false);
        endless.next().await;
        endless.next().await;
        tokio::select! {
            biased;
            next = endless.next() => panic!("{next:?}"),
            () = std::future::ready(()) => {}
        }
    }
}
