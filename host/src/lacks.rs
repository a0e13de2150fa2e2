//! What an agent's card asks for and its grants do not give.

use molecule_gate::{Grant, Grants, NetRule, SecretGrant, quoted};
use molecule_runtime::wit::Asks;

use crate::host::LoadedAgent;

/// Something that an agent asks for and does not have.
///
/// What it asks for is its own word: escape and cut it before it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What kind of thing it is.
    pub kind: LackKind,
    /// What was asked for, as the card says it.
    pub wanted: String,
    /// What would give it, as an operator writes it on the command line; none where nothing would. Of a secret the host
    /// that it is for is `HOST` where the card does not tell.
    pub grant: Option<String>,
}

/// The kinds of things that a card may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LackKind {
    /// HTTP requests.
    Requests,
    /// The use of a secret.
    Secret,
    /// A peer, or all of them.
    Peer,
    /// A plugin.
    Plugin,
}

impl LoadedAgent {
    /// What its card asks for and these grants do not give, in the order in which the card says it. Whatever is not in
    /// here it may have; what it may have and does not ask for, it does not say.
    pub fn lacks(&self, grants: &Grants) -> Vec<Lack> {
        Lack::all(&self.card.asks, grants)
    }
}

impl Lack {
    /// The same as [`LoadedAgent::lacks`], of what a card asks for.
    pub fn all(asks: &Asks, grants: &Grants) -> Vec<Self> {
        all(asks, grants)
    }
}

fn all(asks: &Asks, grants: &Grants) -> Vec<Lack> {
    let lack = |kind, wanted: &String, grant| Lack { kind, wanted: wanted.clone(), grant };
    let hosts = asks.hosts.iter().map(|host| (host, rule(host)));
    let requests = hosts.clone().filter(|(_, rule)| match rule {
        Some(rule) => !rule.is_covered_by(&grants.net),
        None => true,
    });
    let requests = requests
        .map(|(host, rule)| lack(LackKind::Requests, host, rule.map(|rule| Grant::Net(rule).to_string())));
    // Where it tells each place that it asks for requests to, its secrets are for those.
    let places: Option<Vec<String>> =
        hosts.filter_map(|(_, rule)| rule).map(|rule| rule.authority()).collect();
    let places = places.unwrap_or_default();
    let secrets = asks.secrets.iter().filter(|name| {
        let used =
            grants.secrets.iter().any(|grant| grant.name().as_str() == *name && is_for(grant, &places));
        !used && !grants.reveal.iter().any(|granted| granted.as_str() == *name)
    });
    let place = places.first().filter(|first| places.iter().all(|it| it == *first));
    let secrets = secrets.map(|name| lack(LackKind::Secret, name, secret(name, place.map(String::as_str))));
    let peers = asks.peers.iter().filter(|peer| !grants.allow_peer(peer, Some(peer)));
    let peers =
        peers.map(|peer| lack(LackKind::Peer, peer, peer.parse().ok().map(|it| Grant::Peer(it).to_string())));
    let given = |plugin: &str| grants.plugins.iter().any(|grant| grant.is_for(plugin));
    let plugins = asks.plugins.iter().filter(|plugin| !given(plugin)).map(|plugin| {
        lack(LackKind::Plugin, plugin, plugin.parse().ok().map(|it| Grant::Plugin(it).to_string()))
    });
    requests.chain(secrets).chain(peers).chain(plugins).collect()
}

/// What a card means: a rule, or all of a host, to read there and to write.
fn rule(host: &str) -> Option<NetRule> {
    host.parse().or_else(|_| format!("GET,POST https://{host}/**").parse()).ok()
}

/// Whether a secret is granted for one of these places, `HOST[:PORT]`; where none is known, it may be for any.
fn is_for(grant: &SecretGrant, places: &[String]) -> bool {
    let text = grant.to_string();
    let (_, place) = text.split_once('@').unwrap_or_default();
    // Without the field of a body, and without a port that need not be written.
    let place = place.split(' ').next().unwrap_or_default();
    let place = place.strip_suffix(":443").or_else(|| place.strip_suffix(":80")).unwrap_or(place);
    places.is_empty() || places.iter().any(|it| it == place)
}

fn secret(name: &str, place: Option<&str>) -> Option<String> {
    match place {
        Some(place) => Some(Grant::Secret(format!("{name}@{place}").parse().ok()?).to_string()),
        // Whether it is a name at all is told by any place.
        None => {
            let _: Grant = Grant::Secret(format!("{name}@localhost").parse().ok()?);
            Some(format!("--allow-secret {}", quoted(&format!("{name}@HOST"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use molecule_runtime::wit::OnDeath;

    use super::*;

    /// What is wanted, and the flag that would give it.
    type Expected = &'static [(&'static str, Option<&'static str>)];

    fn asks(hosts: &[&str], secrets: &[&str], peers: &[&str], plugins: &[&str]) -> Asks {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Asks {
            hosts: texts(hosts),
            secrets: texts(secrets),
            plugins: texts(plugins),
            peers: texts(peers),
            concurrency: None,
            on_death: OnDeath::Rerun,
            tick_ms: None,
        }
    }

    fn granted(net: &[&str], secrets: &[&str], reveal: &[&str], peers: &[&str]) -> Grants {
        let mut grants = Grants::default();
        net.iter().for_each(|text| grants.add(Grant::Net(text.parse().unwrap())));
        secrets.iter().for_each(|text| grants.add(Grant::Secret(text.parse().unwrap())));
        reveal.iter().for_each(|text| grants.add(Grant::Reveal(text.parse().unwrap())));
        peers.iter().for_each(|text| grants.add(Grant::Peer(text.parse().unwrap())));
        grants
    }

    #[test]
    fn what_no_grant_gives_is_named_with_the_flag_that_would() {
        let none = granted(&[], &[], &[], &[]);
        let table: Vec<(Asks, Grants, Expected)> = vec![
            (asks(&[], &[], &[], &[]), none.clone(), &[]),
            (
                asks(&["api.example"], &["KEY"], &["bob", "*", "my peer"], &["tool"]),
                none.clone(),
                &[
                    ("api.example", Some("--allow-net 'GET,POST https://api.example'")),
                    ("KEY", Some("--allow-secret KEY@api.example")),
                    ("bob", Some("--allow-peer bob")),
                    ("*", Some("--allow-peer '*'")),
                    ("my peer", Some("--allow-peer 'my peer'")),
                    ("tool", Some("--allow-plugin tool")),
                ],
            ),
            (
                asks(&["POST https://api.example:444/v1/**"], &["KEY"], &[], &[]),
                none.clone(),
                &[
                    (
                        "POST https://api.example:444/v1/**",
                        Some("--allow-net 'POST https://api.example:444/v1/**'"),
                    ),
                    ("KEY", Some("--allow-secret KEY@api.example:444")),
                ],
            ),
            (
                asks(&["https://*.api.example"], &["KEY", "no name"], &[], &[]),
                none.clone(),
                &[
                    ("https://*.api.example", Some("--allow-net 'https://*.api.example'")),
                    ("KEY", Some("--allow-secret KEY@HOST")),
                    ("no name", None),
                ],
            ),
            (
                asks(&["a.example", "GET https://a.example/x"], &["KEY"], &[], &[]),
                granted(&["GET,POST https://a.example"], &["KEY@evil.example"], &[], &[]),
                &[("KEY", Some("--allow-secret KEY@a.example"))],
            ),
            // Which of them a secret is for, nobody knows.
            (
                asks(&["a.example", "b.example"], &["KEY", "OTHER"], &[], &[]),
                granted(
                    &["GET,POST https://a.example", "GET,POST https://b.example"],
                    &["KEY@b.example:443 body=/key", "OTHER@a.example:444"],
                    &[],
                    &[],
                ),
                &[("OTHER", Some("--allow-secret OTHER@HOST"))],
            ),
            (
                asks(&["GET https://*.a.example"], &["KEY"], &[], &[]),
                granted(&["https://*.a.example"], &["KEY@a.example"], &[], &[]),
                &[],
            ),
            (asks(&["no host at all"], &[], &[" "], &[]), none, &[("no host at all", None), (" ", None)]),
            (
                asks(&["api.example"], &["KEY", "SEEN"], &["bob"], &[]),
                granted(
                    &["https://api.example", "POST https://*.api.example/**", "POST https://api.example"],
                    &["KEY@api.example"],
                    &["SEEN"],
                    &["*"],
                ),
                &[],
            ),
            (
                asks(&["api.example"], &["KEY"], &["bob"], &[]),
                granted(&["https://api.example"], &["OTHER@api.example"], &["OTHER"], &["eve"]),
                &[
                    ("api.example", Some("--allow-net 'GET,POST https://api.example'")),
                    ("KEY", Some("--allow-secret KEY@api.example")),
                    ("bob", Some("--allow-peer bob")),
                ],
            ),
        ];
        for (index, (asks, grants, expected)) in table.into_iter().enumerate() {
            let found = Lack::all(&asks, &grants);
            let found: Vec<_> =
                found.iter().map(|lack| (lack.wanted.as_str(), lack.grant.as_deref())).collect();
            assert_eq!(found, expected, "row {index}");
        }
    }
}
