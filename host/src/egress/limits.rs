//! How long and how much.

use std::time::Duration;

use molecule_runtime::Times;

/// Bounds on every request of every agent. Those that differ from grant to grant are in its
/// [`Terms`](molecule_gate::Terms).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EgressLimits {
    /// Until there is a connection: the name, TCP and TLS. 10 s, at most 60.
    pub connect: TimeBound,
    /// From the end of the request to the head of the response. Models think: 2 minutes, at most 15.
    pub first_byte: TimeBound,
    /// Between two pieces of a body, either way. 1 minute, at most 15.
    pub between_bytes: TimeBound,
    /// From the call to the last byte. 10 minutes, at most an hour.
    pub total: TimeBound,
    /// How long a request waits for others of the same agent to end. 30 s.
    pub wait: Duration,
    /// Bytes of the head of a response. 64 KiB.
    pub header_bytes: usize,
    /// Answers that say nothing (1xx) before the one that counts, over HTTP/1.1. 16. Over HTTP/2 they are dropped unread,
    /// and end with the time for the first byte.
    pub interim: usize,
    /// How long a connection is kept that is not used. 20 s: load balancers begin to drop them after a minute.
    pub idle: Duration,
    /// So many are kept for an agent. 16.
    pub idle_per_agent: usize,
    /// Connections of all agents. 4096.
    pub connections: usize,
}

/// A time: what is usual, and the most that an agent can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeBound {
    /// Where the agent says nothing.
    pub usual: Duration,
    /// Whatever it says.
    pub most: Duration,
}

impl TimeBound {
    const fn of(usual: u64, most: u64) -> Self {
        Self { usual: Duration::from_secs(usual), most: Duration::from_secs(most) }
    }

    fn clamp(self, asked: Option<Duration>) -> Duration {
        asked.unwrap_or(self.usual).min(self.most)
    }
}

impl Default for EgressLimits {
    fn default() -> Self {
        Self {
            connect: TimeBound::of(10, 60),
            first_byte: TimeBound::of(120, 900),
            between_bytes: TimeBound::of(60, 900),
            total: TimeBound::of(600, 3600),
            wait: Duration::from_secs(30),
            header_bytes: 64 * 1024,
            interim: 16,
            idle: Duration::from_secs(20),
            idle_per_agent: 16,
            connections: 4096,
        }
    }
}

/// The times of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clamped {
    pub(super) connect: Duration,
    pub(super) first_byte: Duration,
    pub(super) between_bytes: Duration,
    pub(super) total: Duration,
}

impl EgressLimits {
    /// What an agent asks for, within what it can have.
    pub(super) fn clamp(&self, asked: Times) -> Clamped {
        Clamped {
            connect: self.connect.clamp(asked.connect),
            first_byte: self.first_byte.clamp(asked.first_byte),
            between_bytes: self.between_bytes.clamp(asked.between_bytes),
            total: self.total.clamp(asked.total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_gets_what_it_asks_for_up_to_a_most() {
        let limits = EgressLimits::default();
        let asked = Times {
            connect: Some(Duration::from_secs(1)),
            total: Some(Duration::from_secs(1_000_000)),
            ..Times::default()
        };
        let times = limits.clamp(asked);
        assert_eq!(times.connect, Duration::from_secs(1));
        assert_eq!(times.total, limits.total.most);
        assert_eq!(times.first_byte, limits.first_byte.usual);
    }
}
