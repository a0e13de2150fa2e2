//! Where agents may be: which URLs may be registered, and which the platform calls.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::config::{Config, Environment};

/// Judges a URL that an agent registers.
///
/// # Errors
/// Why it is refused.
pub(crate) async fn may_register(config: &Config, url: &str) -> Result<(), String> {
    let url = parse(url)?;
    match url.host() {
        // Exactly this name is taken unseen: how a developer's own machine is named.
        Some(Host::Domain("localhost")) => Ok(()),
        _ => judge(&url, |address| registrable(address, config.saas)).await,
    }
}

/// Judges a URL that the platform is about to call. Stricter and looser than [`may_register`]: this machine is called in
/// development, whatever its name.
///
/// # Errors
/// Why it is refused.
pub(crate) async fn may_call(config: &Config, url: &str) -> Result<(), String> {
    let callable = Callable::under(config);
    judge(&parse(url)?, |address| callable.refuses(address)).await
}

/// Which addresses the platform calls. As a resolver it judges them where the connection is made: a name that
/// [`may_call`] has judged may lead elsewhere a moment later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Callable {
    development: bool,
    saas: bool,
}

impl Callable {
    pub(crate) fn under(config: &Config) -> Self {
        Self { development: config.environment == Environment::Development, saas: config.saas }
    }

    /// Why an address is not called; `None` if it is.
    fn refuses(self, address: IpAddr) -> Option<&'static str> {
        if address.is_unspecified() {
            return Some("no address of a machine");
        }
        if is_link_local(address) {
            return Some("a link-local address");
        }
        if address.is_loopback() && !self.development {
            return Some("a loopback address, called in development only");
        }
        (is_private(address) && !self.development && !self.saas).then_some("a private address")
    }
}

impl Resolve for Callable {
    fn resolve(&self, name: Name) -> Resolving {
        let callable = *self;
        Box::pin(async move {
            // The port of the URL takes the place of this one.
            let addresses = resolve(name.as_str(), 0).await?;
            judge_all(&addresses, |address| callable.refuses(address))?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn parse(url: &str) -> Result<Url, String> {
    let url = Url::parse(url).map_err(|error| format!("{url:?} is not a URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("the scheme must be http or https, not {other}")),
    }
}

/// Judges every address that the URL's host has.
async fn judge(url: &Url, refuses: impl Fn(IpAddr) -> Option<&'static str>) -> Result<(), String> {
    let addresses = match url.host() {
        None => return Err("the URL names no host".to_owned()),
        Some(Host::Ipv4(address)) => vec![SocketAddr::from((address, 0))],
        Some(Host::Ipv6(address)) => vec![SocketAddr::from((address, 0))],
        Some(Host::Domain(name)) => resolve(name, url.port_or_known_default().unwrap_or(80)).await?,
    };
    judge_all(&addresses, refuses)
}

async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = tokio::net::lookup_host((name, port)).await;
    Ok(found.map_err(|error| format!("{name} cannot be resolved: {error}"))?.collect())
}

fn judge_all(
    addresses: &[SocketAddr],
    refuses: impl Fn(IpAddr) -> Option<&'static str>,
) -> Result<(), String> {
    if addresses.is_empty() {
        return Err("the host has no address".to_owned());
    }
    let mut addresses = addresses.iter().map(SocketAddr::ip);
    match addresses.find_map(|address| Some((address, refuses(address.to_canonical())?))) {
        Some((address, why)) => Err(format!("{address} is {why}")),
        None => Ok(()),
    }
}

/// Why an address may not be registered; `None` if it may.
fn registrable(address: IpAddr, saas: bool) -> Option<&'static str> {
    if address.is_loopback() {
        return Some("a loopback address; write localhost instead");
    }
    if address.is_multicast() {
        return Some("a multicast address");
    }
    if is_link_local(address) {
        return Some("a link-local address");
    }
    if in_blocks(address, &[(Ipv4Addr::new(100, 64, 0, 0), 10)], &[]) {
        return Some("a shared address of a provider");
    }
    let (v4, v6) = (
        [
            (Ipv4Addr::new(192, 0, 2, 0), 24),
            (Ipv4Addr::new(198, 51, 100, 0), 24),
            (Ipv4Addr::new(203, 0, 113, 0), 24),
        ],
        [(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32)],
    );
    if in_blocks(address, &v4, &v6) {
        return Some("an address for documentation");
    }
    // fc00::/8 is never assigned, fd00::/8 is private.
    if in_blocks(address, &[], &[(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 8)]) {
        return Some("an unassigned address");
    }
    (is_private(address) && !saas).then_some("a private address, which this platform does not allow")
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

fn in_blocks(address: IpAddr, v4: &[(Ipv4Addr, u32)], v6: &[(Ipv6Addr, u32)]) -> bool {
    match address {
        IpAddr::V4(address) => {
            v4.iter().any(|(block, bits)| (address.to_bits() ^ block.to_bits()) >> (32 - bits) == 0)
        }
        IpAddr::V6(address) => {
            v6.iter().any(|(block, bits)| (address.to_bits() ^ block.to_bits()) >> (128 - bits) == 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_judged_for_registering_and_for_calling() {
        let config = |environment, saas| Config { environment, saas, ..Config::default() };
        let (dev, prod) = (config(Environment::Development, false), config(Environment::Production, false));
        let saas = config(Environment::Production, true);
        // URL; may be registered, the same under SaaS; may be called in development, in production, under SaaS.
        for (url, expected) in [
            ("http://localhost:9/secret", [true, true, true, false, false]),
            ("http://127.0.0.1:9", [false, false, true, false, false]),
            ("http://[::1]:9", [false, false, true, false, false]),
            ("http://[::ffff:127.0.0.1]:9", [false, false, true, false, false]),
            ("http://169.254.169.254/", [false, false, false, false, false]),
            ("http://[fe80::1]/", [false, false, false, false, false]),
            ("http://10.0.0.1:8000", [false, true, true, false, true]),
            ("http://172.31.0.1", [false, true, true, false, true]),
            ("http://192.168.0.1", [false, true, true, false, true]),
            ("http://[fd00::1]", [false, true, true, false, true]),
            ("http://[fc00::1]", [false, false, true, false, true]),
            ("http://100.64.0.1", [false, false, true, true, true]),
            ("http://100.128.0.1", [true, true, true, true, true]),
            ("http://224.0.0.1", [false, false, true, true, true]),
            ("http://203.0.113.7", [false, false, true, true, true]),
            ("http://[2001:db8::1]", [false, false, true, true, true]),
            ("http://0.0.0.0", [true, true, false, false, false]),
            ("https://8.8.8.8/x?y=1", [true, true, true, true, true]),
            ("ftp://8.8.8.8", [false, false, false, false, false]),
            ("remote://no-inbound", [false, false, false, false, false]),
            ("not a url", [false, false, false, false, false]),
        ] {
            let judged = [
                may_register(&prod, url).await.is_ok(),
                may_register(&saas, url).await.is_ok(),
                may_call(&dev, url).await.is_ok(),
                may_call(&prod, url).await.is_ok(),
                may_call(&saas, url).await.is_ok(),
            ];
            assert_eq!(judged, expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_is_judged_again_where_the_connection_is_made() {
        let resolve = async |environment| {
            let config = Config { environment, ..Config::default() };
            Callable::under(&config).resolve("localhost".parse().unwrap()).await.map(|found| found.count())
        };
        assert!(resolve(Environment::Development).await.unwrap() > 0);
        let Err(refused) = resolve(Environment::Production).await else { panic!("a loopback address") };
        assert!(refused.to_string().contains("in development only"), "{refused}");
    }
}
