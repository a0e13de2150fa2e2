//! One screen at the start: what it is, who it is, what it may reach, where to talk to it.

use std::fmt;
use std::path::Path;

use molecule_host::gate::Grants;
use molecule_host::runtime::wit::Asks;
use molecule_host::{AgentSpec, Lack, LackKind, LoadedAgent};

use super::escape::one_line;

/// Hexadecimal digits of a component's digest that are shown: enough to tell two apart.
const DIGEST: usize = 12;
/// Characters of one text of the agent's.
const TEXT: usize = 200;
/// Characters of one thing that it asks for.
const WANTED: usize = 60;
/// Things that it has, or asks for and does not have: rows of a table, and what stands in one line.
const IN_A_TABLE: usize = 30;
const IN_A_LINE: usize = 10;

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
        ];
        rows.extend(granted(&spec.grants).into_iter().map(|line| ("may", line)));
        rows.extend(lacks_table(&card.asks, spec).into_iter().map(|line| ("lacks", line)));
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
            lacks = all("lacks"),
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

/// What an agent may do, a line for each grant; of many the first ones.
fn granted(grants: &Grants) -> Vec<String> {
    let peers = match grants.peers.as_slice() {
        [] => "no peer".to_owned(),
        peers => {
            let (shown, more) = peers.split_at(peers.len().min(IN_A_TABLE));
            let mut all: Vec<String> = shown.iter().map(|peer| one_line(&peer.to_string(), TEXT)).collect();
            if !more.is_empty() {
                all.push(format!("and {} more", more.len()));
            }
            format!("the peers {}", all.join(", "))
        }
    };
    let net = grants.net.iter().map(|rule| format!("request {rule}"));
    let secrets = grants.secrets.iter().map(|grant| format!("use the secret {grant}, unseen"));
    let reveal = grants.reveal.iter().map(|name| format!("see the secret {name}"));
    let plugins = grants.plugins.iter().map(|plugin| format!("install the plugin {plugin}"));
    let memory = grants.memory.map(|scope| format!("use {scope} memory of the platform"));
    let storage = grants.storage_bytes.map(|size| format!("keep {size} in a folder of its own"));
    let rows: Vec<String> =
        net.chain(secrets).chain(reveal).chain(plugins).chain(memory).chain(storage).collect();
    let (shown, more) = rows.split_at(rows.len().min(IN_A_TABLE));
    let mut lines = vec![format!("answer, write to its own user, and call {peers}")];
    lines.extend(shown.iter().map(|row| one_line(row, TEXT)));
    if !more.is_empty() {
        lines.push(format!("and {} more", more.len()));
    }
    lines
}

/// What an agent asks for and does not have, and the one before it did not ask for: a line each.
pub(super) fn lacks_anew(before: &Asks, now: &Asks, spec: &AgentSpec) -> Vec<String> {
    let known = lacks(before, spec);
    lacks(now, spec)
        .into_iter()
        .filter(|lack| !known.contains(lack))
        .map(|[what, way]| format!("{what}: {way}"))
        .collect()
}

/// What an agent asks for and does not have, on one line; none where there is no such thing.
pub(super) fn lacks_line(asks: &Asks, spec: &AgentSpec) -> Option<String> {
    let lacks = lacks(asks, spec);
    let (shown, more) = lacks.split_at(lacks.len().min(IN_A_LINE));
    let mut all: Vec<String> = shown.iter().map(|[what, way]| format!("{what}: {way}")).collect();
    if !more.is_empty() {
        all.push(format!("and {} more", more.len()));
    }
    (!all.is_empty()).then(|| all.join("; "))
}

/// What an agent asks for and does not have, in columns; of many things the first ones.
fn lacks_table(asks: &Asks, spec: &AgentSpec) -> Vec<String> {
    let lacks = lacks(asks, spec);
    let (shown, more) = lacks.split_at(lacks.len().min(IN_A_TABLE));
    let width = shown.iter().map(|[what, _]| what.chars().count()).max().unwrap_or_default();
    let mut lines: Vec<String> = shown.iter().map(|[what, way]| format!("{what:width$}  {way}")).collect();
    if !more.is_empty() {
        lines.push(format!("and {} more", more.len()));
    }
    lines
}

/// What an agent asks for and does not have, and what would give it: a stranger's words, fit for a terminal.
fn lacks(asks: &Asks, spec: &AgentSpec) -> Vec<[String; 2]> {
    let mut rows: Vec<[String; 2]> = Lack::all(asks, &spec.grants).iter().map(row).collect();
    let asked = asks.concurrency.and_then(|it| usize::try_from(it).ok());
    if let Some(asked) = asked {
        let given = spec.concurrency.unwrap_or(asked.min(AgentSpec::MAX_ASKED_CONCURRENCY)).max(1);
        if given < asked {
            rows.push([format!("{asked} messages at once"), format!("--concurrency {asked} (has {given})")]);
        }
    }
    rows
}

fn row(lack: &Lack) -> [String; 2] {
    let kind = match lack.kind {
        LackKind::Requests => "requests to",
        LackKind::Secret => "the secret",
        LackKind::Peer => "the peer",
        LackKind::Plugin => "the plugin",
    };
    // One that is cut is of no use, and may be harm: it would grant something else.
    let way = match (&lack.grant, lack.kind) {
        (Some(grant), _) if grant.chars().count() > TEXT => {
            "what would give it is too long to be shown".to_owned()
        }
        (Some(grant), _) => one_line(grant, TEXT),
        (None, _) => "no grant gives that".to_owned(),
    };
    [format!("{kind} {}", one_line(&lack.wanted, WANTED)), way]
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
    fn what_is_asked_for_and_not_granted_stands_in_one_table_with_the_flag_that_grants_it() {
        let mut spec = spec();
        spec.grants.peers.push("bob".parse().unwrap());
        let asks = Asks {
            peers: ["bob", "*", "my peer"].map(String::from).into(),
            hosts: vec!["POST https://api.example/**".into(), "a\n b\u{1b}[2J".into()],
            secrets: vec!["KEY".into()],
            plugins: vec!["x".repeat(1000)],
            concurrency: Some(40),
            ..asks()
        };
        let wanted = "requests to POST https://api.example/**".len();
        let plugin = format!("the plugin {}…", "x".repeat(WANTED));
        let width = plugin.chars().count();
        assert!(wanted < width);
        let rows = [
            ("requests to POST https://api.example/**", "--allow-net 'POST https://api.example'"),
            (r"requests to a b\u{1b}[2J", "no grant gives that"),
            ("the secret KEY", "--allow-secret KEY@api.example"),
            ("the peer *", "--allow-peer '*'"),
            ("the peer my peer", "--allow-peer 'my peer'"),
            (plugin.as_str(), "no grant gives that"),
            ("40 messages at once", "--concurrency 40 (has 16)"),
        ];
        assert_eq!(lacks_table(&asks, &spec), rows.map(|(what, way)| format!("{what:width$}  {way}")));
        assert_eq!(
            lacks_line(&asks, &spec).unwrap(),
            rows.map(|(what, way)| format!("{what}: {way}")).join("; ")
        );
        assert!(lacks_table(&super::tests::asks(), &spec).is_empty());
        assert_eq!(lacks_line(&super::tests::asks(), &spec), None);
    }

    #[test]
    fn a_card_that_asks_for_everything_fills_no_screen() {
        let peers = (0..1000).map(|peer| format!("peer-{peer}")).collect();
        let asks = Asks { peers, hosts: vec![format!("https://a.example/{}", "x".repeat(5000))], ..asks() };
        let table = lacks_table(&asks, &spec());
        assert_eq!(table.len(), IN_A_TABLE + 1);
        assert!(table[0].ends_with("what would give it is too long to be shown"), "{}", table[0]);
        assert_eq!(table[IN_A_TABLE], "and 971 more");
        assert!(table.iter().all(|line| line.chars().count() < WANTED + TEXT + 20));
        assert!(lacks_line(&asks, &spec()).unwrap().ends_with("; and 991 more"));
    }

    #[test]
    fn of_a_newer_version_only_what_it_lacks_beside_is_said() {
        let spec = spec();
        let before = Asks { peers: vec!["bob".into()], ..asks() };
        let now = Asks { peers: vec!["bob".into(), "eve".into()], concurrency: Some(2), ..asks() };
        assert_eq!(lacks_anew(&before, &now, &spec), ["the peer eve: --allow-peer eve"]);
        assert!(lacks_anew(&now, &before, &spec).is_empty());
    }

    #[test]
    fn what_is_granted_is_said() {
        let mut grants = Grants::default();
        assert_eq!(granted(&grants), ["answer, write to its own user, and call no peer"]);
        grants.peers = vec!["bob".parse().unwrap(), "*".parse().unwrap()];
        grants.net = vec!["POST https://a.example/**".parse().unwrap()];
        grants.secrets = vec!["KEY@a.example".parse().unwrap()];
        grants.reveal = vec!["SEEN".parse().unwrap()];
        grants.storage_bytes = Some("1MiB".parse().unwrap());
        assert_eq!(
            granted(&grants),
            [
                "answer, write to its own user, and call the peers bob, *",
                "request POST https://a.example",
                "use the secret KEY@a.example, unseen",
                "see the secret SEEN",
                "keep 1MiB in a folder of its own",
            ]
        );
        grants.net = vec![grants.net[0].clone(); 1000];
        let lines = granted(&grants);
        assert_eq!((lines.len(), lines[IN_A_TABLE + 1].as_str()), (IN_A_TABLE + 2, "and 973 more"));
    }

    #[test]
    fn rows_are_aligned_and_a_label_stands_once() {
        let row = |label, text: &str| (label, text.to_owned());
        let banner = Banner { rows: vec![row("agent", "echo"), row("lacks", "a"), row("lacks", "b")] };
        assert_eq!(
            banner.with([row("page", "http://p")]).to_string(),
            "  agent      echo\n  lacks      a\n             b\n  page       http://p\n"
        );
    }
}
