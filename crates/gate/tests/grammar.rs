//! What operators type: which texts are grants, how they print, and what is said of those that are none.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use molecule_gate::{Grants, NetRule, Reach, SecretGrant, SecretName, Target, references};
use proptest::prelude::*;

#[test]
fn a_rule_prints_in_its_one_form() {
    for (written, printed) in [
        ("https://a.example", "https://a.example"),
        ("GET,HEAD https://a.example/**", "https://a.example"),
        ("HEAD,GET,HEAD https://a.example", "https://a.example"),
        ("GET https://a.example/", "GET https://a.example/"),
        ("PUT,POST,PUT https://a.example", "POST,PUT https://a.example"),
        ("*   https://A.Example:443/%7ex  private", "* https://a.example/~x private"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("https://*.bücher.example", "https://*.xn--bcher-kva.example"),
        ("http://[::1]:81/v1", "http://[::1]:81/v1"),
        (
            "https://a.example per-minute=60 max-response=104857600 max-request=1.5KiB",
            "https://a.example max-request=1536B max-response=100MiB per-minute=60",
        ),
    ] {
        let rule: NetRule = written.parse().expect(written);
        assert_eq!(rule.to_string(), printed);
        assert_eq!(printed.parse(), Ok(rule), "{printed}");
    }
}

/// Take a check out of the parser of rules and a row of this table fails.
#[test]
fn a_text_that_is_no_rule_is_told_why() {
    for (text, expected) in [
        ("", "write [METHODS ]SCHEME://HOST"),
        ("a.example", "write [METHODS ]SCHEME://HOST"),
        ("GET", "write [METHODS ]SCHEME://HOST"),
        ("GET a.example", "write [METHODS ]SCHEME://HOST"),
        ("GET POST https://a.example", "write [METHODS ]SCHEME://HOST"),
        ("*://a.example", "a rule is for one scheme"),
        ("ftp://a.example", "the scheme \"ftp\" is not spoken here"),
        ("get https://a.example", "is written in capital letters: GET"),
        ("GET,post https://a.example", "is written in capital letters: POST"),
        ("GET, https://a.example", "\"\" is not a method"),
        ("GET,* https://a.example", "\"*\" is not a method"),
        ("CONNECT https://a.example", "the method CONNECT is never allowed"),
        ("https://*", "a star in a host"),
        ("https://*.com", "a star in a host"),
        ("https://*.localhost", "a star in a host"),
        ("https://a.*.example.com", "a star in a host"),
        ("https://api*.example.com", "a star in a host"),
        ("https://*example.com", "a star in a host"),
        ("https://**.example.com", "a star in a host"),
        ("https://*.*.example.com", "a star in a host"),
        ("https://*.10.0.0.1", "a star in a host"),
        ("https://*.example.com.", "ends in a dot"),
        ("https://a.example:*", "a rule is for one port"),
        ("https://a.example:*/x", "a rule is for one port"),
        ("https://a.example:0", "is not a port"),
        ("https://user@a.example", "before an @"),
        ("https://a.example?x=1", "neither a query nor a fragment"),
        ("https://a.example/x#y", "neither a query nor a fragment"),
        ("https://a.example/**/x", "** stands only at the end"),
        ("https://a.example/x**", "** stands only at the end"),
        ("https://a.example/***", "** stands only at the end"),
        ("https://a.example/**/**", "** stands only at the end"),
        ("https://a.example/../x", "leads elsewhere"),
        ("https://a.example/x//y", "an empty segment"),
        ("https://a.example/%2e", "servers read in different ways"),
        ("https://a.example/%2*", "not followed by two hexadecimal digits"),
        ("http://0x7f.1", "is written 127.0.0.1"),
        ("http://[::ffff:127.0.0.1]", "is written 127.0.0.1"),
        ("https://a.example.", "ends in a dot"),
        ("https://a.example public", "\"public\" is no bound"),
        ("https://a.example private=yes", "\"private=yes\" is no bound"),
        ("https://a.example max-request", "is not a size"),
        ("https://a.example max-request=5M", "is not a size"),
        ("https://a.example max-response=-1", "is not a size"),
        ("https://a.example per-minute=0", "write a count from 1 on"),
        ("https://a.example per-minute=x", "write a count from 1 on"),
        ("https://a.example private private", "private is said twice"),
        ("https://a.example per-minute=1 per-minute=1", "per-minute is said twice"),
        ("http://127.0.0.1 private", "private says nothing"),
        ("http://localhost private", "private says nothing"),
        ("https://a.example\n", "a control character"),
    ] {
        let error = text.parse::<NetRule>().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected) && !error.contains('\n'), "{text:?}: {error}");
    }
}

#[test]
fn a_rule_is_no_longer_than_a_url() {
    let of = |count: usize| format!("https://a.example/{}", "a".repeat(count)).parse::<NetRule>();
    assert!(of(8000).is_ok());
    assert!(of(9000).is_err_and(|error| error.to_string().contains("more than 8192 bytes")));
}

#[test]
fn a_rule_reaches_what_its_host_says() {
    for (rule, expected) in [
        ("https://a.example", Reach::Public),
        ("https://*.a.example", Reach::Public),
        ("https://a.localhost", Reach::Public),
        ("https://a.example private", Reach::Any),
        ("https://*.a.example private", Reach::Any),
        ("http://localhost", Reach::Loopback),
        ("http://10.0.0.1", Reach::Exactly([10, 0, 0, 1].into())),
        ("http://169.254.169.254", Reach::Exactly([169, 254, 169, 254].into())),
    ] {
        assert_eq!(rule.parse::<NetRule>().map(|rule| rule.reach()), Ok(expected), "{rule}");
    }
}

#[test]
fn a_grant_of_a_secret_prints_as_it_was_written() {
    for (written, printed) in [
        ("KEY@a.example", "KEY@a.example"),
        ("KEY@A.example:8443", "KEY@a.example:8443"),
        ("KEY@a.example:443", "KEY@a.example:443"),
        ("KEY@[::1]", "KEY@[::1]"),
        ("KEY@[::1]:81 body=/a", "KEY@[::1]:81 body=/a"),
        ("KEY@a.example   body=/a b/c~1d/0", "KEY@a.example body=/a b/c~1d/0"),
        ("_k1@localhost body=/", "_k1@localhost body=/"),
    ] {
        let grant: SecretGrant = written.parse().expect(written);
        assert_eq!(grant.to_string(), printed);
        assert_eq!(printed.parse(), Ok(grant));
    }
}

#[test]
fn a_text_that_is_no_grant_of_a_secret_is_told_why() {
    for (text, expected) in [
        ("", "write NAME@HOST"),
        ("KEY", "write NAME@HOST"),
        ("KEY@a.example header=x", "write NAME@HOST"),
        ("@a.example", "a secret's name has"),
        ("1KEY@a.example", "a secret's name has"),
        ("K-EY@a.example", "a secret's name has"),
        ("PATH@a.example", "PATH changes how programs run"),
        ("KEY@", "is not a host"),
        ("KEY@*.a.example", "bound to one host"),
        ("KEY@*", "bound to one host"),
        ("KEY@a.example.", "ends in a dot"),
        ("KEY@127.1", "is written 127.0.0.1"),
        ("KEY@user@a.example", "is not a host"),
        ("KEY@https://a.example", "is not a port"),
        ("KEY@a.example/x", "is not a host"),
        ("KEY@a.example:0", "is not a port"),
        ("KEY@a.example:", "is not a port"),
        ("KEY@a.example body=", "is no JSON pointer"),
        ("KEY@a.example body=a", "is no JSON pointer"),
        ("KEY@a.example body=/a~2", "is no JSON pointer"),
        ("KEY@a.example body=/a~", "is no JSON pointer"),
        ("KEY@a.example body=/a ", "is no JSON pointer"),
    ] {
        let error = text.parse::<SecretGrant>().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn names_that_change_how_programs_run_are_no_names_of_secrets() {
    let (longest, longer) = ("A".repeat(128), "A".repeat(129));
    for (name, expected) in [
        ("OPENAI_API_KEY", true),
        ("a", true),
        ("_", true),
        ("PATHS", true),
        ("MY_PATH", true),
        ("OLD_KEY", true),
        ("LDAP_KEY", true),
        ("PATH", false),
        ("Path", false),
        ("LD_PRELOAD", false),
        ("ld_library_path", false),
        ("LD_X", false),
        ("DYLD_INSERT_LIBRARIES", false),
        ("PYTHONPATH", false),
        ("NODE_OPTIONS", false),
        ("BASH_ENV", false),
        ("GIT_CONFIG_COUNT", false),
        ("", false),
        ("1A", false),
        ("Ä", false),
        ("A B", false),
        (longest.as_str(), true),
        (longer.as_str(), false),
    ] {
        assert_eq!(name.parse::<SecretName>().is_ok(), expected, "{name}");
    }
}

#[test]
fn references_are_found_where_they_are_whole() {
    for (text, expected) in [
        ("", vec![]),
        ("Bearer {{secret:KEY}}", vec![(7..21, "KEY")]),
        ("{{secret:A}}{{secret:B}}", vec![(0..12, "A"), (12..24, "B")]),
        ("ä{{secret:A}}", vec![(2..14, "A")]),
        ("{{secret:{{secret:A}}", vec![(9..21, "A")]),
        ("{{secret:}}", vec![]),
        ("{{secret:A}", vec![]),
        ("{{ secret:A }}", vec![]),
        ("{{secret:A B}}", vec![]),
        ("{{secret:PATH}}", vec![]),
        ("{{SECRET:A}}", vec![]),
    ] {
        let found: Vec<_> = references(text).collect();
        let found: Vec<_> = found.iter().map(|(range, name)| (range.clone(), name.as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_reference_is_found_as_it_is_written(name in "[A-Za-z_][A-Za-z0-9_]{0,127}", before in "\\PC{0,9}", after in "\\PC{0,9}") {
        if let Ok(name) = name.parse::<SecretName>() {
            let text = format!("{before}{}{after}", name.reference());
            let range = before.len()..text.len() - after.len();
            prop_assert!(references(&text).any(|found| found == (range.clone(), name.clone())));
        }
    }

    #[test]
    fn a_rule_reads_as_it_prints(
        methods in "(|GET |POST |[A-Z]{1,4},[A-Z]{1,4} |\\* )",
        host in "(\\*\\.)?[a-zü0-9.]{1,9}(:[0-9]{1,4})?",
        path in "(/[a-z*%0-9A-F.;]{0,4}){0,3}(/\\*\\*)?",
        bounds in "( max-request=[0-9]{1,4}KiB)?( max-response=[0-9]{1,9})?( per-minute=[1-9]{1,3})?( private)?",
    ) {
        let text = format!("{methods}https://{host}{path}{bounds}");
        if let Ok(rule) = text.parse::<NetRule>() {
            let printed = rule.to_string();
            prop_assert_eq!(printed.parse(), Ok(rule), "{}", printed);
            prop_assert_eq!(printed.parse::<NetRule>().map(|it| it.to_string()).ok(), Some(printed));
        }
    }

    #[test]
    fn no_text_makes_a_grammar_panic(text in "(\\PC|[*@:/%. \\[\\]]){0,40}") {
        let _ = text.parse::<NetRule>();
        let _ = format!("https://{text}").parse::<NetRule>();
        let _ = text.parse::<SecretGrant>();
        let _ = format!("KEY@{text}").parse::<SecretGrant>();
        let _ = references(&format!("{{{{secret:{text}")).count();
    }

    /// A star is some text without a slash: compared with a matcher that tries every split.
    #[test]
    fn a_star_is_any_part_of_a_segment(pattern in "[ab*]{1,6}", segment in "[ab]{0,6}") {
        fn plain(pattern: &[u8], text: &[u8]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|n| plain(rest, &text[n..])),
                Some((c, rest)) => text.first() == Some(c) && plain(rest, &text[1..]),
            }
        }
        if let Ok(rule) = format!("https://h/x{pattern}").parse::<NetRule>() {
            let target = Target::parse("GET", &format!("https://h/x{segment}")).expect("a target");
            prop_assert_eq!(rule.matches(&target), plain(pattern.as_bytes(), segment.as_bytes()));
        }
    }
}

#[test]
fn grants_are_kept_as_texts() {
    let mut grants = Grants::default();
    grants.net.push("POST https://a.example/v1/** per-minute=3".parse().expect("a rule"));
    grants.secrets.push("KEY@a.example body=/key".parse().expect("a grant"));
    grants.reveal.push("KEY".parse().expect("a name"));
    grants.storage_bytes = Some("1MiB".parse().expect("a size"));
    let json = serde_json::to_string(&grants).expect("JSON");
    assert!(json.contains(r#""net":["POST https://a.example/v1/** per-minute=3"]"#), "{json}");
    assert_eq!(serde_json::from_str::<Grants>(&json).expect("grants"), grants);
    assert!(serde_json::from_str::<Grants>(r#"{"net":["https://*"]}"#).is_err());
}
