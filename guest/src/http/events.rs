//! Server-sent events. <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>

use super::Response;
use crate::Error;

/// The longest event, in bytes: what has no end must not fill the agent's memory.
const MAX_EVENT: usize = 16 * 1024 * 1024;

/// Events that a server sends, one by one as they come.
///
/// ```
/// use molecule_guest::{Error, http};
///
/// async fn listen(response: http::Response) -> Result<(), Error> {
///     let mut events = response.events();
///     while let Some(event) = events.next().await? {
///         println!("{}: {}", event.name, event.data);
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Events {
    response: Response,
    parser: Parser,
}

/// One event of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerEvent {
    /// What kind it is; `message` where the server does not say.
    pub name: String,
    /// Its data, of several lines where it has several.
    pub data: String,
    /// The id that the server gave last, to go on from with the header `Last-Event-ID`.
    pub id: String,
}

impl Events {
    pub(super) fn new(response: Response) -> Self {
        Self { response, parser: Parser::default() }
    }

    /// The next event; none when the server has no more. One that breaks off halfway is dropped, as browsers do.
    ///
    /// # Errors
    ///
    /// As [`Response::chunk`], and [`Error::TooLarge`] where an event does not end within 16 MiB.
    pub async fn next(&mut self) -> Result<Option<ServerEvent>, Error> {
        loop {
            if let Some(event) = self.parser.next() {
                return Ok(Some(event));
            }
            if self.parser.held() > MAX_EVENT {
                return Err(Error::TooLarge(format!("a server-sent event is longer than {MAX_EVENT} bytes")));
            }
            match self.response.chunk().await? {
                Some(chunk) => self.parser.feed(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// Makes events of bytes, however they are cut.
#[derive(Debug, Default)]
struct Parser {
    /// Bytes that have come; those before `read` are done with.
    bytes: Vec<u8>,
    read: usize,
    /// Bytes behind `read` in which there is no end of a line.
    scanned: usize,
    begun: bool,
    name: String,
    data: String,
    id: String,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend(bytes);
    }

    /// Bytes that wait for the end of their event.
    fn held(&self) -> usize {
        self.bytes.len() - self.read + self.data.len()
    }

    fn next(&mut self) -> Option<ServerEvent> {
        while let Some(line) = self.line() {
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Some(event);
                }
            } else {
                self.field(&line);
            }
        }
        None
    }

    /// The next whole line: it ends in LF, CR, or both.
    fn line(&mut self) -> Option<String> {
        let rest = self.bytes.get(self.read..)?;
        let Some(end) = rest.iter().skip(self.scanned).position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.scanned = rest.len();
            return None;
        };
        let end = self.scanned + end;
        let after = match (rest.get(end), rest.get(end + 1)) {
            (Some(b'\r'), Some(b'\n')) => end + 2,
            // Whether a line feed belongs to it, only the next byte tells.
            (Some(b'\r'), None) => {
                self.scanned = end;
                return None;
            }
            _ => end + 1,
        };
        let mut line = String::from_utf8_lossy(rest.get(..end)?).into_owned();
        self.read += after;
        self.scanned = 0;
        if !std::mem::replace(&mut self.begun, true)
            && let Some(without) = line.strip_prefix('\u{feff}')
        {
            line = without.to_owned();
        }
        Some(line)
    }

    fn field(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            // A comment, a time to wait before connecting again, or something that nobody knows.
            _ => {}
        }
    }

    /// What the fields since the last blank line make; nothing without data.
    fn dispatch(&mut self) -> Option<ServerEvent> {
        let (mut name, mut data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
        // The line feed behind the last line is not part of it.
        data.pop()?;
        if name.is_empty() {
            "message".clone_into(&mut name);
        }
        Some(ServerEvent { name, data, id: self.id.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(stream: &str, size: usize) -> Vec<(String, String, String)> {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for bytes in stream.as_bytes().chunks(size) {
            parser.feed(bytes);
            while let Some(event) = parser.next() {
                events.push((event.name, event.data, event.id));
            }
        }
        events
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        for (stream, expected) in [
            ("data: a\n\n", vec![("message", "a", "")]),
            (
                "data:a\r\n\r\ndata: b\r\rdata:  c\n\n",
                vec![("message", "a", ""), ("message", "b", ""), ("message", " c", "")],
            ),
            ("event: done\ndata: 1\ndata: 2\ndata\n\n", vec![("done", "1\n2\n", "")]),
            (
                ": a comment\n\nid: 7\ndata: x\n\ndata: y\n\n",
                vec![("message", "x", "7"), ("message", "y", "7")],
            ),
            ("event: nothing\n\nretry: 5\nunknown: z\ndata\n\n", vec![("message", "", "")]),
            ("\u{feff}data: bom\n\n", vec![("message", "bom", "")]),
            ("data: never ended\n", vec![]),
            ("data: ü€\u{1f600}\n\n", vec![("message", "ü€\u{1f600}", "")]),
            ("id: a\0b\ndata: x\n\n", vec![("message", "x", "")]),
        ] {
            for size in [1, 2, 3, 7, 1000] {
                // A carriage return is not known to be the end before the byte after it has come.
                let stream = format!("{stream}: \n");
                let events = parsed(&stream, size);
                let events: Vec<_> =
                    events.iter().map(|(n, d, i)| (n.as_str(), d.as_str(), i.as_str())).collect();
                assert_eq!(events, expected, "{stream:?} in pieces of {size}");
            }
        }
    }
}
