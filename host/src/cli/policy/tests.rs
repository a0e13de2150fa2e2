//! A policy file: what it says, what is said of one that is wrong, and what requests get by it.

use molecule_host::gate::Gate;

use super::explain::{Answer, summary};
use super::*;

const GOOD: &str = r#"
allow-net = ["https://docs.example", "POST https://api.example/v1/** per-minute=60 max-response=1MiB"]
allow-secret = "KEY@api.example"
allow-reveal = ["OTHER"]
allow-peer = ["bob", "my peer"]
allow-storage = "1MiB"
max-requests-per-minute = 7
max-request = "1KiB"
max-memory = "64MiB"
concurrency = 3
"#;

fn parse(text: &str) -> Result<PolicyFile, Vec<String>> {
    PolicyFile::parse(Page { path: Path::new("p.toml"), text })
        .map_err(|wrongs| wrongs.iter().map(ToString::to_string).collect())
}

fn args(flags: &str) -> (GrantArgs, LimitArgs) {
    let words: Vec<OsString> = flags.split_whitespace().map(Into::into).collect();
    let keys: PolicyKeys = keys::read_back(&words).unwrap();
    (keys.grants, keys.limits)
}

#[test]
fn flags_go_before_the_file_and_grants_of_both_count() {
    let (mut grants, mut limits) = args(
        "--allow-peer eve --allow-net https://x.example --max-request 2KiB --max-memory 32MiB --max-log-lines 9",
    );
    parse(GOOD).unwrap().put_into(&mut grants, &mut limits).unwrap();
    assert_eq!(
        (limits.max_memory, limits.concurrency, limits.max_log_lines),
        (Some(32 << 20), Some(3), Some(9))
    );
    let grants = settings::granted(grants);
    let texts = |it: &[String]| it.join("; ");
    assert_eq!(texts(&grants.peers.iter().map(ToString::to_string).collect::<Vec<_>>()), "eve; bob; my peer");
    assert_eq!(
        texts(&grants.net.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "https://x.example; https://docs.example; POST https://api.example/v1/** max-response=1MiB per-minute=60"
    );
    assert_eq!(grants.storage_bytes, "1MiB".parse().ok());
    assert_eq!((grants.limits.requests_per_minute, grants.limits.request_bytes.bytes()), (7, 2048));
    assert_eq!(summary(&grants), "3 network rules, 1 secret, 1 secret to see, 3 peers, 1MiB of storage");
    assert_eq!(summary(&Grants::default()), "nothing");
}

#[test]
fn every_limit_of_a_file_comes_through() {
    let (mut grants, mut limits) = Default::default();
    let text = "max-memory='1MiB'\nmax-table-elements=2\nmax-instances=3\nmax-stack='4MiB'\ncallback-cpu='5s'\n\
                cpu-per-minute='6s'\ncallback-timeout='7s'\nconcurrency=8\nmax-mailbox=9\nmax-mailbox-bytes='10MiB'\n\
                max-log-lines=11\nmax-log-bytes='12KiB'\nmax-message-bytes=13\nmax-messages-per-minute=14\n\
                max-requests-per-minute=15\nmax-concurrent-requests=16\nmax-request='17B'\nmax-response='18B'";
    parse(text).unwrap().put_into(&mut grants, &mut limits).unwrap();
    let said = format!("{limits:?}");
    assert!(!said.contains("None"), "{said}");
    let limits = settings::granted(grants).limits;
    assert_eq!((limits.message_bytes, limits.messages_per_minute, limits.requests_per_minute), (13, 14, 15));
    assert_eq!(
        (limits.concurrent_requests, limits.request_bytes.bytes(), limits.response_bytes.bytes()),
        (16, 17, 18)
    );
}

#[test]
fn all_that_is_wrong_is_told_by_line_and_column() {
    let text = "allow-net = ['https://a.example', 'https://*',\n  'get https://a.example']\nallow-nett = 'x'\n\
                policy = 'other.toml'\nmax-memory = '5bananas'\nallow-secret = 'PATH@a'\nplatform-url = 'http://p'\n\
                allow-peer = { bob = true }\nconcurrency = [1]\nä = 1\n";
    let wrongs = parse(text).unwrap_err();
    for (index, expected) in [
        "p.toml:1:35: allow-net: \"https://*\" is no rule on the network: a star in a host",
        "p.toml:2:3: allow-net: \"get https://a.example\" is no rule on the network: the method \"get\"",
        "p.toml:3:1: unknown key allow-nett; did you mean allow-net?",
        "p.toml:4:1: unknown key policy; the keys are the flags for grants and limits",
        "p.toml:5:14: max-memory: expected a size from 64KiB to 4GiB",
        "p.toml:6:16: allow-secret: PATH changes how programs run",
        "p.toml:7:1: unknown key platform-url; ",
        "p.toml:8:14: allow-peer: takes no table; ",
        "p.toml:9:15: concurrency: takes one value; ",
        "p.toml:10:1: ",
    ]
    .into_iter()
    .enumerate()
    {
        let wrong = wrongs.get(index).map(String::as_str).unwrap_or_default();
        assert!(wrong.starts_with(expected) && !wrong.contains('\n'), "{expected}\n{wrongs:#?}");
    }
}

#[test]
fn a_file_whose_syntax_is_wrong_has_its_other_mistakes_told_too() {
    let wrongs = parse("allow-peer = [\n'bob'\nallow-net = 'https://*'\n").unwrap_err();
    assert!(wrongs.iter().all(|wrong| wrong.starts_with("p.toml:") && wrong.contains("; ")), "{wrongs:?}");
    let wrongs = parse("allow-storage = 'much'\nallow-storage = '1B'\nallow-net =\n").unwrap_err();
    assert!(wrongs.len() >= 2, "{wrongs:?}");
}

#[test]
fn the_first_mistake_is_told_at_the_start_and_where_to_see_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    std::fs::write(&path, "max-request = 'x'\nmax-response = 'y'\n").unwrap();
    let (mut grants, mut limits) = args(&format!("--policy {}", path.display()));
    let error = apply(&mut grants, &mut limits).unwrap_err().to_string();
    let shown = path.display();
    assert!(error.starts_with(&format!("{shown}:1:15: max-request: ")), "{error}");
    assert!(error.ends_with(&format!("molecule-host policy check {shown} shows 1 more")), "{error}");
    let (mut grants, mut limits) = args("--policy absent.toml");
    let error = apply(&mut grants, &mut limits).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read absent.toml: ") && error.contains("; give the path of"),
        "{error}"
    );
}

fn answers(words: &[&str]) -> Vec<String> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let gate = Gate::new(parse(GOOD).unwrap().grants().unwrap());
    let requests = Request::read(&words).unwrap();
    requests
        .iter()
        .map(|request| Answer::new(request, explain::explained(&gate, request)).to_string())
        .collect()
}

#[test]
fn an_explanation_says_what_a_request_gets_and_what_would_change_it() {
    let answers = answers(&[
        "POST",
        "https://api.example/v1/x",
        "https://other.example/?key=hunter2",
        "peer",
        "bob",
        "peer eve",
        "peer my peer",
        "secret",
        "KEY",
        "POST",
        "https://api.example/v1/",
        "secret KEY https://docs.example/ body=/k",
        "reveal",
        "OTHER",
        "storage",
        "2MiB",
        "connect",
        "10.0.0.1",
        "https://docs.example/",
        "connect 169.254.169.254 https://docs.example/",
    ]);
    let expected = [
        "POST https://api.example/v1/x\n  allowed  by --allow-net 'POST https://api.example/v1/** max-response=1MiB \
         per-minute=60'\n  reaches  public addresses\n  sends    1KiB at most, and receives 1MiB",
        "GET https://other.example/?key=…\n  denied   network: http.fetch: no rule allows GET https://other.example/?key=…\n  \
         grant    --allow-net https://other.example/",
        "peer bob\n  allowed  by --allow-peer bob",
        "peer eve\n  denied   peer: peers.call: this agent may not call eve\n  grant    --allow-peer eve",
        "peer my peer\n  allowed  by --allow-peer 'my peer'",
        "secret KEY POST https://api.example/v1/\n  allowed  by --allow-net 'POST https://api.example/v1/** max-response=1MiB \
         per-minute=60' --allow-secret KEY@api.example\n  reaches  public addresses\n  sends    1KiB at most, and receives 1MiB",
        "secret KEY GET https://docs.example/ body=/k\n  denied   secret: http.fetch: the secret KEY may not be sent to \
         docs.example in the field /k of a body\n  grant    --allow-secret 'KEY@docs.example body=/k'",
        "reveal OTHER\n  allowed  by --allow-reveal OTHER",
        "storage 2MiB\n  denied   storage-quota: storage.write: 0 bytes are in use and 2097152 more do not fit into the 1MiB \
         it may keep\n  grant    --allow-storage 2MiB",
        "connect 10.0.0.1 GET https://docs.example/\n  denied   address: http.connect: docs.example leads to 10.0.0.1 \
         (private network); its rule is for public addresses\n  grant    --allow-net 'https://docs.example/ private'",
        "connect 169.254.169.254 GET https://docs.example/\n  denied   address: http.connect: docs.example leads to \
         169.254.169.254 (link-local), which no name may reach; put the address into the URL and grant that, if it is \
         meant\n  grant    none would allow it",
    ];
    for (answer, expected) in answers.iter().zip(expected) {
        assert_eq!(answer, expected);
    }
    assert_eq!(answers.len(), expected.len());
}

#[test]
fn a_request_that_is_none_is_told_what_there_is() {
    for (words, expected) in [
        (&["peer"] as &[&str], "peer: something is missing; ask for [METHOD] URL"),
        (&["GET"], "GET: there is no URL; ask for [METHOD] URL"),
        (&["get", "https://a"], "get: the method \"get\" is written in capital letters: GET"),
        (&["https://a/../b"], "https://a/../b: the path has the segment \"..\""),
        (&["connect", "x", "https://a"], "connect: x is no address; "),
        (&["secret", "PATH", "https://a"], "secret: PATH changes how programs run"),
        (&["storage", "much"], "storage: \"much\" is not a size"),
        (&["GET https://a b"], "GET https://a b: b is too much"),
    ] {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let error = Request::read(&words).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{expected}: {error}");
    }
}
