//! What one can say to the agent.

/// One sentence about what one can say.
pub const USAGE: &str = "You can say: peers, find <peer>, ask <peer> <text>, history [peer], plugins, install <plugin> [source], skill <plugin> \
     <skill>, task <text>, status, help.";

/// What somebody said.
#[derive(Debug, PartialEq)]
pub enum Command<'t> {
    Help,
    Peers,
    Find(&'t str),
    /// What was said with a peer, or with the user.
    History(Option<&'t str>),
    Ask {
        peer: &'t str,
        text: &'t str,
    },
    Plugins,
    Install {
        plugin: &'t str,
        source: Option<&'t str>,
    },
    Skill {
        plugin: &'t str,
        skill: &'t str,
    },
    Task(Option<&'t str>),
    Status,
    /// Half of a command, and how to say all of it.
    Incomplete(&'static str),
}

impl<'t> Command<'t> {
    /// Understands a text. Whatever is no command is a greeting, and gets help.
    pub fn parse(text: &'t str) -> Self {
        let (word, rest) = split(text);
        match word.to_lowercase().as_str() {
            "peers" => Self::Peers,
            "find" if rest.is_empty() => Self::Incomplete("find <peer>"),
            "find" => Self::Find(rest),
            "history" => Self::History((!rest.is_empty()).then_some(rest)),
            "ask" => match split(rest) {
                (_, "") => Self::Incomplete("ask <peer> <text>"),
                (peer, text) => Self::Ask { peer, text },
            },
            "plugins" => Self::Plugins,
            "install" => match split(rest) {
                ("", _) => Self::Incomplete("install <plugin> [source]"),
                (plugin, source) => Self::Install { plugin, source: (!source.is_empty()).then_some(source) },
            },
            "skill" => match split(rest) {
                (_, "") => Self::Incomplete("skill <plugin> <skill>"),
                (plugin, skill) => Self::Skill { plugin, skill },
            },
            "task" => Self::Task((!rest.is_empty()).then_some(rest)),
            "status" => Self::Status,
            _ => Self::Help,
        }
    }
}

/// The first word, and the rest without the blanks around it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_apart_by_their_first_word() {
        let cases = [
            ("", Command::Help),
            ("hello", Command::Help),
            ("Help", Command::Help),
            ("peers", Command::Peers),
            (" PEERS \n", Command::Peers),
            ("find bob", Command::Find("bob")),
            ("find", Command::Incomplete("find <peer>")),
            ("history", Command::History(None)),
            ("history bob", Command::History(Some("bob"))),
            ("ask bob how are you?", Command::Ask { peer: "bob", text: "how are you?" }),
            ("ask bob\tline one\nline two", Command::Ask { peer: "bob", text: "line one\nline two" }),
            ("ask bob", Command::Incomplete("ask <peer> <text>")),
            ("ask", Command::Incomplete("ask <peer> <text>")),
            ("asking", Command::Help),
            ("plugins", Command::Plugins),
            ("install dev", Command::Install { plugin: "dev", source: None }),
            (
                "install dev github://a/dev#v1",
                Command::Install { plugin: "dev", source: Some("github://a/dev#v1") },
            ),
            ("install", Command::Incomplete("install <plugin> [source]")),
            ("skill dev greet", Command::Skill { plugin: "dev", skill: "greet" }),
            ("skill dev", Command::Incomplete("skill <plugin> <skill>")),
            ("task write a book", Command::Task(Some("write a book"))),
            ("task", Command::Task(None)),
            ("status", Command::Status),
        ];
        for (text, command) in cases {
            assert_eq!(Command::parse(text), command, "{text:?}");
        }
    }
}
