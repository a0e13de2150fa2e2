//! What a heartbeat does to a workspace's status.

use molecule_protocol::{HeartbeatRequest, Status, heartbeat};

/// The status after a heartbeat.
///
/// | from | if | to |
/// | --- | --- | --- |
/// | provisioning, offline, awaiting_agent | | online |
/// | online | the runtime is wedged | degraded |
/// | online | error rate ≥ 0.5, unless the agent minds its own status | degraded |
/// | degraded | error rate < 0.1 and nothing said of the runtime, unless the agent minds its own status | online |
/// | any other | | as it was |
pub(crate) fn after(status: &Status, beat: &HeartbeatRequest) -> Status {
    let capabilities = beat.runtime_metadata.as_ref().map(|it| &it.capabilities);
    let minds_itself = capabilities.is_some_and(|it| it.get("status_mgmt") == Some(&true));
    match status {
        Status::Provisioning | Status::Offline | Status::AwaitingAgent => Status::Online,
        Status::Online if beat.runtime_state == heartbeat::WEDGED => Status::Degraded,
        Status::Online if beat.error_rate >= 0.5 && !minds_itself => Status::Degraded,
        Status::Degraded if beat.error_rate < 0.1 && beat.runtime_state.is_empty() && !minds_itself => {
            Status::Online
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use molecule_protocol::RuntimeMetadata;

    use super::*;

    #[test]
    fn a_heartbeat_moves_a_workspace_as_the_table_says() {
        let beat = |error_rate, runtime_state: &str, minds_itself| HeartbeatRequest {
            error_rate,
            runtime_state: runtime_state.into(),
            runtime_metadata: Some(RuntimeMetadata {
                capabilities: [("status_mgmt".to_owned(), minds_itself)].into(),
                idle_timeout_seconds: None,
            }),
            ..HeartbeatRequest::default()
        };
        use Status::*;
        for (from, beat, to) in [
            (Provisioning, beat(0.9, "", false), Online),
            (Offline, beat(0.0, "", false), Online),
            (AwaitingAgent, beat(0.0, "wedged", false), Online),
            (Online, beat(0.0, "wedged", true), Degraded),
            (Online, beat(0.5, "", false), Degraded),
            (Online, beat(0.49, "", false), Online),
            (Online, beat(0.9, "", true), Online),
            (Degraded, beat(0.2, "", false), Degraded),
            (Degraded, beat(0.05, "ok", false), Degraded),
            (Degraded, beat(0.05, "", true), Degraded),
            (Degraded, beat(0.05, "", false), Online),
            (Paused, beat(0.0, "", false), Paused),
            (Failed, beat(0.0, "", false), Failed),
            (Hibernated, beat(0.0, "", false), Hibernated),
            (Removed, beat(0.0, "", false), Removed),
        ] {
            assert_eq!(after(&from, &beat), to, "{from} {beat:?}");
        }
    }
}
