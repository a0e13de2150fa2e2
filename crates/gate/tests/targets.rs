//! What a request is read as, and what is refused because it could be read in two ways.

use molecule_gate::{Host, InvalidTarget, Target};
use proptest::prelude::*;

/// Written, and sent.
const READ: [(&str, &str); 49] = [
    ("https://a.example", "https://a.example/"),
    ("https://a.example/", "https://a.example/"),
    ("https://a.example:443/x", "https://a.example/x"),
    ("http://a.example:80", "http://a.example/"),
    ("http://a.example:443/", "http://a.example:443/"),
    ("https://a.example:80/", "https://a.example:80/"),
    ("https://a.example:65535/", "https://a.example:65535/"),
    ("HTTPS://A.Example/X", "https://a.example/X"),
    ("https://a.example?q=1", "https://a.example/?q=1"),
    ("https://a.example?", "https://a.example/?"),
    ("https://a.example#f", "https://a.example/"),
    ("https://a.example/x#f?q", "https://a.example/x"),
    ("https://a.example/x?q#f", "https://a.example/x?q"),
    ("https://a.example#@b.example/", "https://a.example/"),
    ("https://a.example?@b.example/", "https://a.example/?@b.example/"),
    ("https://a.example/@b.example/", "https://a.example/@b.example/"),
    ("https://a.example/v1/%61", "https://a.example/v1/a"),
    ("https://a.example/%7euser", "https://a.example/~user"),
    ("https://a.example/%c3%a4", "https://a.example/%C3%A4"),
    ("https://a.example/ä", "https://a.example/%C3%A4"),
    ("https://a.example/a%3Ab", "https://a.example/a%3Ab"),
    ("https://a.example/a:b;c=d@e", "https://a.example/a:b;c=d@e"),
    ("https://a.example/a%20b", "https://a.example/a%20b"),
    ("https://a.example/\"<>`{}|^[]", "https://a.example/%22%3C%3E%60%7B%7D%7C%5E%5B%5D"),
    ("https://a.example/100%25", "https://a.example/100%25"),
    ("https://a.example/100%25ab", "https://a.example/100%25ab"),
    ("https://a.example/x/", "https://a.example/x/"),
    ("https://a.example/...", "https://a.example/..."),
    ("https://a.example/.well-known/x", "https://a.example/.well-known/x"),
    ("https://a.example/..a", "https://a.example/..a"),
    ("https://a.example/a..", "https://a.example/a.."),
    ("https://a.example/*", "https://a.example/*"),
    ("https://a.example/?a=%2e%2f%zz&b=//../x", "https://a.example/?a=%2e%2f%zz&b=//../x"),
    ("https://a.example/?ä='\"<>", "https://a.example/?%C3%A4=%27%22%3C%3E"),
    ("https://a.example/?{{x}}|`^[]", "https://a.example/?%7B%7Bx%7D%7D%7C%60%5E%5B%5D"),
    ("https://bücher.example/", "https://xn--bcher-kva.example/"),
    ("https://BÜCHER.example/", "https://xn--bcher-kva.example/"),
    ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
    ("https://faß.example/", "https://xn--fa-hia.example/"),
    ("https://ａ.example/", "https://a.example/"),
    ("https://a。example/", "https://a.example/"),
    ("https://localhost/", "https://localhost/"),
    ("https://my_host.example/", "https://my_host.example/"),
    ("https://r3---sn.example/", "https://r3---sn.example/"),
    ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
    ("http://[::1]:8080/", "http://[::1]:8080/"),
    ("http://[2001:db8::1]", "http://[2001:db8::1]/"),
    ("http://[64:ff9b::a00:1]/", "http://[64:ff9b::a00:1]/"),
    ("https://1.a.example/", "https://1.a.example/"),
];

/// The name of the variant, for a table.
fn variant(error: &InvalidTarget) -> String {
    let debug = format!("{error:?}");
    debug.split([' ', '{']).next().unwrap_or_default().to_owned()
}

#[test]
fn a_url_is_read_as_it_will_be_sent() {
    for (written, sent) in READ {
        let target = Target::parse("GET", written).map_err(|error| format!("{written}: {error}"));
        assert_eq!(target.as_ref().map(Target::url), Ok(sent), "{written}");
    }
}

const REFUSED: &[(&str, &str)] = &[
    // No URL of HTTP.
    ("", "NotAbsolute"),
    ("a.example", "NotAbsolute"),
    ("/x", "NotAbsolute"),
    ("//a.example/", "NotAbsolute"),
    ("https:a.example", "NotAbsolute"),
    ("https:/a.example", "NotAbsolute"),
    ("https:///a.example", "NotAbsolute"),
    ("https://", "NotAbsolute"),
    ("https:///", "NotAbsolute"),
    ("https://?x", "NotAbsolute"),
    ("https://:443/", "NotAbsolute"),
    ("ftp://a.example/", "Scheme"),
    ("file:///etc/passwd", "Scheme"),
    ("ws://a.example/", "Scheme"),
    ("javascript://a.example/", "Scheme"),
    ("://a.example/", "Scheme"),
    // Blanks and what some parsers drop.
    (" https://a.example/", "Blank"),
    ("https://a.example/ ", "Blank"),
    ("https://a.example/x y", "Blank"),
    ("https://a.example\t/", "Blank"),
    ("https://a.exa\nmple/", "Blank"),
    ("https://a.example/\r\nHost: b", "Blank"),
    ("https://a.example/\0", "Blank"),
    ("https://a.example/?a\u{7f}", "Blank"),
    ("https://a.example/\u{85}", "Blank"),
    ("https://a.example/\u{3000}", "Blank"),
    ("https://a.example\u{2028}/", "Blank"),
    // Who is the host?
    ("https://b.example\\@a.example/", "Backslash"),
    ("https:\\\\a.example/", "Backslash"),
    ("https://a.example\\x", "Backslash"),
    ("https://a.example/?\\", "Backslash"),
    ("https://user@a.example/", "UserInfo"),
    ("https://user:pass@a.example/", "UserInfo"),
    ("https://@a.example/", "UserInfo"),
    ("https://a.example:80@b.example/", "UserInfo"),
    ("https://a.example@b.example@c.example/", "UserInfo"),
    ("https://%61.example/", "Host"),
    ("https://a%2eexample/", "Host"),
    ("https://a%00.example/", "Host"),
    ("https://a.example%2f@b/", "UserInfo"),
    ("https://a..example/", "Host"),
    ("https://.a.example/", "Host"),
    ("https://-a.example/", "Host"),
    ("https://a-.example/", "Host"),
    ("https://a.example./", "HostDot"),
    ("https://localhost./", "HostDot"),
    ("https://127.0.0.1./", "Address"),
    ("https://a,b/", "Host"),
    ("https://a!b/", "Host"),
    ("https://*.example.com/", "Host"),
    ("https://xn--a/", "Host"),
    ("https://a<b/", "Host"),
    ("https://[::1/", "Host"),
    ("https://::1/", "Host"),
    ("https://[fe80::1%25eth0]/", "Host"),
    ("https://[v1.x]/", "Host"),
    ("https://[127.0.0.1]/", "Host"),
    ("https://1.2.3.4.5/", "Host"),
    ("https://256.1.1.1/", "Host"),
    ("https://a.1/", "Host"),
    // Addresses in other notations.
    ("http://2130706433/", "Address"),
    ("http://0x7f000001/", "Address"),
    ("http://0x7f.1/", "Address"),
    ("http://017700000001/", "Address"),
    ("http://0177.0.0.1/", "Address"),
    ("http://127.1/", "Address"),
    ("http://127.0.1/", "Address"),
    ("http://127.00.0.1/", "Address"),
    ("http://0/", "Address"),
    ("http://１２７.0.0.1/", "Address"),
    ("http://127。0。0。1/", "Address"),
    ("http://[0:0:0:0:0:0:0:1]/", "Address"),
    ("http://[::0001]/", "Address"),
    ("http://[::FFFF]/", "Address"),
    ("http://[::ffff:127.0.0.1]/", "Address"),
    ("http://[::ffff:7f00:1]/", "Address"),
    ("http://[::127.0.0.1]/", "Address"),
    ("http://[64:ff9b::10.0.0.1]/", "Address"),
    // Ports.
    ("https://a.example:/", "Port"),
    ("https://a.example:0/", "Port"),
    ("https://a.example:0443/", "Port"),
    ("https://a.example:65536/", "Port"),
    ("https://a.example:+443/", "Port"),
    ("https://a.example:https/", "Port"),
    ("https://a.example:443:443/", "Host"),
    ("https://[::1]x:80/", "Host"),
    // Where does the path lead?
    ("https://a.example/.", "DotSegment"),
    ("https://a.example/..", "DotSegment"),
    ("https://a.example/./x", "DotSegment"),
    ("https://a.example/x/../y", "DotSegment"),
    ("https://a.example/x/..", "DotSegment"),
    ("https://a.example/x/..;/y", "DotSegment"),
    ("https://a.example/x/..;a=b/y", "DotSegment"),
    ("https://a.example/x/..%3b/y", "DotSegment"),
    ("https://a.example/x/..%20/y", "DotSegment"),
    ("https://a.example/x/.%20", "DotSegment"),
    ("https://a.example/x/..%253b/y", "DotSegment"),
    ("https://a.example/x/.;/y", "DotSegment"),
    ("https://a.example/x/..%3F", "DotSegment"),
    ("https://a.example/x/..%3f/y", "DotSegment"),
    ("https://a.example/x/..%23", "DotSegment"),
    ("https://a.example/x/.%23/y", "DotSegment"),
    ("https://a.example//", "EmptySegment"),
    ("https://a.example//x", "EmptySegment"),
    ("https://a.example/x//y", "EmptySegment"),
    ("https://a.example/x//", "EmptySegment"),
    ("https://a.example/%2e%2e/x", "Encoded"),
    ("https://a.example/.%2e/x", "Encoded"),
    ("https://a.example/%2E/x", "Encoded"),
    ("https://a.example/a%2eb", "Encoded"),
    ("https://a.example/..%2fx", "Encoded"),
    ("https://a.example/x%2Fy", "Encoded"),
    ("https://a.example/x%5cy", "Encoded"),
    ("https://a.example/x%00", "Encoded"),
    ("https://a.example/x%0d%0aHost:b", "Encoded"),
    ("https://a.example/x%7f", "Encoded"),
    ("https://a.example/%252e%252e/x", "Encoded"),
    ("https://a.example/x%252fy", "Encoded"),
    ("https://a.example/x%25252fy", "Encoded"),
    ("https://a.example/x%25255Cy", "Encoded"),
    ("https://a.example/x%2500", "Encoded"),
    // Sent as `%252e%252e` and `%252f`.
    ("https://a.example/v1/%252%65%252%65/admin", "Encoded"),
    ("https://a.example/x%25%32%66y", "Encoded"),
    ("https://a.example/x%2%35%32%66y", "Percent"),
    ("https://a.example/x%25%32%35%32%66y", "Encoded"),
    ("https://a.example/x%252%2565", "Encoded"),
    ("https://a.example/%", "Percent"),
    ("https://a.example/%2", "Percent"),
    ("https://a.example/%zz", "Percent"),
    ("https://a.example/%u002e", "Percent"),
    ("https://a.example/%+1", "Percent"),
    ("https://a.example/%c0%ae%c0%ae/x", "NotUtf8"),
    ("https://a.example/%c0%af", "NotUtf8"),
    ("https://a.example/%ff", "NotUtf8"),
    ("https://a.example/%e4", "NotUtf8"),
];

/// Take a check of `Target::parse` out and a row of this table fails.
#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for (url, expected) in REFUSED {
        let error =
            Target::parse("GET", url).map(|read| read.url().to_owned()).map_err(|error| variant(&error));
        assert_eq!(error, Err((*expected).to_owned()), "{url:?}");
    }
}

#[test]
fn a_url_has_8_kib_at_most_as_it_is_written_and_as_it_is_sent() {
    let of = |fill: &str, count: usize| {
        let url = format!("https://a.example/{}", fill.repeat(count));
        Target::parse("GET", &url).err().map(|error| variant(&error))
    };
    let rest = 8 * 1024 - "https://a.example/".len();
    assert_eq!(of("a", rest), None);
    assert_eq!(of("a", rest + 1).as_deref(), Some("TooLong"));
    assert_eq!(of("|", rest / 2).as_deref(), Some("TooLong"));
}

#[test]
fn a_host_has_253_bytes_at_most_and_63_a_label() {
    let of = |host: &str| Target::parse("GET", &format!("https://{host}/")).is_ok();
    let label = "a".repeat(63);
    assert!(of(&label) && !of(&format!("{label}a")));
    let long = [label.as_str(); 4].join(".");
    assert!(of(&long[..253]) && !of(&long[..254]));
}

#[test]
fn methods_are_tokens_in_capital_letters_and_three_are_never_sent() {
    let long = "G".repeat(33);
    for (method, expected) in [
        ("GET", None),
        ("HEAD", None),
        ("POST", None),
        ("QUERY", None),
        ("M-SEARCH", None),
        ("x-custom", None),
        ("get", Some("MethodCase")),
        ("Post", Some("MethodCase")),
        ("oPTIONS", Some("MethodCase")),
        ("", Some("Method")),
        ("*", Some("Method")),
        ("GET,POST", Some("Method")),
        ("GE T", Some("Method")),
        ("GET\r\n", Some("Method")),
        ("GET/", Some("Method")),
        ("GÉT", Some("Method")),
        (long.as_str(), Some("Method")),
        ("CONNECT", Some("MethodRefused")),
        ("connect", Some("MethodRefused")),
        ("TRACE", Some("MethodRefused")),
        ("Track", Some("MethodRefused")),
    ] {
        let error = Target::parse(method, "https://a.example/").err().map(|error| variant(&error));
        assert_eq!(error.as_deref(), expected, "{method:?}");
    }
}

#[test]
fn a_refusal_says_what_to_write() {
    for (method, url, expected) in [
        ("GET", "http://2130706433/", "the address \"2130706433\" is written 127.0.0.1"),
        ("GET", "http://[::ffff:7f00:1]/", "the address \"[::ffff:7f00:1]\" is written 127.0.0.1"),
        ("GET", "http://[::0001]/", "the address \"[::0001]\" is written [::1]"),
        ("get", "http://a/", "the method \"get\" is written in capital letters: GET"),
        (
            "GET",
            "https://a/..%2Fb",
            "the path has %2F in it, which servers read in different ways; write the path that is meant",
        ),
        (
            "GET",
            "https://a/%252fb",
            "the path has %252f in it, which servers read in different ways; write the path that is meant",
        ),
    ] {
        let error = Target::parse(method, url).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(expected));
    }
}

#[test]
fn a_refusal_does_not_repeat_what_stands_before_an_at() {
    let error = Target::parse("GET", "https://user:hunter2@a.example/")
        .err()
        .map(|error| format!("{error} {error:?}"));
    assert!(error.is_some_and(|error| !error.contains("hunter2")));
}

#[test]
fn a_target_is_shown_without_the_values_of_its_query() {
    let shown = |url: &str| Target::parse("GET", url).map(|target| target.to_string());
    assert_eq!(shown("https://a/x").as_deref(), Ok("GET https://a/x"));
    assert_eq!(shown("https://a/x?key=hunter2&hunter2&a=b=c").as_deref(), Ok("GET https://a/x?key=…&…&a=…"));
}

#[test]
fn the_parts_of_a_target_are_those_of_its_url() {
    let target = Target::parse("PUT", "http://[::1]:81/a%7Eb?c=d");
    let parts = target.as_ref().map(|it| (it.method(), it.scheme().name(), it.port(), it.path(), it.query()));
    assert_eq!(parts, Ok(("PUT", "http", 81, "/a~b", Some("c=d"))));
    assert!(matches!(target.as_ref().map(Target::host), Ok(Host::Address(_))));
    assert!(target.is_ok_and(|it| it.without_query() == "http://[::1]:81/a~b" && it.host().is_loopback()));
}

proptest! {
    /// Whatever is accepted: reading it again changes nothing, and the WHATWG's parser reads the same.
    #[test]
    fn what_is_sent_reads_as_itself(
        host in "[a-z0-9.:@\\[\\]äß-]{1,12}",
        rest in "[/?#a-z.%0-9A-F;*~|{}\" é]{0,24}",
    ) {
        if let Ok(target) = Target::parse("GET", &format!("https://{host}{rest}")) {
            prop_assert_eq!(Target::parse("GET", target.url()), Ok(target.clone()));
            let read = url::Url::parse(target.url());
            prop_assert_eq!(read.as_ref().map(url::Url::as_str), Ok(target.url()));
            prop_assert_eq!(read.as_ref().map(url::Url::path), Ok(target.path()));
            prop_assert_eq!(read.as_ref().ok().and_then(url::Url::query), target.query());
            let host = target.host().to_string();
            prop_assert_eq!(read.as_ref().ok().and_then(url::Url::host_str), Some(host.as_str()));
        }
    }

    #[test]
    fn no_text_makes_it_panic(method in "\\PC{0,8}", url in ".{0,64}") {
        let _ = Target::parse(&method, &url);
        let _ = Target::parse("GET", &format!("https://{url}"));
        let _ = Target::parse("GET", &format!("https://a/{url}"));
    }
}
