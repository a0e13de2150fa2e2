//! The file that says which agents run: `agents.toml`.
//!
//! A key of an agent's table is a flag of `molecule-host AGENT.wasm` by another spelling, and is read by the same parser:
//! what holds for the one holds for the other, and a flag that is new has its key already.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use molecule_host::AgentSpec;
use molecule_protocol::WorkspaceId;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::args::AgentArgs;
use crate::cli::keys::{self, Flags, Key, Page};
use crate::cli::policy::PolicyFile;
use crate::cli::settings::{self, Environment, UsageError};

/// The longest name of an agent.
const MAX_LABEL: usize = 64;

/// The agents of a file, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgentsFile {
    /// At least one.
    pub(super) agents: Vec<Definition>,
}

/// What a file says of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    /// Its name in this process.
    pub(super) label: String,
    /// Its component.
    pub(super) component: PathBuf,
    /// The workspace that it is.
    pub(super) workspace: WorkspaceId,
    /// All else, as flags: equal words are equal settings.
    words: Vec<OsString>,
    /// The policy that these name, as it was when the file was read.
    policy: Option<PolicyFile>,
}

impl Definition {
    /// The settings, to start an agent with.
    ///
    /// # Errors
    /// None that were not found when the file was read.
    pub(super) fn spec(&self) -> Result<AgentSpec, UsageError> {
        settings::spec(self.args()?, &Environment::empty())
    }

    /// The stack that it wants, which all agents of a process share the size of.
    pub(super) fn stack_bytes(&self) -> Option<usize> {
        self.args().ok()?.limits.max_stack
    }

    fn args(&self) -> Result<AgentArgs, UsageError> {
        let mut args: AgentArgs = keys::read_back(&self.words)?;
        if let Some(policy) = &self.policy {
            policy.put_into(&mut args.grants, &mut args.limits)?;
        }
        Ok(args)
    }
}

impl AgentsFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, and what is wrong in it: file, line and what to do.
    pub(super) fn read(path: &Path) -> Result<Self, UsageError> {
        let text = keys::read(path, "give the path of an agents.toml")?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, UsageError> {
        let page = Page { path, text };
        let (document, wrongs) = page.parse();
        if let Some(wrong) = wrongs.into_iter().next() {
            return Err(wrong.into());
        }
        const ADVICE: &str = "the keys are component, and the flags that molecule-host --help lists";
        let flags = Flags::new(AgentArgs::command(), &[], ADVICE);
        let mut reader = Reader { page, flags, workspaces: BTreeMap::new() };
        reader.file(document.get_ref())
    }
}

/// The one key that is no flag.
const COMPONENT: &str = "component";
/// What an agent cannot be without.
const MANDATORY: [&str; 3] = [COMPONENT, "platform-url", "workspace-id"];

/// What a table says, by key: the words of flags, or a path.
type Said = BTreeMap<String, Vec<OsString>>;

struct Reader<'a> {
    page: Page<'a>,
    flags: Flags,
    /// Who has which.
    workspaces: BTreeMap<WorkspaceId, String>,
}

impl Reader<'_> {
    fn file(&mut self, document: &DeTable<'_>) -> Result<AgentsFile, UsageError> {
        let mut defaults = Said::new();
        let mut tables = None;
        for (key, value) in document {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("defaults", DeValue::Table(table)) => defaults = self.table("defaults", table)?,
                ("agents", DeValue::Table(table)) => tables = Some(table),
                ("defaults" | "agents", _) => {
                    let advice = "write it as a table: [defaults], and [agents.NAME] for each agent";
                    let what = format!("{} is no table", key.get_ref());
                    return Err(self.page.wrong(value.span(), what, advice).into());
                }
                (other, _) => {
                    let advice = "there are [defaults], and [agents.NAME] for each agent";
                    return Err(self.page.wrong(key.span(), format!("unknown key {other}"), advice).into());
                }
            }
        }
        let mut agents = Vec::new();
        for (label, value) in tables.into_iter().flatten() {
            agents.push(self.agent(label, value, &defaults)?);
        }
        if agents.is_empty() {
            let advice = "add a table [agents.NAME] with component and workspace-id";
            return Err(self.page.wrong(0..0, "no agent is named", advice).into());
        }
        Ok(AgentsFile { agents })
    }

    fn agent(
        &mut self,
        label: &Key<'_>,
        value: &Spanned<DeValue<'_>>,
        defaults: &Said,
    ) -> Result<Definition, UsageError> {
        let (name, at) = (label.get_ref().as_ref(), label.span());
        let plain = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
        if name.is_empty() || name.len() > MAX_LABEL || !name.chars().all(plain) {
            let what = format!("{name:?} is no name for an agent");
            return Err(self.page.wrong(at, what, "use up to 64 of a-z, A-Z, 0-9, - _ and .").into());
        }
        let DeValue::Table(table) = value.get_ref() else {
            let what = format!("agents.{name} is no table");
            return Err(self.page.wrong(value.span(), what, format!("write it as [agents.{name}]")).into());
        };
        let own = self.table(name, table)?;
        let mut said = defaults.clone();
        for (key, words) in own {
            match said.get_mut(&key) {
                // Of two values for one key of the configuration the later one counts.
                Some(before) if key == "config" => {
                    before.retain(|word| !words.iter().any(|own| config_key(own) == config_key(word)));
                    before.extend(words);
                }
                _ => drop(said.insert(key, words)),
            }
        }
        for key in MANDATORY {
            if !said.contains_key(key) {
                let what = format!("[agents.{name}] has no {key}");
                return Err(self
                    .page
                    .wrong(at, what, format!("give it one, as in: {}", example(key)))
                    .into());
            }
        }
        let component = said.remove(COMPONENT).into_iter().flatten().next().unwrap_or_default().into();
        let words = said.into_values().flatten().collect();
        // Its value was judged with its table.
        let mut definition = Definition {
            label: name.to_owned(),
            component,
            workspace: WorkspaceId::random(),
            words,
            policy: None,
        };
        let wrong = |error| UsageError::from(self.page.wrong(at.clone(), error, "correct it"));
        definition.policy = match definition.args().map_err(wrong)?.grants.policy {
            Some(path) => Some(PolicyFile::load(&path).map_err(wrong)?),
            None => None,
        };
        let spec = definition.spec().map_err(wrong)?;
        definition.workspace = spec.workspace_id;
        if let Some(other) = self.workspaces.insert(spec.workspace_id, name.to_owned()) {
            let what = format!("{name} has the workspace of {other}, {}", spec.workspace_id);
            return Err(self.page.wrong(at, what, "give each agent a workspace of its own").into());
        }
        Ok(definition)
    }

    fn table(&self, name: &str, table: &DeTable<'_>) -> Result<Said, UsageError> {
        let mut said = Said::new();
        for (key, value) in table {
            let words = self.words(name, key, value)?;
            said.insert(key.get_ref().to_string(), words);
        }
        Ok(said)
    }

    /// A key and its value as flags, each of which makes sense.
    fn words(
        &self,
        table: &str,
        key: &Key<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<OsString>, UsageError> {
        if key.get_ref() == COMPONENT {
            let DeValue::String(path) = value.get_ref() else {
                let wrong = self.page.wrong(value.span(), "component is no text", example(COMPONENT));
                return Err(wrong.into());
            };
            return Ok(vec![self.page.beside(path).into_os_string()]);
        }
        let (words, wrongs) = self.flags.words(self.page, Some(table), key, value);
        wrongs.into_iter().next().map_or(Ok(words), |wrong| Err(wrong.into()))
    }
}

/// `KEY` of `--config=KEY=VALUE`.
fn config_key(word: &OsString) -> Option<String> {
    word.to_str()?.split('=').nth(1).map(str::to_owned)
}

fn example(key: &str) -> &'static str {
    match key {
        COMPONENT => r#"component = "agent.wasm""#,
        "platform-url" => r#"platform-url = "https://acme.moleculesai.app""#,
        _ => r#"workspace-id = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11""#,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ID: &str = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11";

    fn parse(text: &str) -> Result<AgentsFile, String> {
        AgentsFile::parse(Path::new("etc/agents.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_agent_has_what_its_table_says_and_else_what_the_defaults_say() {
        let file = parse(&format!(
            r#"
            [defaults]
            platform-url = "https://acme.example"
            poll-interval = 2
            component = "echo.wasm"
            allow-peer = ["bob", "eve"]
            config = {{ greeting = "Hello", tone = "dry" }}
            on-pause = "exit"

            [agents.alice]
            workspace-id = "{ID}"
            token-file = "secret/alice.token"
            secret = ["KEY=file:secret/key", "OTHER=env:OTHER"]
            allow-peer = "carol"
            heartbeat-interval = 0.5
            config.greeting = "Hi = there"
            config.count = 3

            [agents."b.2"]
            component = "/opt/other.wasm"
            workspace-id = "4d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11"
            "#
        ))
        .unwrap();
        let [alice, bob] = file.agents.as_slice() else { panic!("{file:?}") };
        assert_eq!((alice.label.as_str(), alice.component.as_path()), ("alice", Path::new("etc/echo.wasm")));
        assert_eq!((bob.label.as_str(), bob.component.as_path()), ("b.2", Path::new("/opt/other.wasm")));
        let spec = alice.spec().unwrap();
        assert_eq!((spec.workspace_id, alice.workspace), (ID.parse().unwrap(), ID.parse().unwrap()));
        assert_eq!(spec.token.flag, Some("etc/secret/alice.token".into()));
        let secrets: Vec<_> = spec.secrets.iter().map(ToString::to_string).collect();
        assert_eq!(secrets, ["KEY=file:etc/secret/key", "OTHER=env:OTHER"]);
        assert_eq!(
            (spec.intervals.poll, spec.intervals.heartbeat),
            (Duration::from_secs(2), Duration::from_millis(500))
        );
        assert!(spec.grants.allow_peer("x", Some("carol")) && !spec.grants.allow_peer("x", Some("bob")));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(spec.config, [pair("tone", "dry"), pair("greeting", "Hi = there"), pair("count", "3")]);
        let spec = bob.spec().unwrap();
        assert!(spec.grants.allow_peer("x", Some("bob")));
        assert_eq!((spec.on_pause, spec.token.flag), (molecule_host::OnEnd::Exit, None));
    }

    #[test]
    fn what_is_wrong_is_named_by_file_line_and_what_to_do() {
        let alice = |more: &str| {
            format!(
                "[agents.alice]\ncomponent = 'a.wasm'\nplatform-url = 'http://p'\nworkspace-id = '{ID}'\n{more}"
            )
        };
        assert!(parse(&alice("")).is_ok());
        for (text, expected) in [
            ("".to_owned(), ":1: no agent is named; add a table [agents.NAME]"),
            ("[agents]\n".to_owned(), ":1: no agent is named; "),
            ("\n[agents.alice\n".to_owned(), ":2: "),
            ("[agent.alice]\n".to_owned(), ":1: unknown key agent; there are [defaults], and [agents.NAME]"),
            ("agents = 3".to_owned(), ":1: agents is no table; "),
            ("[agents]\nalice = 3".to_owned(), ":2: agents.alice is no table; write it as [agents.alice]"),
            ("[agents.'a b']\n".to_owned(), ":1: \"a b\" is no name for an agent; use"),
            (
                "\n[agents.alice]\n".to_owned(),
                ":2: [agents.alice] has no component; give it one, as in: component = ",
            ),
            ("[agents.alice]\ncomponent = 'a'\n".to_owned(), ":1: [agents.alice] has no platform-url; "),
            (
                alice("poll-intervall = 3"),
                ":5: unknown key poll-intervall in alice; did you mean poll-interval?",
            ),
            (alice("xyzzy = 3"), ":5: unknown key xyzzy in alice; the keys are component, and the flags"),
            (alice("state-dir = 'x'"), ":5: unknown key state-dir in alice; "),
            (alice("help = 'x'"), ":5: unknown key help in alice; "),
            (
                alice("\npoll-interval = 'soon'"),
                ":6: poll-interval: expected seconds from 0.1 to 3600, such as 5 or 0.5; correct it, or leave it out",
            ),
            (alice("heartbeat-interval = 90"), ":5: heartbeat-interval: expected seconds from 0.1 to 80"),
            (alice("concurrency = -1"), ":5: concurrency: -1 is not in 1..=1024; "),
            (alice("concurrency = [1, 2]"), ":5: concurrency: takes one value; "),
            (alice("allow-peer = [\n'bob',\n'']"), ":7: allow-peer: "),
            (alice("allow-peer = [['bob']]"), ":5: allow-peer: expected a text or a number; "),
            (alice("allow-peer = { bob = true }"), ":5: allow-peer: takes no table; "),
            (alice("on-pause = true"), ":5: on-pause: expected wait or exit; "),
            (
                alice("token-file = '-'"),
                ":5: token-file: standard input is one, and there may be many agents; ",
            ),
            (alice("agent-name = 1979-05-27"), ":5: agent-name: expected a text or a number; "),
            (alice("config = 'a'"), ":5: config: expected KEY=VALUE"),
            (alice(&alice("").replace("alice", "bob")), ":5: bob has the workspace of alice, "),
            (alice("component = 'b'"), ":5: duplicate key"),
            (alice("[defaults]\nworkspace-id = 7"), ":6: workspace-id: "),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(
                error.starts_with(&format!("etc/agents.toml{expected}")),
                "{expected} for\n{text}\n{error}"
            );
            assert!(!error.contains('\n') && error.contains("; "), "{error}");
        }
    }
}
