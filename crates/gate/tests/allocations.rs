//! The judgment allocates nothing.

#![allow(clippy::expect_used, missing_docs, unreachable_pub, unsafe_code)]

#[path = "../benches/decide/counting.rs"]
mod counting;

use molecule_gate::{Effect, Gate, Grants, Reach, SecretPlace, SecretUse, Target};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

#[test]
fn no_judgment_allocates() {
    let mut grants = Grants::default();
    for rule in
        ["https://a.example/x/*/y*z", "POST,PUT https://*.a.example/v1/** per-minute=9", "http://10.0.0.1"]
    {
        grants.net.push(rule.parse().expect("a rule"));
    }
    grants.secrets.push("KEY@b.a.example body=/k".parse().expect("a grant"));
    grants.peers.push("bob".parse().expect("a peer"));
    let gate = Gate::new(grants);
    let target = Target::parse("POST", "https://b.a.example/v1/x?y").expect("a target");
    let pointer = SecretPlace::Body("/k".parse().expect("a pointer"));
    let uses = [SecretUse { name: "KEY".parse().expect("a name"), place: pointer }];
    let others = [SecretUse { name: "OTHER".parse().expect("a name"), place: SecretPlace::Header }];
    let address = "::ffff:10.0.0.1".parse().expect("an address");
    for (effect, expected) in [
        (Effect::Fetch { target: &target, bytes: 9, secrets: &uses }, true),
        (Effect::Fetch { target: &target, bytes: 9, secrets: &others }, false),
        (Effect::Fetch { target: &target, bytes: 1 << 40, secrets: &[] }, false),
        (Effect::Connect { target: &target, address, reach: &Reach::Public }, false),
        (Effect::Connect { target: &target, address, reach: &Reach::Any }, true),
        (Effect::CallPeer { id: "x", name: Some("bob"), bytes: 1 }, true),
        (Effect::RevealSecret { name: "KEY" }, false),
        (Effect::InstallPlugin { name: "dev", source: "local://dev" }, false),
        (Effect::RemovePlugin { name: "dev" }, false),
        (Effect::Store { bytes: 1, used: 1 }, false),
        (Effect::Socket { what: "udp" }, false),
    ] {
        let mut allowed = None;
        assert_eq!(counting::allocations(|| allowed = Some(gate.allows(&effect))), 0, "{effect:?}");
        assert_eq!(allowed, Some(expected), "{effect:?}");
    }
    // The counter counts.
    assert_eq!(counting::allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}
