//! What the gate decides, what it says, and that what it says helps.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use molecule_gate::{
    Act, Effect, Gate, Grant, Grants, Kind, Reach, Rule, SecretPlace, SecretUse, Target, Terms,
};
use proptest::prelude::*;

/// Something an agent may want, that a test can keep.
#[derive(Debug, Clone)]
enum Want {
    Fetch { target: Target, bytes: usize, secrets: Vec<SecretUse> },
    Connect { target: Target, address: IpAddr, reach: Reach },
    Reveal(String),
    Store { bytes: u64, used: u64 },
    Socket,
    Notify(usize),
    List,
    Call(String),
}

impl Act for Want {
    fn effect(&self) -> Effect<'_> {
        match self {
            Want::Fetch { target, bytes, secrets } => Effect::Fetch { target, bytes: *bytes, secrets },
            Want::Connect { target, address, reach } => Effect::Connect { target, address: *address, reach },
            Want::Reveal(name) => Effect::RevealSecret { name },
            Want::Store { bytes, used } => Effect::Store { bytes: *bytes, used: *used },
            Want::Socket => Effect::Socket { what: "tcp.connect" },
            Want::Notify(bytes) => Effect::Notify { bytes: *bytes },
            Want::List => Effect::ListPeers,
            Want::Call(id) => Effect::CallPeer { id, name: None, bytes: 3 },
        }
    }
}

fn target(request: &str) -> Target {
    let (method, url) = request.split_once(' ').unwrap_or(("GET", request));
    Target::parse(method, url).unwrap()
}

fn fetch(request: &str) -> Want {
    Want::Fetch { target: target(request), bytes: 0, secrets: vec![] }
}

fn sends(request: &str, bytes: usize) -> Want {
    Want::Fetch { target: target(request), bytes, secrets: vec![] }
}

/// `NAME` for a header, `NAME/pointer` for a body.
fn with_secrets(request: &str, secrets: &[&str]) -> Want {
    let of = |text: &&str| match text.find('/') {
        None => SecretUse { name: text.parse().unwrap(), place: SecretPlace::Header },
        Some(at) => SecretUse {
            name: text[..at].parse().unwrap(),
            place: SecretPlace::Body(text[at..].parse().unwrap()),
        },
    };
    Want::Fetch { target: target(request), bytes: 0, secrets: secrets.iter().map(of).collect() }
}

/// What the gate asks about an address once a request has been allowed.
fn connects(gate: &Gate, request: &str, address: &str) -> Want {
    let reach = gate.pass(fetch(request), None).unwrap().terms().reach;
    Want::Connect { target: target(request), address: address.parse().unwrap(), reach }
}

/// The flags of a line, as a shell takes it apart, added to grants.
fn paste(grants: &mut Grants, line: &str) {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quoted, mut open) = (String::new(), false, false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => (quoted, open) = (!quoted, true),
            '\\' if !quoted => word.extend(letters.next()),
            ' ' if !quoted => {
                words.push(std::mem::take(&mut word));
                open = false;
            }
            other => word.push(other),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    assert_eq!(words.len() % 2, 0, "{line}");
    for pair in words.chunks(2) {
        let value = pair[1].as_str();
        grants.add(match pair[0].as_str() {
            "--allow-peer" => Grant::Peer(value.parse().unwrap()),
            "--allow-net" => Grant::Net(value.parse().unwrap()),
            "--allow-secret" => Grant::Secret(value.parse().unwrap()),
            "--allow-reveal" => Grant::Reveal(value.parse().unwrap()),
            "--allow-storage" => Grant::Storage(value.parse().unwrap()),
            "--max-message-bytes" => Grant::MessageBytes(value.parse().unwrap()),
            "--max-messages-per-minute" => Grant::MessagesPerMinute(value.parse().unwrap()),
            "--max-requests-per-minute" => Grant::RequestsPerMinute(value.parse().unwrap()),
            other => panic!("{other}"),
        });
    }
}

fn grants(line: &str) -> Grants {
    let mut grants = Grants::default();
    if !line.is_empty() {
        paste(&mut grants, line);
    }
    grants
}

/// Take a check of the judgment out and a row of this table fails.
#[test]
fn each_effect_is_allowed_by_its_grant_and_denied_by_its_rule() {
    const NET: &str = "--allow-net https://a.example";
    const KEY: &str = "--allow-net https://a.example --allow-secret KEY@a.example";
    let get = "https://a.example/x";
    let post = "POST https://a.example/x?k=hunter2";
    let http = "http://a.example/x";
    let table: Vec<(&str, Want, Option<(&str, Option<&str>)>)> = vec![
        // Requests.
        ("", fetch(get), Some(("network", Some("--allow-net https://a.example/x")))),
        ("", fetch(post), Some(("network", Some("--allow-net 'POST https://a.example/x'")))),
        (NET, fetch(get), None),
        (NET, fetch(post), Some(("network", Some("--allow-net 'POST https://a.example/x'")))),
        (NET, fetch("https://a.example/*/x"), None),
        ("", fetch("https://a.example/*/x"), Some(("network", Some("--allow-net https://a.example/%2A/x")))),
        ("", fetch("http://127.0.0.1:81/"), Some(("network", Some("--allow-net http://127.0.0.1:81/")))),
        ("", fetch("http://[::1]/"), Some(("network", Some("--allow-net 'http://[::1]/'")))),
        // Their size.
        (NET, sends(get, 8 << 20), None),
        (
            NET,
            sends(get, (8 << 20) + 1),
            Some(("request-size", Some("--allow-net 'https://a.example max-request=9MiB'"))),
        ),
        ("--allow-net 'https://a.example max-request=10B'", sends(get, 10), None),
        (
            "--allow-net 'https://a.example max-request=10B'",
            sends(get, 11),
            Some(("request-size", Some("--allow-net 'https://a.example max-request=11B'"))),
        ),
        (
            "--allow-net 'https://a.example max-request=10B' --allow-net https://a.example",
            sends(get, 11),
            None,
        ),
        (
            "",
            sends(get, 9 << 20),
            Some(("network", Some("--allow-net 'https://a.example/x max-request=9MiB'"))),
        ),
        // Secrets.
        (KEY, with_secrets(get, &["KEY"]), None),
        (KEY, with_secrets(get, &["KEY", "KEY"]), None),
        (NET, with_secrets(get, &["KEY"]), Some(("secret", Some("--allow-secret KEY@a.example")))),
        (KEY, with_secrets(get, &["KEY2"]), Some(("secret", Some("--allow-secret KEY2@a.example")))),
        (KEY, with_secrets(get, &["key"]), Some(("secret", Some("--allow-secret key@a.example")))),
        (
            NET,
            with_secrets(get, &["A", "B", "A"]),
            Some(("secret", Some("--allow-secret A@a.example --allow-secret B@a.example"))),
        ),
        (
            "",
            with_secrets(get, &["A"]),
            Some(("network", Some("--allow-net https://a.example/x --allow-secret A@a.example"))),
        ),
        (
            "--allow-net https://b.example --allow-secret KEY@a.example",
            with_secrets("https://b.example/", &["KEY"]),
            Some(("secret", Some("--allow-secret KEY@b.example"))),
        ),
        (
            "--allow-net https://*.a.example --allow-secret KEY@a.example",
            with_secrets("https://b.a.example/", &["KEY"]),
            Some(("secret", Some("--allow-secret KEY@b.a.example"))),
        ),
        (
            "--allow-net https://a.example:444 --allow-secret KEY@a.example",
            with_secrets("https://a.example:444/", &["KEY"]),
            Some(("secret", Some("--allow-secret KEY@a.example:444"))),
        ),
        (
            "--allow-net https://a.example:444 --allow-secret KEY@a.example:444",
            with_secrets("https://a.example:444/", &["KEY"]),
            None,
        ),
        (
            "--allow-net https://a.example --allow-secret KEY@a.example:444",
            with_secrets(get, &["KEY"]),
            Some(("secret", Some("--allow-secret KEY@a.example"))),
        ),
        (
            KEY,
            with_secrets(get, &["KEY/k"]),
            Some(("secret", Some("--allow-secret 'KEY@a.example body=/k'"))),
        ),
        (
            "--allow-net https://a.example --allow-secret 'KEY@a.example body=/k'",
            with_secrets(get, &["KEY/k", "KEY"]),
            None,
        ),
        (
            "--allow-net https://a.example --allow-secret 'KEY@a.example body=/k'",
            with_secrets(get, &["KEY/k/0"]),
            Some(("secret", Some("--allow-secret 'KEY@a.example body=/k/0'"))),
        ),
        // In the clear only to this machine.
        (
            "--allow-net http://a.example --allow-secret KEY@a.example",
            with_secrets(http, &["KEY"]),
            Some(("secret", None)),
        ),
        (
            "--allow-net http://10.0.0.1 --allow-secret KEY@10.0.0.1",
            with_secrets("http://10.0.0.1/", &["KEY"]),
            Some(("secret", None)),
        ),
        (
            "--allow-net http://a.localhost --allow-secret KEY@a.localhost",
            with_secrets("http://a.localhost/", &["KEY"]),
            Some(("secret", None)),
        ),
        ("", with_secrets(http, &["KEY"]), Some(("network", None))),
        (
            "--allow-net http://localhost:81 --allow-secret KEY@localhost:81",
            with_secrets("http://localhost:81/", &["KEY"]),
            None,
        ),
        (
            "--allow-net http://127.0.0.1 --allow-secret KEY@127.0.0.1",
            with_secrets("http://127.0.0.1/", &["KEY"]),
            None,
        ),
        ("--allow-net http://[::1] --allow-secret KEY@[::1]", with_secrets("http://[::1]/", &["KEY"]), None),
        // What the agent may see.
        ("", Want::Reveal("KEY".into()), Some(("reveal", Some("--allow-reveal KEY")))),
        (
            "--allow-secret KEY@a.example",
            Want::Reveal("KEY".into()),
            Some(("reveal", Some("--allow-reveal KEY"))),
        ),
        ("--allow-reveal KEY", Want::Reveal("KEY".into()), None),
        ("--allow-reveal KEY", Want::Reveal("KEY2".into()), Some(("reveal", Some("--allow-reveal KEY2")))),
        (
            "--allow-reveal KEY",
            with_secrets(get, &["KEY"]),
            Some(("network", Some("--allow-net https://a.example/x --allow-secret KEY@a.example"))),
        ),
        ("", Want::Reveal("no name".into()), Some(("reveal", None))),
        ("", Want::Reveal("PATH".into()), Some(("reveal", None))),
        // What it may keep.
        ("", Want::Store { bytes: 1, used: 0 }, Some(("storage-quota", Some("--allow-storage 1B")))),
        ("", Want::Store { bytes: 0, used: 5 }, None),
        ("--allow-storage 10B", Want::Store { bytes: 4, used: 6 }, None),
        (
            "--allow-storage 10B",
            Want::Store { bytes: 5, used: 6 },
            Some(("storage-quota", Some("--allow-storage 11B"))),
        ),
        ("--allow-storage 10B", Want::Store { bytes: 0, used: 60 }, None),
        ("--allow-storage 10B", Want::Store { bytes: u64::MAX, used: 60 }, Some(("storage-quota", None))),
        (
            "--allow-storage 1MiB",
            Want::Store { bytes: 1, used: 1 << 20 },
            Some(("storage-quota", Some("--allow-storage 2MiB"))),
        ),
        // Never.
        ("--allow-net '* https://a.example'", Want::Socket, Some(("socket", None))),
    ];
    for (index, (line, want, expected)) in table.into_iter().enumerate() {
        let denied = Gate::new(grants(line)).pass(want.clone(), None).err();
        let denied = denied.as_ref().map(|denial| (denial.rule.name(), denial.grant.as_deref()));
        assert_eq!(denied, expected, "row {index}: {line} on {want:?}");
        let closed = Gate::closed().pass(want, None).unwrap_err();
        assert_eq!((closed.rule, closed.grant), (Rule::NotStarted, None), "row {index}");
    }
}

#[test]
fn each_address_is_judged_by_the_reach_of_its_request() {
    for (rule, request, address, expected) in [
        ("https://a.example", "https://a.example/", "93.184.216.34", None),
        (
            "https://a.example",
            "https://a.example/",
            "10.0.0.1",
            Some(Some("--allow-net 'https://a.example private'")),
        ),
        (
            "https://a.example",
            "https://a.example/",
            "127.0.0.1",
            Some(Some("--allow-net 'https://a.example private'")),
        ),
        (
            "https://a.example",
            "https://a.example/",
            "::ffff:10.0.0.1",
            Some(Some("--allow-net 'https://a.example private'")),
        ),
        ("https://a.example", "https://a.example/", "169.254.169.254", Some(None)),
        ("https://a.example", "https://a.example/", "0.0.0.0", Some(None)),
        ("https://a.example private", "https://a.example/", "10.0.0.1", None),
        ("https://a.example private", "https://a.example/", "93.184.216.34", None),
        ("https://a.example private", "https://a.example/", "169.254.169.254", Some(None)),
        ("https://a.example private", "https://a.example/", "fd00:ec2::254", Some(None)),
        ("http://localhost", "http://localhost/", "127.0.0.1", None),
        ("http://localhost", "http://localhost/", "::1", None),
        ("http://localhost", "http://localhost/", "10.0.0.1", Some(None)),
        ("http://localhost", "http://localhost/", "93.184.216.34", Some(None)),
        ("http://169.254.169.254", "http://169.254.169.254/", "169.254.169.254", None),
        ("http://10.0.0.1", "http://10.0.0.1/", "10.0.0.2", Some(None)),
        (
            "POST https://*.a.example/v1/** per-minute=9",
            "POST https://b.a.example/v1/x",
            "192.168.1.1",
            Some(Some("--allow-net 'POST https://*.a.example/v1/** per-minute=9 private'")),
        ),
    ] {
        let gate = Gate::new(grants(&format!("--allow-net '{rule}'")));
        let denied = gate.pass(connects(&gate, request, address), None).err();
        assert!(denied.as_ref().is_none_or(|denial| denial.rule == Rule::Address));
        let grant = denied.as_ref().map(|denial| denial.grant.as_deref());
        assert_eq!(grant, expected, "{rule} to {address}");
    }
}

#[test]
fn of_rules_that_match_the_widest_of_each_bound_holds() {
    let gate = Gate::new(grants(
        "--allow-net 'https://a.example max-request=1KiB max-response=9KiB' \
         --allow-net 'https://a.example/x max-request=5KiB max-response=2KiB private' \
         --allow-net 'https://a.example/y max-response=1GiB'",
    ));
    let terms = |url: &str| *gate.pass(fetch(url), None).unwrap().terms();
    let of = |reach, request_bytes: u64, response_bytes: u64| Terms {
        reach,
        request_bytes,
        response_bytes,
        rule: Some(0),
        revision: 1,
    };
    assert_eq!(terms("https://a.example/x"), of(Reach::Any, 5 << 10, 9 << 10));
    assert_eq!(terms("https://a.example/y"), of(Reach::Public, 8 << 20, 1 << 30));
    assert_eq!(terms("https://a.example/z"), of(Reach::Public, 1 << 10, 9 << 10));
}

/// A gate whose clock a test moves.
fn timed(grants: Grants) -> (Gate, impl Fn(u64)) {
    let start = Instant::now();
    let now = Arc::new(Mutex::new(start));
    let clock = now.clone();
    let gate = Gate::with_clock(grants, Arc::new(move || *clock.lock().unwrap()));
    (gate, move |seconds| *now.lock().unwrap() = start + Duration::from_secs(seconds))
}

fn denied(gate: &Gate, want: Want) -> Option<(&'static str, Option<String>)> {
    gate.pass(want, None).err().map(|denial| (denial.rule.name(), denial.grant))
}

#[test]
fn a_rule_has_a_rate_of_its_own() {
    let (gate, at) =
        timed(grants("--allow-net 'https://a.example per-minute=2' --allow-net https://b.example"));
    let get = || fetch("https://a.example/");
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
fn a_denial_says_what_was_missing() {
    let gate = Gate::new(grants(
        "--allow-net https://a.example/v1/** --allow-net https://b.example:444 --allow-net https://c.example",
    ));
    for (want, expected) in [
        (fetch("https://d.example/"), "http.fetch: no rule allows GET https://d.example/"),
        (
            fetch("POST https://a.example/v1/x?key=hunter2"),
            "http.fetch: no rule allows POST https://a.example/v1/x?key=…; 'https://a.example/v1/**' is for another method",
        ),
        (
            fetch("https://a.example/v2"),
            "http.fetch: no rule allows GET https://a.example/v2; 'https://a.example/v1/**' is for another path",
        ),
        (
            fetch("https://b.example/"),
            "http.fetch: no rule allows GET https://b.example/; 'https://b.example:444' is for another port",
        ),
        (
            fetch("http://c.example/"),
            "http.fetch: no rule allows GET http://c.example/; 'https://c.example' is for another scheme",
        ),
        (
            with_secrets("https://c.example/", &["KEY/a"]),
            "http.fetch: the secret KEY may not be sent to c.example in the field /a of a body",
        ),
        (
            connects(&gate, "https://c.example/", "10.0.0.1"),
            "http.connect: c.example leads to 10.0.0.1 (private network); its rule is for public addresses",
        ),
        (
            connects(&gate, "https://c.example/", "169.254.169.254"),
            "http.connect: c.example leads to 169.254.169.254 (link-local), which no name may reach; put the address into \
             the URL and grant that, if it is meant",
        ),
        (Want::Reveal("KEY".into()), "secrets.reveal: this agent may not see the secret KEY"),
        (Want::Store { bytes: 1, used: 0 }, "storage.write: this agent may not keep anything"),
        (
            Want::Socket,
            "sockets: tcp.connect: there are no sockets and no name look-ups here; make the request by http.fetch or \
             wasi:http",
        ),
    ] {
        assert_eq!(gate.pass(want, None).unwrap_err().message, expected);
    }
}

#[test]
fn a_receipt_has_no_values_of_a_query() {
    let gate = Gate::new(Grants::default());
    let _ = gate.pass(fetch("https://a.example/x?key=hunter2"), None);
    let receipts = gate.receipts().latest();
    assert_eq!(receipts[0].target, "GET https://a.example/x?key=…");
    assert!(!format!("{receipts:?}").contains("hunter2"));
}

#[test]
fn an_explanation_names_the_grants_it_rests_on() {
    let gate = Gate::new(grants(
        "--allow-net https://b.example --allow-net https://a.example --allow-secret KEY@a.example --allow-peer bob \
         --allow-reveal KEY --allow-storage 1KiB",
    ));
    for (want, expected) in [
        (fetch("https://a.example/"), "--allow-net https://a.example"),
        (
            with_secrets("https://a.example/", &["KEY"]),
            "--allow-net https://a.example --allow-secret KEY@a.example",
        ),
        (connects(&gate, "https://a.example/", "8.8.8.8"), "--allow-net https://a.example"),
        (Want::Reveal("KEY".into()), "--allow-reveal KEY"),
        (Want::Store { bytes: 1, used: 1 }, "--allow-storage 1KiB"),
        (Want::Call("bob".into()), "--allow-peer bob"),
        (Want::List, "--allow-peer bob"),
        (Want::Notify(1), ""),
        (fetch("https://c.example/"), ""),
    ] {
        let by: Vec<_> = gate.explain(&want.effect()).by.iter().map(Grant::to_string).collect();
        assert_eq!(by.join(" "), expected, "{want:?}");
    }
    assert_eq!(gate.receipts().counts(Kind::RevealSecret).allowed, 0);
}

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
    let more = (any::<bool>(), any::<bool>(), any::<bool>(), 1..3u32);
    (net, proptest::collection::vec(secrets, 0..3), more).prop_map(
        |(net, secrets, (peer, reveal, storage, rate))| {
            let mut grants = Grants::default();
            grants.net = net.iter().map(|rule| rule.parse().unwrap()).collect();
            grants.secrets = secrets.iter().map(|secret| secret.parse().unwrap()).collect();
            grants.peers.extend(peer.then(|| "bob".parse().unwrap()));
            grants.reveal.extend(reveal.then(|| "A".parse().unwrap()));
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
