//! `agent.dev.toml`: what an author's agent needs in order to be tried.
//!
//! It lies in the folder of the agent's crate. Its keys are flags by another spelling, as in an agents.toml; those of the
//! command line go before them. One key is no flag: `beside`, a command that runs as long as the agent does, such as a
//! server that the agent talks with.
//!
//! Only `dev` reads it. It starts a command of the author's on this machine, which cargo does as well when it builds his
//! crate; an operator who runs a component has not asked for either.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use toml::Spanned;
use toml::de::DeValue;

use crate::cli::args::{
    BehaviourArgs, DevArgs, EgressArgs, GrantArgs, InstallArgs, PluginSettingArgs, PluginSourceArgs,
};
use crate::cli::escape::one_line;
use crate::cli::keys::{self, Flags, Page, Wrong};
use crate::cli::limits::LimitArgs;
use crate::cli::settings::UsageError;

/// Its name.
pub(super) const NAME: &str = "agent.dev.toml";
/// The key that is no flag.
const BESIDE: &str = "beside";
/// Stands for a port that is free, wherever it is written the same one.
const PORT: &str = "{port}";
const ADVICE: &str = "the keys are beside, and the flags of molecule-host dev for grants, network, behaviour, plugins and limits";
/// Characters of what is said of it.
const SHOWN: usize = 1000;

/// A file that has been read; its keys as flags, each of which makes sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DevFile {
    path: PathBuf,
    words: Vec<OsString>,
    beside: Vec<String>,
}

/// What it may say, by the flags for it.
#[derive(Debug, Parser)]
struct DevKeys {
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    egress: EgressArgs,
    #[command(flatten)]
    behaviour: BehaviourArgs,
    #[command(flatten)]
    plugins: PluginSettingArgs,
    #[command(flatten)]
    sources: PluginSourceArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

impl DevFile {
    /// The file of the agent at this path, where there is one.
    ///
    /// # Errors
    /// Where it cannot be read, and what is wrong in it: file, line and what to do.
    pub(super) fn of(agent: &Path) -> Result<Option<Self>, UsageError> {
        let path = agent.join(NAME);
        if !path.is_file() {
            return Ok(None);
        }
        let text = keys::read(&path, "give --no-dev-file to do without it")?;
        let text = with_port(text).map_err(|error| {
            UsageError(format!("there is no port for {PORT} in {}: {error}; write one there", path.display()))
        })?;
        Self::parse(Page { path: &path, text: &text }).map(Some).map_err(UsageError::from)
    }

    fn parse(page: Page<'_>) -> Result<Self, Wrong> {
        let flags = Flags::new(DevKeys::command(), &[], ADVICE);
        let (document, wrongs) = page.parse();
        if let Some(wrong) = wrongs.into_iter().next() {
            return Err(wrong);
        }
        let mut file = Self { path: page.path.to_owned(), words: Vec::new(), beside: Vec::new() };
        for (key, value) in document.get_ref() {
            if key.get_ref() == BESIDE {
                file.beside = command(page, value)?;
                continue;
            }
            let (words, wrongs) = flags.words(page, None, key, value);
            if let Some(wrong) = wrongs.into_iter().next() {
                return Err(wrong);
            }
            file.words.extend(words);
        }
        Ok(file)
    }

    /// Puts what it says behind what the flags say: of what may be repeated both, and single values where there is none.
    ///
    /// # Errors
    /// None that were not found when it was read.
    pub(super) fn put_into(&self, args: &mut DevArgs) -> Result<(), UsageError> {
        let mut file: DevKeys = keys::read_back(&self.words)?;
        let policy = args.grants.policy.take().or(file.grants.policy.take());
        args.grants = std::mem::take(&mut args.grants).or(file.grants);
        args.grants.policy = policy;
        args.egress = std::mem::take(&mut args.egress).or(file.egress);
        args.behaviour = std::mem::take(&mut args.behaviour).or(file.behaviour);
        args.plugins = std::mem::take(&mut args.plugins).or(file.plugins);
        args.sources = std::mem::take(&mut args.sources).or(file.sources);
        args.limits = std::mem::take(&mut args.limits).or(file.limits);
        Ok(())
    }

    /// The command that runs beside the agent, if there is one, and the folder that it runs in.
    pub(super) fn beside(&self) -> Option<(&[String], &Path)> {
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        (!self.beside.is_empty()).then_some((self.beside.as_slice(), folder.unwrap_or(Path::new("."))))
    }

    /// One line for whoever did not know of it.
    pub(super) fn says(&self) -> String {
        let flags = self.words.iter().map(shown).collect::<Vec<_>>().join(" ");
        let flags = if flags.is_empty() { "no flags".to_owned() } else { flags };
        let beside = match self.beside.is_empty() {
            true => String::new(),
            false => format!(", and runs beside the agent: {}", self.beside.join(" ")),
        };
        let line = format!("{} adds {flags}{beside} (--no-dev-file does without it)", self.path.display());
        one_line(&line, SHOWN)
    }
}

/// The text with a port in it that nobody listens at now, where it wants one.
fn with_port(text: String) -> std::io::Result<String> {
    if !text.contains(PORT) {
        return Ok(text);
    }
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    Ok(text.replace(PORT, &port.to_string()))
}

/// A flag as it may be logged: what may hold a password without its value.
fn shown(word: &OsString) -> String {
    let word = word.to_string_lossy();
    let whose = match word.strip_prefix("--config=") {
        Some(pair) => pair.find('=').map(|at| at + "--config=".len()),
        None if word.starts_with("--egress-proxy=") => word.find('='),
        None => None,
    };
    match whose.and_then(|end| word.get(..end)) {
        Some(key) => format!("{key}=…"),
        None => word.into_owned(),
    }
}

/// The words of a command.
fn command(page: Page<'_>, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Wrong> {
    let wrong = |at| {
        let advice = r#"write it as a list of its words: beside = ["python3", "server.py"]"#;
        page.wrong(at, "beside is no command", advice)
    };
    let DeValue::Array(words) = value.get_ref() else { return Err(wrong(value.span())) };
    let words = words.iter().map(|word| match word.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        _ => Err(wrong(word.span())),
    });
    let words = words.collect::<Result<Vec<_>, _>>()?;
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(wrong(value.span())),
    }
}

impl EgressArgs {
    /// What is said here, and else what is said there.
    fn or(self, other: Self) -> Self {
        Self {
            egress_root: self.egress_root.or(other.egress_root),
            egress_proxy: self.egress_proxy.or(other.egress_proxy),
        }
    }
}

impl PluginSourceArgs {
    /// What is said here, and else what is said there.
    fn or(self, other: Self) -> Self {
        Self {
            plugins_dir: self.plugins_dir.or(other.plugins_dir),
            github_base: self.github_base.or(other.github_base),
        }
    }
}

impl PluginSettingArgs {
    /// What is said here, and else what is said there; the plugins of both.
    fn or(mut self, other: Self) -> Self {
        self.plugin.extend(other.plugin);
        let (how, other) = (self.how, other.how);
        let how = InstallArgs {
            setup: how.setup.or(other.setup),
            setup_net: how.setup_net.or(other.setup_net),
            setup_timeout: how.setup_timeout.or(other.setup_timeout),
            allow_unverified: how.allow_unverified.or(other.allow_unverified),
            max_plugin_archive: how.max_plugin_archive.or(other.max_plugin_archive),
            max_plugin_files: how.max_plugin_files.or(other.max_plugin_files),
            max_plugin_entries: how.max_plugin_entries.or(other.max_plugin_entries),
        };
        Self { how, ..self }
    }
}

impl BehaviourArgs {
    /// What is said here, and else what is said there; of the configuration and of secrets both, but one of each name.
    fn or(self, other: Self) -> Self {
        let mut config = other.config;
        config.retain(|(key, _)| !self.config.iter().any(|(own, _)| own == key));
        config.extend(self.config);
        let mut secret = other.secret;
        secret.retain(|source| !self.secret.iter().any(|own| own.name() == source.name()));
        secret.extend(self.secret);
        Self {
            config,
            secret,
            heartbeat_interval: self.heartbeat_interval.or(other.heartbeat_interval),
            state_interval: self.state_interval.or(other.state_interval),
            poll_interval: self.poll_interval.or(other.poll_interval),
            public_url: self.public_url.or(other.public_url),
            direct_peer: if self.direct_peer.is_empty() { other.direct_peer } else { self.direct_peer },
            look_back: self.look_back.or(other.look_back),
            no_event_stream: self.no_event_stream || other.no_event_stream,
            delegation_keys: self.delegation_keys.or(other.delegation_keys),
            on_pause: self.on_pause.or(other.on_pause),
            on_revoked: self.on_revoked.or(other.on_revoked),
            shutdown_grace: self.shutdown_grace.or(other.shutdown_grace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DevFile, String> {
        let path = Path::new("agents/a/agent.dev.toml");
        DevFile::parse(Page { path, text }).map_err(|wrong| wrong.to_string())
    }

    fn args(line: &str) -> DevArgs {
        DevArgs::try_parse_from(["dev"].into_iter().chain(line.split_whitespace())).unwrap()
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, expected) in [
            ("colour = 1", "1:1: unknown key colour"),
            ("platform-url = \"http://a\"", "1:1: unknown key platform-url"),
            ("say = \"hello\"", "1:1: unknown key say"),
            ("\nallow-net = [\"ftp://x\"]", "2:14: allow-net: "),
            ("beside = \"cargo run\"", "1:10: beside is no command; write it as a list"),
            ("beside = []", "1:10: beside is no command"),
            ("beside = [\"\"]", "1:10: beside is no command"),
            ("beside = [\"sleep\", 1]", "1:20: beside is no command"),
            ("beside = [", "1:"),
        ] {
            let wrong = read(text).unwrap_err();
            assert!(wrong.starts_with(&format!("agents/a/agent.dev.toml:{expected}")), "{wrong}");
        }
    }

    /// The example that everybody tries first.
    #[test]
    fn that_of_the_assistant_grants_the_very_model_that_it_starts() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/assistant");
        let file = DevFile::of(&folder).unwrap().unwrap();
        let after = |word: &str| {
            let at = file.beside.iter().position(|it| it == word).unwrap();
            file.beside[at + 1].as_str()
        };
        assert!(folder.join(after("--manifest-path")).is_file(), "{:?}", file.beside);
        let mut args = args(".");
        file.put_into(&mut args).unwrap();
        let url = format!("http://{}/v1", after("--listen"));
        let said =
            |key: &str| args.behaviour.config.iter().find(|(it, _)| it == key).map(|(_, it)| it.as_str());
        assert_eq!((said("model-url"), said("model-key")), (Some(url.as_str()), Some("none")));
        let rules: Vec<_> = args.grants.allow_net.iter().map(ToString::to_string).collect();
        assert_eq!(rules, [format!("POST {url}/chat/completions")]);
    }

    #[test]
    fn a_port_is_free_and_the_same_wherever_it_is_written() {
        assert_eq!(with_port("a = 1".to_owned()).unwrap(), "a = 1");
        let text = with_port("{port} {port}".to_owned()).unwrap();
        let (one, other) = text.split_once(' ').unwrap();
        assert_eq!(one, other);
        assert!(one.parse::<u16>().unwrap() > 0);
    }

    #[test]
    fn flags_go_before_the_file_and_what_may_be_repeated_is_both() {
        let file = read(
            "allow-peer = [\"bob\"]\nmax-memory = \"64MiB\"\npoll-interval = 3\npolicy = \"its.toml\"\negress-root = \"ca.pem\"\n\
             secret = [\"KEY=env:A\", \"OTHER=file:b.key\"]\n[config]\nmodel = \"small\"\nkey = \"none\"\n",
        )
        .unwrap();
        let mut args =
            args(". --allow-peer eve --poll-interval 2 --config model=large --secret KEY=env:MINE");
        file.put_into(&mut args).unwrap();
        let peers: Vec<_> = args.grants.allow_peer.iter().map(ToString::to_string).collect();
        assert_eq!(peers, ["eve", "bob"]);
        assert_eq!(args.behaviour.poll_interval, Some(std::time::Duration::from_secs(2)));
        assert_eq!(args.limits.max_memory, Some(64 << 20));
        let config = [("key", "none"), ("model", "large")];
        let config = config.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(args.behaviour.config, config);
        let secrets: Vec<_> = args.behaviour.secret.iter().map(ToString::to_string).collect();
        // From the folder of the file.
        assert_eq!(secrets, ["OTHER=file:agents/a/b.key", "KEY=env:MINE"]);
        assert_eq!(args.grants.policy, Some("agents/a/its.toml".into()));
        assert_eq!(args.egress.egress_root, Some("agents/a/ca.pem".into()));
    }

    #[test]
    fn one_line_says_what_it_adds_and_no_value_that_may_be_secret() {
        let text = "beside = [\"cargo\", \"run\"]\nallow-peer = [\"bob\"]\negress-proxy = \"http://p:1\"\nconfig = { k = \"a=b\" }";
        let file = read(text).unwrap();
        assert_eq!(
            file.says(),
            "agents/a/agent.dev.toml adds --allow-peer=bob --egress-proxy=… --config=k=…, and runs beside the agent: cargo run (--no-dev-file does without it)"
        );
        assert_eq!(
            file.beside(),
            Some((["cargo".to_owned(), "run".to_owned()].as_slice(), Path::new("agents/a")))
        );
        let empty = read("").unwrap();
        assert!(empty.says().contains("adds no flags (") && empty.beside().is_none());
    }
}
