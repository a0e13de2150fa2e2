//! The values that people type: after flags, and into variables.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use molecule_host::egress::ProxyUrl;
use molecule_host::{DelegationKeys, OnEnd};

use super::settings::EGRESS_PROXY;

/// Between two heartbeats. The platform takes a workspace for gone after 90 s.
pub(super) fn heartbeat_interval(text: &str) -> Result<Duration, String> {
    seconds(text, 0.1..=80.0)
}

/// Between two looks at something.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    seconds(text, 0.1..=3600.0)
}

/// For something to end.
pub(super) fn time_limit(text: &str) -> Result<Duration, String> {
    seconds(text, 0.1..=86_400.0)
}

/// For something to end that may also be cut off at once.
pub(super) fn grace(text: &str) -> Result<Duration, String> {
    seconds(text, 0.0..=3600.0)
}

fn seconds(text: &str, range: RangeInclusive<f64>) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(number) if range.contains(&number) => Ok(Duration::from_secs_f64(number)),
        _ => Err(format!("expected seconds from {} to {}, such as 5 or 0.5", range.start(), range.end())),
    }
}

/// An address that nobody but this machine can reach.
pub(super) fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        _ => Err("expected a loopback address with a port, such as 127.0.0.1:9464".to_owned()),
    }
}

/// The proxy for requests of agents, without a password: everybody on the machine can read an argument list.
pub(super) fn egress_proxy(text: &str) -> Result<ProxyUrl, String> {
    let proxy = text.parse::<ProxyUrl>().map_err(|error| error.to_string())?;
    match text.contains('@') {
        true => Err(format!(
            "a user and a password are not written here; set {EGRESS_PROXY} to the URL with them"
        )),
        false => Ok(proxy),
    }
}

/// How far something goes back: a week at most, which is as long as the platform keeps rows.
pub(super) fn look_back(text: &str) -> Result<Duration, String> {
    seconds(text, 0.0..=604_800.0)
}

/// Which keys delegations have.
pub(super) fn delegation_keys(text: &str) -> Result<DelegationKeys, String> {
    match text {
        "unique" => Ok(DelegationKeys::Unique),
        "compat-minute" => Ok(DelegationKeys::CompatMinute),
        _ => Err("expected unique or compat-minute".to_owned()),
    }
}

/// What a workspace's end that may not be one does to the host.
pub(super) fn on_end(text: &str) -> Result<OnEnd, String> {
    match text {
        "wait" => Ok(OnEnd::Wait),
        "exit" => Ok(OnEnd::Exit),
        _ => Err("expected wait or exit".to_owned()),
    }
}

/// `KEY=VALUE` of an agent's configuration; the value may be empty and may hold further `=`.
pub(super) fn config(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as greeting=Hello".to_owned()),
    }
}

/// A name for an agent, as it stands in its card.
pub(super) fn agent_name(text: &str) -> Result<String, String> {
    match text.trim() {
        name if name.is_empty() || name.len() > 255 || name.contains(char::is_control) => {
            Err("expected a name of 1 to 255 bytes without control characters".to_owned())
        }
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_decimals_and_have_bounds() {
        for (text, expected) in [
            ("30", Some(30_000)),
            ("0.1", Some(100)),
            ("2.5", Some(2500)),
            ("80", Some(80_000)),
            ("80.1", None),
            ("0", None),
            ("-1", None),
            ("NaN", None),
            ("inf", None),
            ("5s", None),
            ("", None),
        ] {
            let read = heartbeat_interval(text).ok();
            assert_eq!(read, expected.map(Duration::from_millis), "{text:?}");
        }
        assert_eq!(grace("0"), Ok(Duration::ZERO));
        assert_eq!(interval("soon").unwrap_err(), "expected seconds from 0.1 to 3600, such as 5 or 0.5");
    }

    #[test]
    fn an_address_to_watch_at_is_a_loopback_one() {
        for (text, good) in [
            ("127.0.0.1:9464", true),
            ("[::1]:9464", true),
            ("127.1.2.3:0", true),
            ("0.0.0.0:9464", false),
            ("192.168.0.1:9464", false),
            ("localhost:9464", false),
            ("9464", false),
        ] {
            assert_eq!(loopback(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_proxy_is_written_without_a_password_and_none_is_repeated() {
        assert!(egress_proxy("http://proxy.example:3128").is_ok());
        let error = egress_proxy("http://user:hunter2@proxy.example:3128").unwrap_err();
        assert!(error.contains("set MOLECULE_EGRESS_PROXY") && !error.contains("hunter2"), "{error}");
        assert!(!egress_proxy("https://user:hunter2@proxy").unwrap_err().contains("hunter2"));
    }

    #[test]
    fn a_configuration_is_split_at_the_first_equals_sign() {
        for (text, expected) in [
            ("a=b", Some(("a", "b"))),
            ("a=b=c", Some(("a", "b=c"))),
            ("a=", Some(("a", ""))),
            ("=b", None),
            (" =b", None),
            ("ab", None),
            ("", None),
        ] {
            let read = config(text).ok();
            assert_eq!(read, expected.map(|(key, value)| (key.into(), value.into())), "{text:?}");
        }
    }

    #[test]
    fn a_name_is_short_and_printable() {
        assert_eq!(agent_name(" alice "), Ok("alice".to_owned()));
        for wrong in ["", " ", "a\nb", &"x".repeat(256)] {
            assert!(agent_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
