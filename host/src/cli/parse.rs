//! From the words of a command line to a command: `molecule-host agent.wasm` needs no verb.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory, FromArgMatches};

use super::args::{
    self, BackupArgs, DevArgs, InboxArgs, LogsArgs, PluginArgs, PolicyArgs, PsArgs, RunArgs, TokenArgs,
    UpArgs,
};

/// What is to be done.
#[derive(Debug)]
pub(super) enum Command {
    /// Run an agent on a platform that is there.
    Run(Box<RunArgs>),
    /// Run one on a platform of its own.
    Dev(Box<DevArgs>),
    /// Run many.
    Up(UpArgs),
    /// Show what runs.
    Ps(PsArgs),
    /// Show what one of them says.
    Logs(LogsArgs),
    /// See to messages that were given up.
    Inbox(InboxArgs),
    /// Copy what is remembered.
    Backup(BackupArgs),
    /// See to the plugins of a workspace.
    Plugin(Box<PluginArgs>),
    Token(Box<TokenArgs>),
    /// Ask what a policy file gives.
    Policy(PolicyArgs),
}

/// Reads the words after the program's name.
///
/// The first word that is neither a flag nor a flag's value may be a verb; flags may stand before it. Where it is none,
/// the verb is `run`.
///
/// # Errors
/// A wrong command line, and what `--help` and `--version` show.
pub(super) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let verb = take_verb(&mut words);
    match verb {
        Verb::Run => read::<RunArgs>(verb, words).map(|it| Command::Run(Box::new(it))),
        Verb::Dev => read::<DevArgs>(verb, words).map(|it| Command::Dev(Box::new(it))),
        Verb::Up => read(verb, words).map(Command::Up),
        Verb::Ps => read(verb, words).map(Command::Ps),
        Verb::Logs => read(verb, words).map(Command::Logs),
        Verb::Inbox => read(verb, words).map(Command::Inbox),
        Verb::Backup => read(verb, words).map(Command::Backup),
        Verb::Plugin => read::<PluginArgs>(verb, words).map(|it| Command::Plugin(Box::new(it))),
        Verb::Token => read::<TokenArgs>(verb, words).map(|it| Command::Token(Box::new(it))),
        Verb::Policy => read(verb, words).map(Command::Policy),
    }
}

fn read<A: FromArgMatches>(verb: Verb, words: Vec<OsString>) -> Result<A, clap::Error> {
    let matches = verb.command().no_binary_name(true).try_get_matches_from(words)?;
    A::from_arg_matches(&matches)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Run,
    Dev,
    Up,
    Ps,
    Logs,
    Inbox,
    Backup,
    Plugin,
    Policy,
    Token,
}

impl Verb {
    const ALL: [Self; 10] = [
        Self::Run,
        Self::Dev,
        Self::Up,
        Self::Ps,
        Self::Logs,
        Self::Inbox,
        Self::Backup,
        Self::Plugin,
        Self::Policy,
        Self::Token,
    ];

    fn name(self) -> &'static str {
        self.title().strip_prefix("molecule-host ").unwrap_or("run")
    }

    fn command(self) -> clap::Command {
        let (name, command) = (self.title(), self.arguments());
        command.name(name).display_name(name).version(env!("CARGO_PKG_VERSION")).help_template(args::TEMPLATE)
    }

    fn title(self) -> &'static str {
        match self {
            Self::Run => "molecule-host",
            Self::Dev => "molecule-host dev",
            Self::Up => "molecule-host up",
            Self::Ps => "molecule-host ps",
            Self::Logs => "molecule-host logs",
            Self::Inbox => "molecule-host inbox",
            Self::Backup => "molecule-host backup",
            Self::Plugin => "molecule-host plugin",
            Self::Policy => "molecule-host policy",
            Self::Token => "molecule-host token",
        }
    }

    fn arguments(self) -> clap::Command {
        match self {
            Self::Run => args::run_command(),
            Self::Dev => DevArgs::command(),
            Self::Up => UpArgs::command(),
            Self::Ps => PsArgs::command(),
            Self::Logs => LogsArgs::command(),
            Self::Inbox => InboxArgs::command(),
            Self::Backup => BackupArgs::command(),
            Self::Plugin => PluginArgs::command(),
            Self::Policy => PolicyArgs::command(),
            Self::Token => TokenArgs::command(),
        }
    }
}

/// Takes the verb out of the words. `help VERB` becomes `VERB --help`, and no words at all `--help`.
fn take_verb(words: &mut Vec<OsString>) -> Verb {
    if words.is_empty() {
        words.push("--help".into());
    }
    let Some(position) = first_positional(words) else { return Verb::Run };
    let Some(word) = words.get(position).and_then(|word| word.to_str()) else { return Verb::Run };
    if word == "help" {
        words.remove(position);
        let verb = take_verb(words);
        words.push("--help".into());
        return verb;
    }
    let Some(verb) = Verb::ALL.into_iter().find(|verb| verb.name() == word) else { return Verb::Run };
    words.remove(position);
    verb
}

/// Where the first word is that is neither a flag nor a flag's value.
fn first_positional(words: &[OsString]) -> Option<usize> {
    let commands = Verb::ALL.map(Verb::command);
    let flags: Vec<&Arg> = commands.iter().flat_map(clap::Command::get_arguments).collect();
    let mut position = 0;
    while let Some(word) = words.get(position) {
        let word = word.to_string_lossy();
        let takes_next = match (word.strip_prefix("--"), word.strip_prefix('-')) {
            (Some(""), _) => return None,
            (Some(long), _) => flags.iter().any(|flag| flag.get_long() == Some(long) && takes_value(flag)),
            // `-p NAME`, but not `-pNAME`. A lone `-` is no flag.
            (None, Some(short)) if !short.is_empty() => {
                let last = short.chars().last();
                short.chars().count() == 1
                    && flags.iter().any(|flag| flag.get_short() == last && takes_value(flag))
            }
            (None, _) => return Some(position),
        };
        position += if takes_next { 2 } else { 1 };
    }
    None
}

fn takes_value(flag: &Arg) -> bool {
    flag.get_action().takes_values() && !flag.is_require_equals_set()
}

/// True for what is asked for and not an error: help and version.
pub(super) fn is_shown(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

/// What is wrong with a command line, on one line that ends in what to do.
pub(super) fn explain(error: &clap::Error) -> String {
    let what = match misread(error) {
        Some(misread) => misread,
        None => {
            let text = error.to_string();
            let what = text.lines().next().unwrap_or_default();
            what.trim_start_matches("error: ").trim_end_matches(':').to_owned()
        }
    };
    match suggestion(error) {
        Some(suggestion) => format!("{what}; did you mean '{suggestion}'?"),
        None => format!("{what}; molecule-host --help lists what there is"),
    }
}

/// What a value's parser says of it. The value is not repeated: it may be a secret, in the wrong place.
fn misread(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::ValueValidation {
        return None;
    }
    let reason = std::error::Error::source(error)?;
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(flag) => Some(format!("invalid value for '{flag}': {reason}")),
        _ => None,
    }
}

/// What may have been meant instead.
pub(super) fn suggestion(error: &clap::Error) -> Option<&str> {
    let kinds = [ContextKind::SuggestedArg, ContextKind::SuggestedValue, ContextKind::SuggestedSubcommand];
    kinds.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.as_str()),
        ContextValue::Strings(texts) => texts.first().map(String::as_str),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(Into::into).collect()
    }

    /// The command as `verb path`.
    fn read(line: &str) -> String {
        match parse(words(line)) {
            Ok(Command::Run(args)) => format!("run {}", args.component.unwrap_or_default().display()),
            Ok(Command::Dev(args)) => format!("dev {}", args.path.unwrap_or_default().display()),
            Ok(Command::Up(args)) => format!("up {}", args.file.unwrap_or_default().display()),
            Ok(Command::Ps(_)) => "ps".to_owned(),
            Ok(Command::Logs(args)) => format!("logs {}", args.agent.unwrap_or_default()),
            Ok(Command::Backup(args)) => format!("backup {}", args.file.unwrap_or_default().display()),
            Ok(Command::Token(args)) => format!("token {:?}", args.action),
            Ok(Command::Plugin(args)) => format!("plugin {:?} {:?}", args.action, args.what),
            Ok(Command::Policy(args)) => format!("policy {:?} {:?}", args.action, args.requests),
            Ok(Command::Inbox(args)) => format!("inbox {:?} {:?}", args.action, args.keys),
            Err(error) => format!("{:?}", error.kind()),
        }
    }

    #[test]
    fn all_commands_are_put_together_without_contradiction() {
        for verb in Verb::ALL {
            verb.command().debug_assert();
        }
    }

    /// Whether a flag takes a value has to be known before it is known which command it is for.
    #[test]
    fn a_flag_takes_a_value_in_all_commands_or_in_none() {
        let commands = Verb::ALL.map(Verb::command);
        let flags: Vec<&Arg> = commands.iter().flat_map(clap::Command::get_arguments).collect();
        for flag in flags.iter().filter(|it| it.get_long().is_some()) {
            let same = |other: &&&Arg| other.get_long() == flag.get_long();
            assert!(flags.iter().filter(same).all(|it| takes_value(it) == takes_value(flag)), "{flag:?}");
        }
    }

    #[test]
    fn the_verb_may_be_left_out_and_may_follow_flags() {
        for (line, expected) in [
            ("agent.wasm", "run agent.wasm"),
            ("run agent.wasm", "run agent.wasm"),
            ("-v run agent.wasm", "run agent.wasm"),
            ("--platform-url http://p run agent.wasm", "run agent.wasm"),
            ("--platform-url http://p agent.wasm -vv", "run agent.wasm"),
            ("--platform-url=http://p agent.wasm", "run agent.wasm"),
            ("agent.wasm --agent-name dev", "run agent.wasm"),
            ("--agent-name dev agent.wasm", "run agent.wasm"),
            ("./run", "run ./run"),
            ("run dev", "run dev"),
            ("-- dev", "run dev"),
            ("dev path", "dev path"),
            ("-q dev path --once", "dev path"),
            ("-p one dev path", "dev path"),
            ("dev run", "dev run"),
            ("dev ./dev --say run", "dev ./dev"),
            ("--token-file - agent.wasm", "run agent.wasm"),
            ("up agents.toml", "up agents.toml"),
            ("--state-dir up -v up agents.toml", "up agents.toml"),
            ("up ./up", "up ./up"),
            ("ps --json", "ps"),
            ("logs alice --no-follow", "logs alice"),
            ("backup copy.db --state-dir s", "backup copy.db"),
            ("inbox", "inbox None []"),
            ("inbox retry 7 8", "inbox Some(Retry) [7, 8]"),
            ("--workspace-id x inbox list", "ValueValidation"),
            ("inbox retry 7 --all", "ArgumentConflict"),
            ("inbox forget 7", "InvalidValue"),
            ("policy check p.toml", "policy Some(Check) []"),
            ("policy explain p.toml peer bob --json", "policy Some(Explain) [\"peer\", \"bob\"]"),
            ("--policy policy agent.wasm", "run agent.wasm"),
            ("policy forget p.toml", "InvalidValue"),
            ("help inbox", "DisplayHelp"),
            ("", "DisplayHelp"),
            ("--help", "DisplayHelp"),
            ("help", "DisplayHelp"),
            ("help dev", "DisplayHelp"),
            ("dev --help", "DisplayHelp"),
            ("agent.wasm -h", "DisplayHelp"),
            ("--version", "DisplayVersion"),
            ("dev -V", "DisplayVersion"),
            ("agent.wasm more", "UnknownArgument"),
            ("agent.wasm -q -v", "ArgumentConflict"),
            ("dev path --timeout 5", "MissingRequiredArgument"),
            ("dev path --platform-url http://p", "UnknownArgument"),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }

    #[test]
    fn help_is_that_of_the_verb() {
        let help = |line: &str| parse(words(line)).unwrap_err().to_string();
        assert!(help("help").starts_with("Runs an agent, a WebAssembly component"));
        assert!(help("help dev").contains("--once"));
        assert!(!help("--help").contains("--once "));
        for heading in [
            "Examples:",
            "Usage:",
            "Platform:",
            "Identity:",
            "Grants",
            "Behaviour:",
            "Limits",
            "Output:",
            "Exit codes:",
        ] {
            assert!(help("--help").contains(heading), "{heading}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_one_line_that_says_what_to_do() {
        for (line, expected) in [
            (
                "agent.wasm --platfrom-url http://p",
                "unexpected argument '--platfrom-url' found; did you mean '--platform-url'?",
            ),
            (
                "agent.wasm --bogus",
                "unexpected argument '--bogus' found; molecule-host --help lists what there is",
            ),
            (
                "agent.wasm --poll-interval soon",
                "invalid value for '--poll-interval <SECONDS>': expected seconds from 0.1 to 3600, such as 5 or \
                 0.5; molecule-host --help lists what there is",
            ),
            (
                "agent.wasm --on-pause=stop",
                "invalid value for '--on-pause <wait|exit>': expected wait or exit; molecule-host --help lists \
                 what there is",
            ),
        ] {
            assert_eq!(explain(&parse(words(line)).unwrap_err()), expected);
        }
        for line in [
            "agent.wasm --log-format yaml",
            "agent.wasm --concurrency 0",
            "agent.wasm --max-memory 5bananas",
            "agent.wasm --callback-cpu 0s",
            "dev x --timeout 1",
            "a b",
            "a -q -v",
        ] {
            let line = explain(&parse(words(line)).unwrap_err());
            assert!(!line.contains('\n') && line.contains("; "), "{line}");
        }
    }

    /// The page and the help tell the same story; a flag or a variable that is missing on either side fails this.
    #[test]
    fn the_documentation_has_every_flag_and_every_variable() {
        const PAGE: &str = include_str!("../../../docs/command-line.md");
        let commands = Verb::ALL.map(Verb::command);
        let flags = commands.iter().flat_map(clap::Command::get_arguments).filter_map(Arg::get_long);
        let flags: BTreeSet<String> =
            flags.filter(|it| !["help", "version"].contains(it)).map(|it| format!("--{it}")).collect();
        let help = parse(words("--help")).unwrap_err().to_string();
        let of = |text: &str, prefix: &str| -> BTreeSet<String> {
            let inside = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
            let words = text.split(|it| !inside(it)).filter(|it| it.starts_with(prefix));
            words.map(|it| it.trim_end_matches('-').to_owned()).filter(|it| it.len() > prefix.len()).collect()
        };
        assert_eq!(of(PAGE, "--"), flags);
        assert_eq!(of(PAGE, "MOLECULE_"), of(&help, "MOLECULE_"));
    }
}
