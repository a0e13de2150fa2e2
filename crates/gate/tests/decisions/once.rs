//! What is granted for one act only.

use molecule_gate::{Gate, Grant, Kind, Policy, Verdict};

use crate::wants::{Want, connects, fetch, grants, installs, sends, timed, with_secrets};

/// A want, once allowed by the cure of its denial, and denied as before after that.
#[test]
fn what_cures_a_denial_allows_it_once_and_no_longer() {
    let get = "https://a.example/x";
    let table: Vec<(&str, Want)> = vec![
        ("", Want::List),
        ("", Want::Call("bob".into())),
        ("--allow-peer eve", Want::Call("bob".into())),
        ("--max-message-bytes 10", Want::Notify(11)),
        ("", fetch(get)),
        ("--allow-net https://b.example", fetch(get)),
        ("", with_secrets(get, &["A", "B"])),
        ("--allow-net https://a.example", with_secrets(get, &["A"])),
        ("--allow-net 'https://a.example max-request=10B'", sends(get, 11)),
        ("", Want::Reveal("KEY".into())),
        ("", installs("dev", "github://a/dev#1")),
        ("", Want::Remove("dev".into())),
        ("", Want::Store { bytes: 1, used: 0 }),
    ];
    for (line, want) in table {
        let gate = Gate::new(grants(line));
        let denial = gate.pass(want.clone(), None).unwrap_err();
        let permit = gate.pass_once(want.clone(), Some("m-1"), &denial.cure);
        assert!(permit.is_ok(), "{line} on {want:?}: {permit:?}");
        // Writes that are allowed are only counted.
        if !matches!(want, Want::Store { .. }) {
            let receipt = gate.receipts().latest().pop().unwrap();
            assert_eq!((receipt.number, receipt.denied), (permit.unwrap().receipt(), None));
            assert_eq!(receipt.message.as_deref(), Some("m-1"));
        }
        assert_eq!(gate.pass(want.clone(), None).unwrap_err(), denial, "{line} on {want:?}");
        assert_eq!((&*gate.grants(), gate.revision()), (&grants(line), 1));
    }
}

#[test]
fn a_grant_that_is_of_no_use_to_an_act_does_not_allow_it() {
    let gate = Gate::new(grants(""));
    let bob = Grant::Peer("bob".parse().unwrap());
    let denial = gate.pass_once(Want::Call("eve".into()), None, std::slice::from_ref(&bob)).unwrap_err();
    assert_eq!(denial.grant.as_deref(), Some("--allow-peer eve"));
    assert!(gate.pass_once(Want::Socket, None, std::slice::from_ref(&bob)).is_err());
    assert!(Gate::closed().pass_once(Want::Call("bob".into()), None, &[bob]).is_err());
}

#[test]
fn its_terms_are_those_of_the_wider_grants_and_name_no_rule_that_does_not_hold() {
    let gate = Gate::new(grants("--allow-net https://a.example"));
    let private = Grant::Net("https://a.example private".parse().unwrap());
    let other = Grant::Net("https://b.example max-request=1KiB".parse().unwrap());
    let terms = |url: &str, grant: &Grant| {
        *gate.pass_once(fetch(url), None, std::slice::from_ref(grant)).unwrap().terms()
    };
    let terms_a = terms("https://a.example/", &private);
    assert_eq!((terms_a.reach, terms_a.rule), (molecule_gate::Reach::Any, Some(0)));
    let terms_b = terms("https://b.example/", &other);
    assert_eq!((terms_b.request_bytes, terms_b.rule), (1 << 10, None));
    // The next one is judged by what holds.
    assert!(gate.pass(connects(&gate, "https://a.example/", "10.0.0.1"), None).is_err());
}

/// Carry no meter to the wider grants, or none back, and this fails.
#[test]
fn what_it_uses_of_a_rate_stays_used() {
    let (gate, _) = timed(grants("--allow-peer bob --max-messages-per-minute 3"));
    let eve = [Grant::Peer("eve".parse().unwrap())];
    let call = |peer: &str| Want::Call(peer.into());
    assert!(gate.pass(call("bob"), None).is_ok());
    assert!(gate.pass_once(call("eve"), None, &eve).is_ok());
    assert!(gate.pass(call("bob"), None).is_ok());
    assert_eq!(gate.pass_once(call("eve"), None, &eve).unwrap_err().rule.name(), "message-rate");
    assert_eq!(gate.pass(call("bob"), None).unwrap_err().rule.name(), "message-rate");
    assert_eq!(gate.receipts().counts(Kind::CallPeer).allowed, 3);

    let (gate, _) = timed(grants("--allow-net 'https://a.example per-minute=2'"));
    let other = [Grant::Net("https://b.example".parse().unwrap())];
    assert!(gate.pass(fetch("https://a.example/"), None).is_ok());
    assert!(gate.pass_once(fetch("https://b.example/"), None, &other).is_ok());
    assert!(gate.pass_once(fetch("https://a.example/"), None, &other).is_ok());
    assert_eq!(gate.pass(fetch("https://a.example/"), None).unwrap_err().rule.name(), "request-rate");
}

struct Never;

impl Policy for Never {
    fn judge(&self, _: &str, _: &molecule_gate::Effect<'_>) -> Verdict {
        Verdict::Deny("never".into())
    }
}

#[test]
fn a_policy_refuses_also_what_is_granted_once() {
    let gate = Gate::new(grants("")).judged_by("alice", std::sync::Arc::new(Never));
    let bob = [Grant::Peer("bob".parse().unwrap())];
    let denial = gate.pass_once(Want::Call("bob".into()), None, &bob).unwrap_err();
    assert_eq!((denial.rule.name(), denial.cure.len()), ("policy", 0));
}

/// Answers to two questions may come in any order.
#[test]
fn a_grant_of_a_smaller_value_takes_nothing_away() {
    let granted = grants("--allow-storage 2KiB");
    let mut more = granted.clone();
    for smaller in [
        Grant::Storage("1KiB".parse().unwrap()),
        Grant::MessageBytes(10),
        Grant::MessagesPerMinute(1),
        Grant::RequestsPerMinute(1),
    ] {
        more.add(smaller);
    }
    assert_eq!(more, granted);
}
