//! What holds for all grants and all effects.

use molecule_gate::{Act, Grant, Grants, Reach, Target};
use proptest::prelude::*;

use crate::wants::{Want, paste, timed, with_secrets};

fn rules() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        Just("https://a.example"),
        Just("https://*.a.example"),
        Just("https://b.a.example"),
        Just("http://a.example"),
        Just("http://localhost"),
        Just("http://127.0.0.1"),
        Just("https://a.example:444"),
    ];
    let path = prop_oneof![Just(""), Just("/"), Just("/v1/**"), Just("/v1/*"), Just("/v1/x*"), Just("/%2A")];
    let methods = prop_oneof![Just(""), Just("POST "), Just("* "), Just("GET,POST ")];
    let bounds = prop_oneof![
        Just(""),
        Just(" max-request=10B"),
        Just(" per-minute=1"),
        Just(" max-request=9MiB per-minute=2")
    ];
    (methods, host, path, bounds)
        .prop_map(|(methods, host, path, bounds)| format!("{methods}{host}{path}{bounds}"))
}

fn some_grants() -> impl Strategy<Value = Grants> {
    let secrets = prop_oneof![
        Just("A@a.example"),
        Just("B@a.example"),
        Just("A@localhost"),
        Just("A@127.0.0.1 body=/k"),
        Just("A@a.example body=/k"),
        Just("B@a.example:444"),
    ];
    let net = proptest::collection::vec(rules(), 0..4);
    let more = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 1..3u32);
    (net, proptest::collection::vec(secrets, 0..3), more).prop_map(
        |(net, secrets, (peer, reveal, plugin, storage, rate))| {
            let mut grants = Grants {
                net: net.iter().map(|rule| rule.parse().unwrap()).collect(),
                secrets: secrets.iter().map(|secret| secret.parse().unwrap()).collect(),
                ..Grants::default()
            };
            grants.peers.extend(peer.then(|| "bob".parse().unwrap()));
            grants.reveal.extend(reveal.then(|| "A".parse().unwrap()));
            grants.plugins.extend(plugin.then(|| "dev".parse().unwrap()));
            grants.storage_bytes = storage.then(|| "1KiB".parse().unwrap());
            grants.limits.requests_per_minute = rate;
            grants.limits.messages_per_minute = rate;
            grants.limits.message_bytes = 20;
            grants
        },
    )
}

fn wants() -> impl Strategy<Value = Want> {
    let url = prop_oneof![
        Just("https://a.example"),
        Just("https://b.a.example"),
        Just("http://a.example"),
        Just("http://localhost"),
        Just("http://127.0.0.1"),
        Just("https://a.example:444"),
        Just("https://c.example"),
        Just("http://[::1]:81"),
    ];
    let path =
        prop_oneof![Just(""), Just("/v1"), Just("/v1/x"), Just("/v1/xyz?a=b"), Just("/*"), Just("/'%20$(x)")];
    let method = prop_oneof![Just("GET"), Just("HEAD"), Just("POST"), Just("it's")];
    let target = (method, url, path)
        .prop_map(|(method, url, path)| Target::parse(method, &format!("{url}{path}")).unwrap());
    let secrets =
        proptest::collection::vec(prop_oneof![Just("A"), Just("B"), Just("A/k"), Just("B/it's k")], 0..3);
    let size = prop_oneof![Just(0usize), Just(10), Just(11), Just((8 << 20) + 1), Just(usize::MAX)];
    let address = prop_oneof![
        Just("8.8.8.8"),
        Just("10.0.0.1"),
        Just("127.0.0.1"),
        Just("::1"),
        Just("169.254.169.254"),
        Just("::ffff:10.0.0.1"),
    ];
    let reach = prop_oneof![Just(Reach::Public), Just(Reach::Any), Just(Reach::Loopback)];
    prop_oneof![
        6 => (target.clone(), size, secrets).prop_map(|(target, bytes, secrets)| {
            let Want::Fetch { secrets, .. } = with_secrets("https://a", &secrets) else { unreachable!() };
            Want::Fetch { target, bytes, secrets }
        }),
        2 => (target, address, reach)
            .prop_map(|(target, address, reach)| Want::Connect { target, address: address.parse().unwrap(), reach }),
        1 => prop_oneof![Just("A"), Just("B"), Just("PATH"), Just("it's")].prop_map(|name| Want::Reveal(name.into())),
        1 => (0..2000u64, 0..2000u64).prop_map(|(bytes, used)| Want::Store { bytes, used }),
        1 => (prop_oneof![Just("dev"), Just("*"), Just("a b")], prop_oneof![Just("local://dev"), Just("github://a/dev#1")])
            .prop_map(|(name, source)| Want::Install(name.into(), source.into())),
        1 => prop_oneof![Just("dev"), Just("*")].prop_map(|name| Want::Remove(name.into())),
        1 => Just(Want::Socket),
        1 => (0..40usize).prop_map(Want::Notify),
        1 => prop_oneof![Just("bob"), Just("it's me"), Just("")].prop_map(|id| Want::Call(id.into())),
        1 => Just(Want::List),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// What `explain` says is what `pass` does, in any order and until all rates are used up.
    #[test]
    fn an_explanation_is_what_happens(grants in some_grants(), wants in proptest::collection::vec(wants(), 1..8)) {
        let gate = timed(grants).0;
        for want in wants {
            let said = gate.explain(&want.effect());
            let again = gate.explain(&want.effect());
            prop_assert_eq!(&said, &again);
            let done = gate.pass(want, None).map(|permit| *permit.terms());
            prop_assert_eq!(said.outcome, done);
        }
    }

    /// Whatever is denied with a grant is allowed once that grant is pasted, here or for a new start.
    #[test]
    fn pasting_the_grant_of_a_denial_helps(grants in some_grants(), wants in proptest::collection::vec(wants(), 1..6)) {
        for want in wants {
            let gate = timed(grants.clone()).0;
            // Whatever its rates still give.
            while let Ok(permit) = gate.pass(want.clone(), None) {
                if gate.receipts().latest().len() > 8 || permit.receipt() > 8 {
                    break;
                }
            }
            let Err(denial) = gate.pass(want.clone(), None) else { continue };
            let Some(line) = denial.grant else {
                prop_assert!(denial.cure.is_empty());
                continue;
            };
            let mut more = grants.clone();
            paste(&mut more, &line);
            let mut added = grants.clone();
            denial.cure.into_iter().for_each(|grant| added.add(grant));
            prop_assert_eq!(&added, &more, "{}", line);
            gate.set_grants(more.clone());
            for gate in [gate, timed(more).0] {
                // A connection is judged by the reach of its request, which the grant changes.
                let want = match want.clone() {
                    Want::Connect { target, address, .. } => {
                        let fetch = Want::Fetch { target: target.clone(), bytes: 0, secrets: vec![] };
                        let reach = gate.pass(fetch, None).map(|permit| permit.terms().reach);
                        prop_assert!(reach.is_ok(), "{line}: {reach:?}");
                        Want::Connect { target, address, reach: reach.unwrap() }
                    }
                    other => other,
                };
                let outcome = gate.pass(want, None);
                prop_assert!(outcome.is_ok(), "{line}: {outcome:?}");
            }
        }
    }

    /// Adding a grant never takes anything away.
    #[test]
    fn grants_only_add(grants in some_grants(), rule in rules(), want in wants()) {
        let before = timed(grants.clone()).0.pass(want.clone(), None).map(|permit| *permit.terms());
        let mut more = grants;
        more.add(Grant::Net(rule.parse().unwrap()));
        let after = timed(more).0.pass(want, None).map(|permit| *permit.terms());
        if let Ok(before) = before {
            let after = after.expect("still allowed");
            prop_assert!(after.request_bytes >= before.request_bytes && after.response_bytes >= before.response_bytes);
            prop_assert!(before.reach != Reach::Any || after.reach == Reach::Any);
        }
    }
}
