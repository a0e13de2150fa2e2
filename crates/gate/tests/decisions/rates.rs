//! How often, and what becomes of that when grants change.

use std::time::Duration;

use molecule_gate::{Act, Gate, Grants, Rule};

use crate::wants::{Want, fetch, grants, sends, timed, with_secrets};

fn denied(gate: &Gate, want: Want) -> Option<(&'static str, Option<String>)> {
    gate.pass(want, None).err().map(|denial| (denial.rule.name(), denial.grant))
}

#[test]
fn a_rule_has_a_rate_of_its_own() {
    let (gate, at) =
        timed(grants("--allow-net 'https://a.example per-minute=2' --allow-net https://b.example"));
    let get = || fetch("https://a.example/");
    // To explain is to count nothing.
    assert!(gate.explain(&get().effect()).is_allowed());
    assert_eq!([denied(&gate, get()), denied(&gate, get())], [None, None]);
    let cure = "--allow-net 'https://a.example per-minute=4'".to_owned();
    assert_eq!(denied(&gate, get()), Some(("request-rate", Some(cure))));
    assert_eq!(denied(&gate, fetch("https://b.example/")), None);
    let denial = gate.pass(get(), None).unwrap_err();
    assert_eq!(denial.rule, Rule::RequestRate { retry_after: Duration::from_secs(30) });
    at(30);
    assert_eq!(denied(&gate, get()), None);
}

#[test]
fn of_rules_that_match_each_gives_its_rate_and_one_without_gives_all() {
    let (gate, _) = timed(grants(
        "--allow-net 'https://a.example per-minute=1' --allow-net 'https://a.example/x per-minute=1' \
         --allow-net https://a.example/y",
    ));
    let rule = |url: &str| gate.pass(fetch(url), None).map(|permit| permit.terms().rule.unwrap()).ok();
    assert_eq!(
        ["/x", "/x", "/x"].map(|path| rule(&format!("https://a.example{path}"))),
        [Some(0), Some(1), None]
    );
    assert_eq!(rule("https://a.example/"), None);
    assert_eq!(["/y", "/y"].map(|path| rule(&format!("https://a.example{path}"))), [Some(2), Some(2)]);
}

#[test]
fn all_requests_have_a_rate_together_and_refusals_cost_nothing() {
    let (gate, at) = timed(grants(
        "--allow-net 'https://a.example per-minute=1' --allow-net https://b.example --max-requests-per-minute 3",
    ));
    assert_eq!(denied(&gate, fetch("https://a.example/")), None);
    for _ in 0..5 {
        assert_eq!(denied(&gate, fetch("https://a.example/")).unwrap().0, "request-rate");
        assert_eq!(denied(&gate, fetch("https://c.example/")).unwrap().0, "network");
        assert_eq!(denied(&gate, with_secrets("https://b.example/", &["KEY"])).unwrap().0, "secret");
        assert_eq!(denied(&gate, sends("https://b.example/", 1 << 30)).unwrap().0, "request-size");
        gate.explain(&fetch("https://b.example/").effect());
    }
    let get = || fetch("https://b.example/");
    assert_eq!([denied(&gate, get()), denied(&gate, get())], [None, None]);
    let expected = Some(("request-rate", Some("--max-requests-per-minute 6".to_owned())));
    assert_eq!(denied(&gate, get()), expected);
    // Nor is anything taken from the rule when there is nothing left for all.
    at(20);
    assert_eq!(denied(&gate, get()), None);
    at(60);
    assert_eq!(denied(&gate, fetch("https://a.example/")), None);
}

#[test]
fn grants_can_be_changed_and_what_was_used_stays_used() {
    let (gate, _) = timed(grants("--allow-net 'https://a.example per-minute=1' --max-messages-per-minute 1"));
    assert_eq!(gate.revision(), 1);
    assert_eq!(denied(&gate, fetch("https://a.example/")), None);
    assert_eq!(denied(&gate, Want::Notify(1)), None);
    // The same again is no change.
    gate.set_grants((*gate.grants()).clone());
    assert_eq!(gate.revision(), 1);
    gate.set_grants(grants(
        "--allow-net https://b.example --allow-net 'https://a.example per-minute=1' --max-messages-per-minute 2",
    ));
    assert_eq!(gate.revision(), 2);
    assert_eq!(denied(&gate, fetch("https://a.example/")).unwrap().0, "request-rate");
    assert_eq!(gate.pass(fetch("https://b.example/"), None).unwrap().terms().revision, 2);
    // One more than before, and not two.
    assert_eq!(denied(&gate, Want::Notify(1)), None);
    assert_eq!(denied(&gate, Want::Notify(1)).unwrap().0, "message-rate");
    gate.set_grants(Grants::default());
    assert_eq!(denied(&gate, fetch("https://b.example/")).unwrap().0, "network");
}

#[test]
fn where_both_rates_are_used_up_a_denial_names_both_and_the_longer_wait() {
    let rules = "--allow-net 'https://a.example per-minute=1' --max-requests-per-minute 2 --allow-net https://b.example";
    let (gate, _) = timed(grants(rules));
    for url in ["https://a.example/", "https://b.example/"] {
        assert_eq!(denied(&gate, fetch(url)), None);
    }
    let denial = gate.pass(fetch("https://a.example/"), None).unwrap_err();
    assert_eq!(denial.rule, Rule::RequestRate { retry_after: Duration::from_secs(60) });
    let both = "--max-requests-per-minute 4 --allow-net 'https://a.example per-minute=2'";
    assert_eq!(denial.grant.as_deref(), Some(both));
}
