//! Whether rules give all that another one would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use molecule_gate::{NetRule, Target};
use proptest::prelude::*;

fn rule(text: &str) -> NetRule {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_rule_is_covered_by_those_that_match_all_that_it_matches() {
    for (wanted, rules, expected) in [
        ("https://a.example", &[][..], false),
        ("https://a.example", &["https://a.example"], true),
        ("https://a.example/x", &["https://a.example"], true),
        ("https://a.example", &["https://a.example/x"], false),
        ("https://a.example/**", &["https://a.example/*"], false),
        ("https://a.example/*", &["https://a.example/**"], true),
        ("https://a.example/v1/**", &["https://a.example/v1/**"], true),
        ("https://a.example/v1/x/**", &["https://a.example/v1/**"], true),
        ("https://a.example/v1/*/y", &["https://a.example/v1/*/*"], true),
        ("https://a.example/v1/a*", &["https://a.example/v1/*"], true),
        ("https://a.example/v1/ab", &["https://a.example/v1/a*"], true),
        ("https://a.example/v1/a*", &["https://a.example/v1/ab"], false),
        ("https://a.example/v1/", &["https://a.example/v1/*"], false),
        ("https://a.example/%2A", &["https://a.example/x"], false),
        ("https://b.a.example", &["https://*.a.example"], true),
        ("https://*.b.a.example", &["https://*.a.example"], true),
        ("https://*.a.example", &["https://*.a.example"], true),
        ("https://a.example", &["https://*.a.example"], false),
        ("https://*.a.example", &["https://b.a.example"], false),
        ("https://a.example", &["http://a.example"], false),
        ("https://a.example", &["https://a.example:444"], false),
        ("GET https://a.example", &["https://a.example"], true),
        ("https://a.example", &["GET https://a.example"], false),
        ("GET,POST https://a.example", &["https://a.example", "POST https://a.example"], true),
        ("GET,POST https://a.example/x", &["https://a.example", "POST https://a.example/y"], false),
        ("* https://a.example", &["https://a.example", "POST https://a.example"], false),
        ("POST https://a.example", &["* https://a.example"], true),
        ("https://a.example private", &["https://a.example"], false),
        ("https://a.example", &["https://a.example private"], true),
        ("https://a.example max-request=9GiB", &["https://a.example"], true),
    ] {
        let rules: Vec<NetRule> = rules.iter().map(|text| rule(text)).collect();
        assert_eq!(rule(wanted).is_covered_by(&rules), expected, "{wanted} by {rules:?}");
    }
}

proptest! {
    /// Say yes too often in any part and this fails.
    #[test]
    fn what_is_covered_matches_nothing_that_the_others_do_not(
        wanted in a_rule(), rules in prop::collection::vec(a_rule(), 1..4), path in a_path(),
        method in prop::sample::select(&["GET", "HEAD", "POST"][..]),
        host in prop::sample::select(&["a.example", "b.a.example", "c.b.a.example"][..]),
    ) {
        let target = Target::parse(method, &format!("https://{host}/{path}")).unwrap();
        if wanted.is_covered_by(&rules) && wanted.matches(&target) {
            prop_assert!(rules.iter().any(|rule| rule.matches(&target)), "{target}");
        }
    }
}

fn a_rule() -> impl Strategy<Value = NetRule> {
    let methods = prop::sample::select(&["", "GET ", "POST ", "* "][..]);
    let hosts = prop::sample::select(&["a.example", "*.a.example", "b.a.example", "*.b.a.example"][..]);
    let segment = prop::sample::select(&["a", "b", "ab", "*", "a*", "*b"][..]);
    let end = prop::sample::select(&["", "**", "a"][..]);
    (methods, hosts, prop::collection::vec(segment, 0..3), end).prop_map(
        |(methods, host, mut segments, end)| {
            segments.push(end);
            rule(&format!("{methods}https://{host}/{}", segments.join("/")))
        },
    )
}

fn a_path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(&["a", "b", "ab", "aab"][..]);
    (prop::collection::vec(segment, 0..4), any::<bool>()).prop_map(|(mut segments, slash)| {
        if slash && !segments.is_empty() {
            segments.push("");
        }
        segments.join("/")
    })
}
