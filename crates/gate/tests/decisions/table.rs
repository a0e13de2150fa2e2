//! Each effect with its grant and without.

use molecule_gate::{Gate, Reach, Rule, Terms};

use crate::wants::{Want, connects, fetch, grants, installs, sends, with_secrets};

/// The rule and the grant that a denial is to name.
type Refused = Option<(&'static str, Option<&'static str>)>;

/// Take a check of the judgment out and a row of this table fails.
#[test]
fn each_effect_is_allowed_by_its_grant_and_denied_by_its_rule() {
    const NET: &str = "--allow-net https://a.example";
    const KEY: &str = "--allow-net https://a.example --allow-secret KEY@a.example";
    let get = "https://a.example/x";
    let post = "POST https://a.example/x?k=hunter2";
    let http = "http://a.example/x";
    let table: Vec<(&str, Want, Refused)> = vec![
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
        ("--allow-storage 10B", Want::Store { bytes: u64::MAX, used: 6 }, Some(("storage-quota", None))),
        (
            "--allow-storage 1MiB",
            Want::Store { bytes: 1, used: 1 << 20 },
            Some(("storage-quota", Some("--allow-storage 2MiB"))),
        ),
        // What it may install.
        ("", installs("dev", "local://dev"), Some(("plugin", Some("--allow-plugin dev")))),
        ("--allow-plugin dev", installs("dev", "local://dev"), None),
        (
            "--allow-plugin dev",
            installs("dev2", "local://dev2"),
            Some(("plugin", Some("--allow-plugin dev2"))),
        ),
        (
            "--allow-plugin '*'",
            installs("dev", "github://a/dev#v1"),
            Some(("plugin", Some("--allow-plugin 'dev@github://a/dev#v1'"))),
        ),
        ("--allow-plugin 'dev@github://a/dev#v1'", installs("dev", "github://a/dev#v1"), None),
        (
            "--allow-plugin 'dev@github://a/dev#v1'",
            installs("dev", "local://dev"),
            Some(("plugin", Some("--allow-plugin dev"))),
        ),
        ("--allow-plugin '*@*'", installs("dev", "github://a/dev"), None),
        ("", installs("../dev", "local://../dev"), Some(("plugin", None))),
        ("", installs("*", "github://a/b"), Some(("plugin", None))),
        ("", Want::Remove("dev".into()), Some(("plugin", Some("--allow-plugin dev")))),
        ("--allow-plugin 'dev@github://a/dev#v1'", Want::Remove("dev".into()), None),
        ("--allow-plugin dev", Want::Remove("dev2".into()), Some(("plugin", Some("--allow-plugin dev2")))),
        ("", Want::Remove("*".into()), Some(("plugin", None))),
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
            Some(Some("--allow-net 'https://a.example/ private'")),
        ),
        (
            "https://a.example",
            "https://a.example/",
            "127.0.0.1",
            Some(Some("--allow-net 'https://a.example/ private'")),
        ),
        (
            "https://a.example",
            "https://a.example/",
            "::ffff:10.0.0.1",
            Some(Some("--allow-net 'https://a.example/ private'")),
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
            Some(Some("--allow-net 'POST https://b.a.example/v1/x per-minute=9 private'")),
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
