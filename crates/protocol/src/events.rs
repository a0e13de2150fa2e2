//! `GET /workspaces/:own/events/stream`: server-sent events, as far as they say that it is time to look.

use crate::activity::A2A_RECEIVE;
use crate::json::Json;

/// A row was written into the log.
const ACTIVITY_LOGGED: &str = "ACTIVITY_LOGGED";
/// The longest frame that is read. What is longer says nothing that a host needs.
const MAX_FRAME: usize = 256 * 1024;

/// Takes a stream of `text/event-stream` apart, piece by piece.
#[derive(Debug, Default)]
pub struct Frames {
    line: Vec<u8>,
    data: String,
    /// The frame at hand is too long: nothing of it counts.
    overlong: bool,
}

impl Frames {
    /// Takes in a piece; returns the data of the frames that end in it.
    pub fn push(&mut self, piece: &[u8]) -> Vec<String> {
        let mut frames = Vec::new();
        for &byte in piece {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    frames.extend(self.line_ended(&String::from_utf8_lossy(&line)));
                }
                _ if self.line.len() + self.data.len() >= MAX_FRAME => self.overlong = true,
                byte => self.line.push(byte),
            }
        }
        frames
    }

    fn line_ended(&mut self, line: &str) -> Option<String> {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            let whole = !std::mem::take(&mut self.overlong);
            return (whole && !data.is_empty()).then_some(data);
        }
        if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
        None
    }
}

/// Whether a frame says that there may be a message in the log. Its own words are not taken for it: only the log is.
pub fn is_reason_to_look(data: &str) -> bool {
    let Ok(frame) = Json::from_text(data) else { return false };
    let word = |path: &[&str]| frame.at(path).and_then(|it| it.as_text());
    let kind = word(&["type"]).or_else(|| word(&["event"]));
    if kind.as_deref() != Some(ACTIVITY_LOGGED) {
        return false;
    }
    let rows = [
        &["data", "activity_type"][..],
        &["data", "type"],
        &["payload", "activity_type"],
        &["payload", "type"],
    ];
    // Where it does not say which row, it may be one.
    rows.into_iter().find_map(word).is_none_or(|row| row == A2A_RECEIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_however_they_are_cut_into_pieces() {
        let stream =
            ": ping\n\ndata: {\"a\":1}\n\nevent: x\r\ndata:{\"b\":\r\ndata: 2}\r\n\r\nid: 7\n\ndata: half";
        let whole = Frames::default().push(stream.as_bytes());
        assert_eq!(whole, ["{\"a\":1}", "{\"b\":\n2}"]);
        for size in 1..stream.len() {
            let mut frames = Frames::default();
            let read: Vec<String> =
                stream.as_bytes().chunks(size).flat_map(|piece| frames.push(piece)).collect();
            assert_eq!(read, whole, "in pieces of {size}");
        }
    }

    #[test]
    fn a_frame_without_end_takes_no_memory_without_end() {
        let mut frames = Frames::default();
        for _ in 0..100 {
            assert!(frames.push(&[b'x'; 64 * 1024]).is_empty());
        }
        assert!(frames.line.len() <= MAX_FRAME);
        assert_eq!(frames.push(b"\n\ndata: y\n\n"), ["y"]);
    }

    #[test]
    fn only_a_row_that_may_be_a_message_is_a_reason_to_look() {
        for (frame, expected) in [
            (r#"{"type":"ACTIVITY_LOGGED","timestamp":1,"data":{"activity_type":"a2a_receive"}}"#, true),
            (r#"{"type":"ACTIVITY_LOGGED","data":{"type":"a2a_receive"}}"#, true),
            (r#"{"type":"ACTIVITY_LOGGED","data":{}}"#, true),
            (r#"{"type":"ACTIVITY_LOGGED","data":{"activity_type":"agent_log"}}"#, false),
            (r#"{"type":"WORKSPACE_HEARTBEAT","data":{"activity_type":"a2a_receive"}}"#, false),
            ("not json", false),
            ("[]", false),
        ] {
            assert_eq!(is_reason_to_look(frame), expected, "{frame}");
        }
    }
}
