//! How many files and sockets this process may have open at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the process itself has open: database, log, sockets, threads' own.
const OWN: u64 = 64;
/// What an agent has open when it is busy: connections for heartbeat, polling and sending, a lock.
const EACH: u64 = 5;

/// Raises the limit as far as this process may, and says so where it is too low for so many agents.
pub(super) fn raise(agents: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
    // None is no limit.
    let Some(files) = getrlimit(Resource::Nofile).current else { return };
    let wanted = wanted(agents);
    if files < wanted {
        tracing::warn!(
            "{files} open files are allowed and {agents} agents may need {wanted}; raise the hard limit (ulimit -Hn, or \
             LimitNOFILE= of the service)"
        );
    }
}

fn wanted(agents: usize) -> u64 {
    u64::try_from(agents).unwrap_or(u64::MAX).saturating_mul(EACH).saturating_add(OWN)
}
