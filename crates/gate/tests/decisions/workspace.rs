//! What an agent does in its own workspace, and what reaches beyond it.

use molecule_gate::{Effect, Gate, Limits, MemoryScope, Rule};

use crate::wants::{Want, grants};

/// Take a check of the judgment out and a row of this table fails.
#[test]
fn the_workspace_itself_needs_no_grant_and_whatever_reaches_beyond_it_does() {
    use Effect::*;
    let read = |scope| ReadMemory { scope };
    let write = |scope| WriteMemory { scope, bytes: 3 };
    let (local, team, global) = (MemoryScope::Local, MemoryScope::Team, MemoryScope::Global);
    let memory = |grant| Some(("memory", Some(grant)));
    let peer = Some(("peer", Some("--allow-peer bob")));
    let (discover, delegate) =
        (Discover { id: "bob", name: None }, Delegate { id: "bob", name: None, bytes: 3 });
    for (line, effect, expected) in [
        ("", Register { bytes: 3 }, None),
        ("", Heartbeat, None),
        ("", State, None),
        ("", OpenFile { uri: "workspace:/x" }, None),
        ("", History, None),
        ("", Progress { bytes: 3 }, None),
        ("", Delegations, None),
        ("", AskApproval { bytes: 3 }, None),
        ("", ReadApprovals, None),
        ("", discover, peer),
        ("", delegate, peer),
        ("--allow-peer eve", discover, peer),
        ("--allow-peer eve", delegate, peer),
        ("--allow-peer bob", discover, None),
        ("--allow-peer bob", delegate, None),
        ("", read(local), memory("--allow-memory local")),
        ("", write(local), memory("--allow-memory local")),
        ("--allow-memory local", read(local), None),
        ("--allow-memory local", write(local), None),
        ("--allow-memory local", read(team), memory("--allow-memory team")),
        ("--allow-memory team", write(team), None),
        ("--allow-memory team", read(local), None),
        ("--allow-memory team", write(global), memory("--allow-memory global")),
        ("--allow-memory global", read(global), None),
        (
            "--max-message-bytes 2",
            AskApproval { bytes: 3 },
            Some(("message-size", Some("--max-message-bytes 3"))),
        ),
        ("", Attach { bytes: Limits::MOST_FILE_BYTES }, None),
        ("", Attach { bytes: Limits::MOST_FILE_BYTES + 1 }, Some(("file-size", None))),
    ] {
        let denied = Gate::new(grants(line)).pass(Want::Plain(effect), None).err();
        let denied = denied.as_ref().map(|denial| (denial.rule.name(), denial.grant.as_deref()));
        assert_eq!(denied, expected, "{line} on {effect:?}");
        let closed = Gate::closed().pass(Want::Plain(effect), None).unwrap_err();
        assert_eq!((closed.rule, closed.grant), (Rule::NotStarted, None), "{effect:?}");
    }
}
