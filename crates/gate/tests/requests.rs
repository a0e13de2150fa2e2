//! Rules and requests: which rule is for which request.

#![allow(clippy::expect_used)]

use molecule_gate::{NetRule, Target};

/// What a rule makes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// It is for it.
    Yes,
    /// It is not.
    No,
    /// The request is none that a rule is asked about.
    Never,
}

use Is::{Never, No, Yes};

const TABLE: &[(&str, &[(&str, Is)])] = &[
    (
        "https://api.example.com",
        &[
            ("GET https://api.example.com", Yes),
            ("GET https://api.example.com/", Yes),
            ("HEAD https://api.example.com/", Yes),
            ("GET https://api.example.com/a/b/c", Yes),
            ("GET https://api.example.com/a/", Yes),
            ("GET https://api.example.com?q=1", Yes),
            ("GET https://api.example.com/?q=https://evil.example/", Yes),
            ("GET https://api.example.com#fragment", Yes),
            ("GET https://api.example.com:443/", Yes),
            ("GET HTTPS://API.EXAMPLE.COM/", Yes),
            ("GET https://ａｐｉ.example.com/", Yes),
            // Method.
            ("POST https://api.example.com/", No),
            ("PUT https://api.example.com/", No),
            ("DELETE https://api.example.com/", No),
            ("PATCH https://api.example.com/", No),
            ("OPTIONS https://api.example.com/", No),
            ("QUERY https://api.example.com/", No),
            ("get https://api.example.com/", Never),
            ("Head https://api.example.com/", Never),
            ("CONNECT https://api.example.com/", Never),
            ("TRACE https://api.example.com/", Never),
            ("GET,HEAD https://api.example.com/", Never),
            ("* https://api.example.com/", Never),
            // Scheme.
            ("GET http://api.example.com/", No),
            ("GET http://api.example.com:443/", No),
            ("GET ws://api.example.com/", Never),
            ("GET //api.example.com/", Never),
            // Host.
            ("GET https://example.com/", No),
            ("GET https://www.api.example.com/", No),
            ("GET https://api.example.com.evil.example/", No),
            ("GET https://xapi.example.com/", No),
            ("GET https://api-example.com/", No),
            ("GET https://api.example.co/", No),
            ("GET https://evil.example/api.example.com", No),
            ("GET https://evil.example/?api.example.com", No),
            ("GET https://evil.example/@api.example.com", No),
            ("GET https://evil.example#@api.example.com", No),
            ("GET https://evil.example?@api.example.com", No),
            ("GET https://аpi.example.com/", No),
            ("GET https://api.example.com./", Never),
            ("GET https://api.example.com@evil.example/", Never),
            ("GET https://evil.example@api.example.com/", Never),
            ("GET https://user:pass@api.example.com/", Never),
            ("GET https://evil.example\\@api.example.com/", Never),
            ("GET https://api.example.com\\.evil.example/", Never),
            ("GET https://api.example.com%2eevil.example/", Never),
            ("GET https://api.example.com%00.evil.example/", Never),
            ("GET https://api.exam\tple.com/", Never),
            ("GET https:api.example.com/", Never),
            ("GET https:///api.example.com/", Never),
            // Port.
            ("GET https://api.example.com:444/", No),
            ("GET https://api.example.com:80/", No),
            ("GET https://api.example.com:8443/", No),
            ("GET https://api.example.com:0/", Never),
            ("GET https://api.example.com:/", Never),
            ("GET https://api.example.com:0443/", Never),
            ("GET https://api.example.com:65979/", Never),
        ],
    ),
    (
        "POST https://api.example.com/v1/chat",
        &[
            ("POST https://api.example.com/v1/chat", Yes),
            ("POST https://api.example.com/v1/chat?stream=true", Yes),
            ("POST https://api.example.com/v1/chat#x", Yes),
            ("POST https://api.example.com/v1/%63hat", Yes),
            ("POST https://api.example.com/%761/ch%61t", Yes),
            ("GET https://api.example.com/v1/chat", No),
            ("HEAD https://api.example.com/v1/chat", No),
            ("POST https://api.example.com/v1/chat/", No),
            ("POST https://api.example.com/v1/Chat", No),
            ("POST https://api.example.com/v1/chats", No),
            ("POST https://api.example.com/v1/cha", No),
            ("POST https://api.example.com/v1", No),
            ("POST https://api.example.com/v1/chat/x", No),
            ("POST https://api.example.com/", No),
            ("POST https://api.example.com", No),
            ("POST https://api.example.com/x/v1/chat", No),
            ("POST https://api.example.com/?/v1/chat", No),
            ("POST https://api.example.com/v1/chat;x", No),
            ("POST https://api.example.com/v1/chat%3Bx", No),
            ("POST https://api.example.com/v1/chat%20", No),
            ("POST https://api.example.com/v1/chat%3Fx", No),
            ("POST https://api.example.com/v1%2Fchat", Never),
            ("POST https://api.example.com/v1%252Fchat", Never),
            ("POST https://api.example.com//v1/chat", Never),
            ("POST https://api.example.com/v1//chat", Never),
            ("POST https://api.example.com/v1/./chat", Never),
            ("POST https://api.example.com/v2/../v1/chat", Never),
            ("POST https://api.example.com/v1/chat/..", Never),
            ("POST https://api.example.com/v1/chat%00", Never),
            ("POST https://api.example.com\\v1\\chat", Never),
        ],
    ),
    (
        "https://api.example.com/v1/**",
        &[
            ("GET https://api.example.com/v1", Yes),
            ("GET https://api.example.com/v1/", Yes),
            ("GET https://api.example.com/v1/a", Yes),
            ("GET https://api.example.com/v1/a/b/", Yes),
            ("GET https://api.example.com/v1?x", Yes),
            ("GET https://api.example.com/v1/...", Yes),
            ("GET https://api.example.com/v1/%25", Yes),
            ("GET https://api.example.com/v1/%E2%82%AC", Yes),
            ("GET https://api.example.com/v1/€", Yes),
            ("GET https://api.example.com/v10", No),
            ("GET https://api.example.com/v", No),
            ("GET https://api.example.com/", No),
            ("GET https://api.example.com/v1a/b", No),
            ("GET https://api.example.com/V1/a", No),
            ("GET https://api.example.com/x/v1/a", No),
            ("GET https://api.example.com/v1/../admin", Never),
            ("GET https://api.example.com/v1/..%2fadmin", Never),
            ("GET https://api.example.com/v1/%2e%2e/admin", Never),
            ("GET https://api.example.com/v1/%2E./admin", Never),
            ("GET https://api.example.com/v1/..%5cadmin", Never),
            ("GET https://api.example.com/v1/..\\admin", Never),
            ("GET https://api.example.com/v1/%252e%252e/admin", Never),
            ("GET https://api.example.com/v1/..;/admin", Never),
            ("GET https://api.example.com/v1/..;x=y/admin", Never),
            ("GET https://api.example.com/v1/.%20/admin", Never),
            ("GET https://api.example.com/v1//admin", Never),
            ("GET https://api.example.com/v1/%c0%ae%c0%ae/admin", Never),
            ("GET https://api.example.com/v1/%u002e%u002e/admin", Never),
            ("GET https://api.example.com/v1/a%0d%0ax", Never),
        ],
    ),
    (
        "* https://api.example.com/v1/*/items/*.json",
        &[
            ("GET https://api.example.com/v1/x/items/1.json", Yes),
            ("DELETE https://api.example.com/v1/x/items/1.json", Yes),
            ("PROPFIND https://api.example.com/v1/x/items/.json", Yes),
            ("PUT https://api.example.com/v1/%E2%82%AC/items/a.b.json", Yes),
            ("GET https://api.example.com/v1/*/items/*.json", Yes),
            ("GET https://api.example.com/v1/x/items/1.json.json", Yes),
            ("GET https://api.example.com/v1//items/1.json", Never),
            ("GET https://api.example.com/v1/x/y/items/1.json", No),
            ("GET https://api.example.com/v1/x/items/1.xml", No),
            ("GET https://api.example.com/v1/x/items/a/1.json", No),
            ("GET https://api.example.com/v1/x/items/1.json/", No),
            ("GET https://api.example.com/v1/x/items", No),
            ("GET https://api.example.com/v1/x/items/1%2ejson", Never),
            ("TRACE https://api.example.com/v1/x/items/1.json", Never),
        ],
    ),
    (
        "https://h/x*y*z",
        &[
            ("GET https://h/xyz", Yes),
            ("GET https://h/xyyzz", Yes),
            ("GET https://h/xazybz", Yes),
            ("GET https://h/xzy", No),
            ("GET https://h/xyzw", No),
            ("GET https://h/axyz", No),
            ("GET https://h/xy", No),
        ],
    ),
    (
        "https://h/x*B",
        &[
            ("GET https://h/xB", Yes),
            ("GET https://h/x%42", Yes),
            ("GET https://h/x%3BB", Yes),
            // The B of an encoded character is none.
            ("GET https://h/x%3B", No),
            ("GET https://h/x%E2%82%AB", No),
        ],
    ),
    (
        "https://h/*",
        &[("GET https://h/a", Yes), ("GET https://h/", No), ("GET https://h", No), ("GET https://h/a/", No)],
    ),
    (
        "https://h/",
        &[
            ("GET https://h", Yes),
            ("GET https://h/", Yes),
            ("GET https://h/?q", Yes),
            ("GET https://h/a", No),
        ],
    ),
    ("https://h/**", &[("GET https://h", Yes), ("GET https://h/a/b", Yes)]),
    ("https://h/a/*/", &[("GET https://h/a/b/", Yes), ("GET https://h/a/b", No), ("GET https://h/a/", No)]),
    ("https://h/%2A", &[("GET https://h/*", Yes), ("GET https://h/%2a", Yes), ("GET https://h/a", No)]),
    (
        "https://h/%61/b%C3%A4",
        &[("GET https://h/a/bä", Yes), ("GET https://h/a/b%c3%a4", Yes), ("GET https://h/a/ba", No)],
    ),
    (
        "https://*.example.com",
        &[
            ("GET https://a.example.com/", Yes),
            ("GET https://a.b.example.com/", Yes),
            ("GET https://A.EXAMPLE.com/", Yes),
            ("GET https://example.com/", No),
            ("GET https://aexample.com/", No),
            ("GET https://a.example.com.evil.example/", No),
            ("GET https://a.example.org/", No),
            ("GET https://.example.com/", Never),
            ("GET https://*.example.com/", Never),
            ("GET https://127.0.0.1/", No),
        ],
    ),
    (
        "https://bücher.example",
        &[
            ("GET https://bücher.example/", Yes),
            ("GET https://BÜCHER.example/", Yes),
            ("GET https://xn--bcher-kva.example/", Yes),
            ("GET https://bucher.example/", No),
        ],
    ),
    (
        "http://127.0.0.1:8080",
        &[
            ("GET http://127.0.0.1:8080/", Yes),
            ("GET http://127.0.0.1/", No),
            ("GET http://127.0.0.2:8080/", No),
            ("GET http://localhost:8080/", No),
            ("GET http://[::1]:8080/", No),
            ("GET http://2130706433:8080/", Never),
            ("GET http://0x7f.0.0.1:8080/", Never),
            ("GET http://0177.0.0.1:8080/", Never),
            ("GET http://127.1:8080/", Never),
            ("GET http://[::ffff:127.0.0.1]:8080/", Never),
            ("GET http://[::ffff:7f00:1]:8080/", Never),
            ("GET http://127.0.0.1.:8080/", Never),
            ("GET http://127.0.0.1.nip.io:8080/", No),
        ],
    ),
    (
        "http://[2001:db8::1]",
        &[
            ("GET http://[2001:db8::1]/", Yes),
            ("GET http://[2001:db8::2]/", No),
            ("GET http://[2001:db8:0::1]/", Never),
            ("GET http://[2001:DB8::1]/", Never),
            ("GET http://[2001:db8::1%25eth0]/", Never),
        ],
    ),
    (
        "http://localhost:11434",
        &[
            ("GET http://localhost:11434/", Yes),
            ("GET http://LOCALHOST:11434/", Yes),
            ("GET http://localhost/", No),
            ("GET http://127.0.0.1:11434/", No),
            ("GET http://a.localhost:11434/", No),
            ("GET http://localhost.:11434/", Never),
        ],
    ),
    (
        "POST,PUT https://h/ max-request=1MiB private",
        &[("POST https://h/", Yes), ("PUT https://h/", Yes), ("GET https://h/", No), ("HEAD https://h/", No)],
    ),
    ("HEAD https://h", &[("HEAD https://h/", Yes), ("GET https://h/", No)]),
];

fn is(rule: &NetRule, request: &str) -> Is {
    let (method, url) = request.split_once(' ').expect("a method and a URL");
    match Target::parse(method, url) {
        Ok(target) if rule.matches(&target) => Yes,
        Ok(_) => No,
        Err(_) => Never,
    }
}

/// Take the comparison of a part out of `NetRule::matches`, or a check out of `Target::parse`, and this fails.
#[test]
fn a_rule_is_for_its_requests_and_no_others() {
    let mut rows = 0;
    for (text, requests) in TABLE {
        let rule: NetRule = text.parse().expect("a rule");
        for (request, expected) in *requests {
            assert_eq!(is(&rule, request), *expected, "{text} on {request}");
            rows += 1;
        }
    }
    assert!(rows >= 150, "{rows}");
}

#[test]
fn a_rule_for_exactly_a_request_is_for_it() {
    for (_, requests) in TABLE {
        for (request, _) in *requests {
            let (method, url) = request.split_once(' ').expect("a method and a URL");
            let Ok(target) = Target::parse(method, url) else { continue };
            let rule = NetRule::exactly(&target);
            assert!(rule.matches(&target), "{rule} on {request}");
            assert_eq!(rule.to_string().parse().as_ref(), Ok(&rule), "{request}");
        }
    }
}
