//! What the gate says.

use molecule_gate::{Act, Gate, Grant, Grants, Kind};

use crate::wants::{Want, connects, fetch, grants, installs, with_secrets};

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
        (
            Want::Notify((1 << 20) + 1),
            "messages.notify: 1048577 bytes are more than the 262144 that a message may have; the platform takes no more \
             than 1048576",
        ),
        (Want::Reveal("KEY".into()), "secrets.reveal: this agent may not see the secret KEY"),
        (
            installs("dev", "github://a/dev#1"),
            "plugins.install: this agent may not install the plugin dev from github://a/dev#1",
        ),
        (Want::Remove("dev".into()), "plugins.remove: this agent may not remove the plugin dev"),
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
         --allow-reveal KEY --allow-plugin dev --allow-storage 1KiB",
    ));
    for (want, expected) in [
        (fetch("https://a.example/"), "--allow-net https://a.example"),
        (
            with_secrets("https://a.example/", &["KEY"]),
            "--allow-net https://a.example --allow-secret KEY@a.example",
        ),
        (connects(&gate, "https://a.example/", "8.8.8.8"), "--allow-net https://a.example"),
        (Want::Reveal("KEY".into()), "--allow-reveal KEY"),
        (installs("dev", "local://dev"), "--allow-plugin dev"),
        (Want::Remove("dev".into()), "--allow-plugin dev"),
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
