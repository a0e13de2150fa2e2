//! One screen at the start: what it is, who it is, what it may reach, where to talk to it.

use std::fmt;
use std::path::Path;

use molecule_host::gate::Grants;
use molecule_host::gate::quoted;
use molecule_host::runtime::wit::Asks;
use molecule_host::{AgentSpec, LoadedAgent};

use super::escape::one_line;

/// Hexadecimal digits of a component's digest that are shown: enough to tell two apart.
const DIGEST: usize = 12;
/// Characters of one text of the agent's.
const TEXT: usize = 200;

/// What is shown when an agent has been registered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Banner {
    rows: Vec<(&'static str, String)>,
}

impl Banner {
    /// Of an agent that is about to run.
    pub(super) fn new(agent: &LoadedAgent, file: &Path, spec: &AgentSpec, state_dir: &Path) -> Self {
        let card = &agent.card;
        let name = spec.name.as_ref().unwrap_or(&card.name);
        let who = format!("{name} {} {}", card.version, card.description);
        let digest = agent.component.digest();
        let digest = digest.get(..DIGEST).unwrap_or(digest);
        let mut rows = vec![
            ("agent", one_line(&who, TEXT)),
            ("component", format!("{digest} ({})", shown(file))),
            ("workspace", spec.workspace_id.to_string()),
            ("platform", spec.platform_url.to_string()),
            ("may", granted(&spec.grants)),
        ];
        rows.extend(asked(&card.asks, spec).into_iter().map(|line| ("asks for", line)));
        rows.push((
            "listens",
            format!(
                "for messages every {:?}, with a heartbeat every {:?}",
                spec.intervals.poll, spec.intervals.heartbeat
            ),
        ));
        rows.push(("state", shown(state_dir)));
        Self { rows }
    }

    /// With further rows at the end.
    pub(super) fn with(mut self, rows: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.rows.extend(rows);
        self
    }

    /// The same, as one log line for programs.
    pub(super) fn log(&self) {
        let all = |label: &str| {
            let rows = self.rows.iter().filter(|(it, _)| *it == label).map(|(_, text)| text.as_str());
            rows.collect::<Vec<_>>().join("; ")
        };
        tracing::info!(
            name = all("agent"),
            component = all("component"),
            workspace = all("workspace"),
            platform = all("platform"),
            may = all("may"),
            asks_for = all("asks for"),
            state = all("state"),
            "ready"
        );
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = "";
        for (label, text) in &self.rows {
            // A label stands once before the lines that share it.
            let shown = if *label == last { "" } else { label };
            last = label;
            writeln!(f, "  {shown:<10} {text}")?;
        }
        Ok(())
    }
}

/// A path, as short as it can be written from here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here.and_then(|here| path.strip_prefix(here).ok()).filter(|it| !it.as_os_str().is_empty());
    one_line(&short.unwrap_or(path).display().to_string(), TEXT)
}

fn granted(grants: &Grants) -> String {
    let peers = match grants.peers.as_slice() {
        [] => "no peer".to_owned(),
        peers => {
            let peers: Vec<String> = peers.iter().map(|peer| one_line(&peer.to_string(), TEXT)).collect();
            format!("the peers {}", peers.join(", "))
        }
    };
    format!("answer, write to its own user, and call {peers}")
}

/// What an agent asks for that the one before it did not: whether it has that, and if not, what would give it.
pub(super) fn asked_anew(before: &Asks, now: &Asks, spec: &AgentSpec) -> Vec<String> {
    let known = asked(before, spec);
    asked(now, spec).into_iter().filter(|line| !known.contains(line)).collect()
}

/// What the agent asks for: whether it has that, and if not, what would give it.
fn asked(asks: &Asks, spec: &AgentSpec) -> Vec<String> {
    let mut lines = Vec::new();
    for peer in &asks.peers {
        let shown = one_line(peer, TEXT);
        lines.push(match spec.grants.peers.iter().any(|grant| grant.matches(peer, Some(peer))) {
            true => format!("the peer {shown}: granted"),
            false => format!("the peer {shown}: not granted; --allow-peer {} grants it", quoted(&shown)),
        });
    }
    let unknown =
        [("the network rule", &asks.hosts), ("the secret", &asks.secrets), ("the plugin", &asks.plugins)];
    for (what, names) in unknown {
        for name in names {
            lines.push(format!(
                "{what} {}: not granted; this version of the host cannot",
                one_line(name, TEXT)
            ));
        }
    }
    if let Some(asked) = asks.concurrency.and_then(|it| usize::try_from(it).ok()).filter(|it| *it > 1) {
        let given = spec.concurrency.unwrap_or(asked.min(AgentSpec::MAX_ASKED_CONCURRENCY));
        lines.push(match given >= asked {
            true => format!("{asked} messages at once: granted"),
            false => format!("{asked} messages at once: {given} granted; --concurrency {asked} grants all"),
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use molecule_host::runtime::wit::OnDeath;

    use super::*;

    fn asks() -> Asks {
        Asks {
            hosts: Vec::new(),
            secrets: Vec::new(),
            plugins: Vec::new(),
            peers: Vec::new(),
            concurrency: None,
            on_death: OnDeath::Rerun,
            tick_ms: None,
        }
    }

    fn spec() -> AgentSpec {
        AgentSpec::new("http://p".parse().unwrap(), "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11".parse().unwrap())
    }

    #[test]
    fn what_is_asked_for_and_not_granted_names_the_flag_that_grants_it() {
        let mut spec = spec();
        spec.grants.peers.push("bob".parse().unwrap());
        let asks = Asks {
            peers: ["bob", "*", "my peer"].map(String::from).into(),
            hosts: vec!["POST https://api.example/**".into()],
            secrets: vec!["KEY\u{1b}[2J".into()],
            concurrency: Some(40),
            ..asks()
        };
        assert_eq!(
            asked(&asks, &spec),
            [
                "the peer bob: granted",
                "the peer *: not granted; --allow-peer '*' grants it",
                "the peer my peer: not granted; --allow-peer 'my peer' grants it",
                "the network rule POST https://api.example/**: not granted; this version of the host cannot",
                r"the secret KEY\u{1b}[2J: not granted; this version of the host cannot",
                "40 messages at once: 16 granted; --concurrency 40 grants all",
            ]
        );
        spec.concurrency = Some(40);
        spec.grants.peers = vec!["*".parse().unwrap()];
        assert!(asked(&asks, &spec).iter().filter(|line| line.ends_with(": granted")).count() == 4);
        assert!(asked(&super::tests::asks(), &spec).is_empty());
    }

    #[test]
    fn of_a_newer_version_only_what_it_asks_for_beside_is_said() {
        let spec = spec();
        let before = Asks { peers: vec!["bob".into()], ..asks() };
        let now = Asks { peers: vec!["bob".into(), "eve".into()], concurrency: Some(2), ..asks() };
        assert_eq!(
            asked_anew(&before, &now, &spec),
            ["the peer eve: not granted; --allow-peer eve grants it", "2 messages at once: granted"]
        );
        assert!(asked_anew(&now, &before, &spec).is_empty());
    }

    #[test]
    fn what_is_granted_is_said() {
        let mut grants = Grants::default();
        assert_eq!(granted(&grants), "answer, write to its own user, and call no peer");
        grants.peers = vec!["bob".parse().unwrap(), "*".parse().unwrap()];
        assert_eq!(granted(&grants), "answer, write to its own user, and call the peers bob, *");
    }

    #[test]
    fn rows_are_aligned_and_a_label_stands_once() {
        let row = |label, text: &str| (label, text.to_owned());
        let banner = Banner { rows: vec![row("agent", "echo"), row("asks for", "a"), row("asks for", "b")] };
        assert_eq!(
            banner.with([row("page", "http://p")]).to_string(),
            "  agent      echo\n  asks for   a\n             b\n  page       http://p\n"
        );
    }
}
