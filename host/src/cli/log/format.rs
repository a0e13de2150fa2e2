//! How one line looks.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::cli::escape::{escape, escape_json};

/// The field that says which message a line of the agent's belongs to: too long for people, who see the order.
const FOR_PROGRAMS: &str = "message_id";

/// Writes log lines.
///
/// For people: time, level, the agent whose words they are, the text, and what else was recorded as `name=value`. What
/// a terminal would obey is written out, and further lines of one text are set in, so that no agent can write a line
/// that looks like the host's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    shape: Shape,
    now: fn() -> Timestamp,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    /// With the time of day: somebody is looking on.
    Watched,
    /// With the date: a file, or a service manager.
    Kept,
    Json,
}

impl Lines {
    /// For people who look on at a terminal, or who will read a file.
    pub(super) fn human(terminal: bool) -> Self {
        Self { shape: if terminal { Shape::Watched } else { Shape::Kept }, now: Timestamp::now }
    }

    /// For programs.
    pub(super) fn json() -> Self {
        Self { shape: Shape::Json, now: Timestamp::now }
    }

    #[cfg(test)]
    fn at(self, now: fn() -> Timestamp) -> Self {
        Self { now, ..self }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let now = (self.now)();
        let metadata = event.metadata();
        match self.shape {
            Shape::Json => write_json(&mut writer, now, *metadata.level(), metadata.target(), said),
            Shape::Watched => {
                let time = format!("{now:.0}");
                // "2026-04-27T11:36:15Z"
                let time = time.get(11..19).unwrap_or(&time);
                write_human(&mut writer, time, *metadata.level(), &said)
            }
            Shape::Kept => write_human(&mut writer, &format!("{now:.0}"), *metadata.level(), &said),
        }
    }
}

fn write_human(writer: &mut Writer<'_>, time: &str, level: Level, said: &Said) -> fmt::Result {
    let colour = writer.has_ansi_escapes();
    let (dim, bold, off) = if colour { ("\x1b[2m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    write!(writer, "{dim}{time}{off} ")?;
    match colour {
        true => write!(writer, "{}{level:>5}{off} ", paint(level))?,
        false => write!(writer, "{level:>5} ")?,
    }
    if let Some(about) = &said.about {
        write!(writer, "{bold}[{}]{off} ", escape(about).replace('\n', " "))?;
    }
    if let Some(agent) = &said.agent {
        write!(writer, "{bold}{}{off}: ", escape(agent).replace('\n', " "))?;
    }
    let text = escape(&said.message);
    let mut lines = text.lines();
    writer.write_str(lines.next().unwrap_or_default())?;
    for (name, value) in said.fields.iter().filter(|(name, _)| name != FOR_PROGRAMS) {
        let value = match value {
            Value::String(text) => escape(text).replace('\n', "\\n"),
            other => other.to_string(),
        };
        write!(writer, " {dim}{name}={off}{value}")?;
    }
    for line in lines {
        write!(writer, "\n{:width$}{dim}|{off} {line}", "", width = time.len() + 7)?;
    }
    writer.write_char('\n')
}

fn paint(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[2m",
    }
}

fn write_json(
    writer: &mut Writer<'_>,
    now: Timestamp,
    level: Level,
    target: &str,
    said: Said,
) -> fmt::Result {
    let mut line = Map::new();
    line.insert("time".to_owned(), format!("{now:.3}").into());
    line.insert("level".to_owned(), level.as_str().to_lowercase().into());
    line.insert("target".to_owned(), target.into());
    if let Some(agent) = said.agent {
        line.insert("agent".to_owned(), agent.into());
    }
    if let Some(about) = said.about {
        line.insert("about".to_owned(), about.into());
    }
    line.insert("message".to_owned(), said.message.into());
    for (name, value) in said.fields {
        line.entry(name).or_insert(value);
    }
    let line = Value::Object(line).to_string();
    writeln!(writer, "{}", escape_json(&line))
}

/// What an event has recorded.
#[derive(Default)]
struct Said {
    message: String,
    agent: Option<String>,
    /// The agent that the host speaks of, where it has several.
    about: Option<String>,
    fields: Vec<(String, Value)>,
}

impl Said {
    fn take(&mut self, field: &Field, value: Value) {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        match field.name() {
            "message" => self.message = text(value),
            "agent" => self.agent = Some(text(value)),
            "about" => self.about = Some(text(value)),
            // What the `log` crate's records carry about their origin.
            name if name.starts_with("log.") => {}
            name => self.fields.push((name.to_owned(), value)),
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn written(lines: Lines, colour: bool, say: impl FnOnce()) -> String {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_ansi(colour)
            .with_writer(written.clone())
            .event_format(lines.at(|| "2026-04-27T11:36:15.123456Z".parse().unwrap()))
            .finish();
        tracing::subscriber::with_default(subscriber, say);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_for_people_is_short_and_aligned() {
        let say = || {
            tracing::info!("registered");
            tracing::warn!(agent = "echo", message_id = "m-1", count = 3, path = "/a b", "low on memory");
        };
        assert_eq!(
            written(Lines::human(true), false, say),
            "11:36:15  INFO registered\n11:36:15  WARN echo: low on memory count=3 path=/a b\n"
        );
        assert_eq!(
            written(Lines::human(true), false, || tracing::info!(about = "alice", "started")),
            "11:36:15  INFO [alice] started\n"
        );
        assert_eq!(
            written(Lines::human(false), false, || tracing::error!("x")),
            "2026-04-27T11:36:15Z ERROR x\n"
        );
    }

    #[test]
    fn colour_is_for_terminals() {
        let coloured = written(Lines::human(true), true, || tracing::error!("x"));
        assert_eq!(coloured, "\x1b[2m11:36:15\x1b[0m \x1b[31mERROR\x1b[0m x\n");
    }

    /// Take `escape` out of the format, or the setting-in of further lines, and this fails.
    #[test]
    fn an_agent_can_neither_speak_to_the_terminal_nor_pose_as_the_host() {
        let say = || {
            let name = "e\u{1b}[1mcho\nx";
            tracing::info!(agent = name, key = "a\u{7}\nb", "\u{1b}[2Jfirst\n11:36:15 ERROR token stolen\r");
        };
        assert_eq!(
            written(Lines::human(true), false, say),
            "11:36:15  INFO e\\u{1b}[1mcho x: \\u{1b}[2Jfirst key=a\\u{7}\\nb\n               | 11:36:15 ERROR token stolen\\r\n"
        );
        let json =
            written(Lines::json(), false, || tracing::info!(agent = "echo", "\u{9b}31m\u{7f}\u{202e}\n"));
        assert!(!json.trim_end().chars().any(|it| it.is_control() || it == '\u{202e}'), "{json}");
    }

    #[test]
    fn a_line_for_programs_is_one_object() {
        let line = written(Lines::json(), false, || {
            tracing::info!(target: "molecule_host::agent", agent = "echo", message_id = "m-1", count = 3, ok = true, "said\ntwice");
        });
        assert_eq!(line.lines().count(), 1);
        assert_eq!(
            serde_json::from_str::<Value>(&line).unwrap(),
            serde_json::json!({
                "time": "2026-04-27T11:36:15.123Z",
                "level": "info",
                "target": "molecule_host::agent",
                "agent": "echo",
                "message": "said\ntwice",
                "message_id": "m-1",
                "count": 3,
                "ok": true,
            })
        );
    }
}
