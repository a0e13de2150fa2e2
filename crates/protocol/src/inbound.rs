//! What a row of the activity log is to the workspace that reads it: a message, an echo, or nothing.

use crate::a2a::{Message, Part};
use crate::activity::{A2A_RECEIVE, ActivityRow, CHAT_UPLOAD_RECEIVE, NOTIFY};
use crate::id::{PeerId, WorkspaceId};
use crate::json::Json;

/// What a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// A message for the agent.
    Message(Box<InboundMessage>),
    /// The platform's echo of a text that this workspace sent to its user, and that text.
    ///
    /// It is not a message: an agent that answered it would talk to itself. It proves that the text has landed.
    Echo(String),
    /// Nothing for the agent.
    Skip(Skip),
}

/// Why a row is nothing for the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// It is of another type than [`A2A_RECEIVE`].
    OtherType,
    /// The workspace itself wrote it.
    Own,
    /// It announces an uploaded file, which is fetched another way.
    Upload,
    /// It holds no message, or one without any part.
    Empty,
}

/// Who sent a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The user on the canvas, a schedule or a channel: whoever reads what the workspace notifies.
    User,
    /// Another workspace.
    Peer(PeerId),
    /// Somebody who cannot be answered: a peer that is not named, or whose name cannot stand in a URL. What the row
    /// said, for the log.
    Unknown(String),
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundMessage {
    /// The row it came in.
    pub row_id: String,
    /// Who sent it.
    pub sender: Sender,
    /// The JSON-RPC method, where the row names one.
    pub method: Option<String>,
    /// What it says; at least one part.
    pub message: Message,
}

impl InboundMessage {
    /// The text of all text parts, one below the other.
    pub fn text(&self) -> String {
        self.message.text()
    }

    /// True if it must not be answered automatically; see [`Message::is_reply`].
    pub fn is_reply(&self) -> bool {
        self.message.is_reply()
    }

    /// The delegation that it carries out, if it does.
    pub fn delegation_id(&self) -> Option<String> {
        self.message.metadata_text("delegation_id")
    }
}

impl ActivityRow {
    /// What this row is to the workspace `own`, whose log it stands in. Has an answer for every row.
    pub fn inbound(&self, own: &WorkspaceId) -> Inbound {
        // Servers written after the Python SDK have no types.
        if self.activity_type.as_deref().is_some_and(|it| it != A2A_RECEIVE) {
            return Inbound::Skip(Skip::OtherType);
        }
        // A notify row with a sender would be a real message.
        if self.method.as_deref() == Some(NOTIFY) && self.source_id.is_none() {
            return Inbound::Echo(self.echoed_text());
        }
        if self.method.as_deref() == Some(CHAT_UPLOAD_RECEIVE) {
            return Inbound::Skip(Skip::Upload);
        }
        let sender = self.sender();
        if self.is_of(own) {
            return Inbound::Skip(Skip::Own);
        }
        match self.message() {
            None => Inbound::Skip(Skip::Empty),
            Some(message) => Inbound::Message(Box::new(InboundMessage {
                row_id: self.id.clone(),
                sender,
                method: self.method.clone(),
                message,
            })),
        }
    }

    /// True if `own` caused it.
    pub fn is_of(&self, own: &WorkspaceId) -> bool {
        matches!(self.sender(), Sender::Peer(peer) if peer == *own)
    }

    /// The text that an echo repeats; empty where it was files only.
    fn echoed_text(&self) -> String {
        self.response_body.as_ref().and_then(|body| body.at(&["result"])?.as_text()).unwrap_or_default()
    }

    /// Who sent it. A word of the Python SDK's goes before the id; a row of the platform has none, and there an absent
    /// id is the user.
    fn sender(&self) -> Sender {
        let word =
            self.data.as_ref().and_then(|data| data.at(&["source"])?.as_text()).filter(|it| !it.is_empty());
        let word = word.or_else(|| self.source.clone());
        let nested = self.data.as_ref().and_then(|data| data.at(&["source_id"])?.as_text());
        let id = self.source_id.clone().or(nested).filter(|it| !it.is_empty());
        match (word.as_deref(), id) {
            (Some("canvas_user" | "user"), _) => Sender::User,
            (Some("peer_agent"), None) => Sender::Unknown(String::new()),
            (_, None) => Sender::User,
            (word, Some(id)) if id == "user" && word != Some("peer_agent") => Sender::User,
            (_, Some(id)) => id.parse().map_or(Sender::Unknown(id), Sender::Peer),
        }
    }

    /// The message, wherever the row has it; `None` if it has no part.
    fn message(&self) -> Option<Message> {
        let message = match &self.request_body {
            Some(body) => from_request(body),
            None => self.data.as_ref().and_then(from_data),
        };
        message.filter(|message| !message.parts.is_empty())
    }
}

/// The platform's row: JSON-RPC, whose parts may stand at three depths.
fn from_request(body: &Json) -> Option<Message> {
    [&["params", "message"][..], &["params"], &[]]
        .into_iter()
        .filter_map(|path| Message::read(&body.at(path)?))
        .find(|message| !message.parts.is_empty())
}

/// The row that the Python SDK expects: `text`, else `message`, each a text.
fn from_data(data: &Json) -> Option<Message> {
    let text = |name: &str| data.at(&[name])?.as_text().filter(|text| !text.is_empty());
    let mut message = Message::read(data)?;
    if let Some(text) = text("text").or_else(|| text("message")) {
        message.parts = vec![Part::text(text)];
    }
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::a2a::Content;

    const OWN: &str = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11";
    const PEER: &str = "7c1e2b9a-1111-4222-8333-444455556666";

    fn inbound(row: &str) -> Inbound {
        ActivityRow::read(&Json::from_text(row).unwrap()).unwrap().inbound(&OWN.parse().unwrap())
    }

    #[test]
    fn what_is_no_message_is_told_from_one() {
        for (row, expected) in [
            (r#"{"id":"r","activity_type":"delegation","request_body":{"parts":[{"kind":"text","text":"x"}]}}"#.into(), Inbound::Skip(Skip::OtherType)),
            (r#"{"id":"r","method":"notify","source_id":null,"response_body":{"result":"hi"}}"#.into(), Inbound::Echo("hi".into())),
            (r#"{"id":"r","method":"notify","response_body":{"result":"","parts":[]}}"#.into(), Inbound::Echo(String::new())),
            (r#"{"id":"r","method":"chat_upload_receive","request_body":{"uri":"platform-pending:w/f"}}"#.into(), Inbound::Skip(Skip::Upload)),
            (format!(r#"{{"id":"r","source_id":"{OWN}","request_body":{{"parts":[{{"text":"x"}}]}}}}"#), Inbound::Skip(Skip::Own)),
            (format!(r#"{{"id":"r","source_id":"{}","request_body":{{"parts":[{{"text":"x"}}]}}}}"#, OWN.to_uppercase()), Inbound::Skip(Skip::Own)),
            (r#"{"id":"r","activity_type":"a2a_receive"}"#.into(), Inbound::Skip(Skip::Empty)),
            (r#"{"id":"r","request_body":{"params":{"message":{"parts":[]}}}}"#.into(), Inbound::Skip(Skip::Empty)),
            (r#"{"id":"r","request_body":{"method":"tasks/get","params":{"id":"t"}}}"#.into(), Inbound::Skip(Skip::Empty)),
            (r#"{"id":"r","request_body":"text"}"#.into(), Inbound::Skip(Skip::Empty)),
        ] {
            assert_eq!(inbound(&row), expected, "{row}");
        }
    }

    #[test]
    fn a_message_is_found_at_every_depth_with_its_facts() {
        let parts = r#""parts":[{"type":"text","text":"a"},{"kind":"file","file":{"uri":"workspace:/f"}},{"kind":"text","text":"b"}]"#;
        for body in [
            format!(
                r#"{{"params":{{"message":{{"messageId":"m","metadata":{{"delegation_id":"d"}},{parts}}}}}}}"#
            ),
            format!(r#"{{"params":{{"messageId":"m","metadata":{{"delegation_id":"d"}},{parts}}}}}"#),
            format!(r#"{{"messageId":"m","metadata":{{"delegation_id":"d"}},{parts}}}"#),
        ] {
            let row =
                format!(r#"{{"id":"r","method":"message/send","source_id":"{PEER}","request_body":{body}}}"#);
            let Inbound::Message(message) = inbound(&row) else { panic!("{row}") };
            assert_eq!(message.sender, Sender::Peer(PEER.parse().unwrap()));
            assert_eq!(message.text(), "a\nb");
            assert_eq!(message.message.message_id.as_deref(), Some("m"));
            assert_eq!(message.delegation_id().as_deref(), Some("d"));
            assert!(!message.is_reply());
            let Content::File(file) = &message.message.parts[1].content else { panic!("a file") };
            assert_eq!(file.uri.as_deref(), Some("workspace:/f"));
        }
    }

    #[test]
    fn a_notify_row_with_a_sender_is_a_message() {
        let row = format!(
            r#"{{"id":"r","method":"notify","source_id":"{PEER}","request_body":{{"parts":[{{"text":"x"}}]}}}}"#
        );
        assert!(matches!(inbound(&row), Inbound::Message(_)));
    }

    #[test]
    fn a_sender_that_cannot_stand_in_a_url_cannot_be_answered() {
        for id in ["../../admin/x", "a b", "..", "a?y="] {
            let row =
                format!(r#"{{"id":"r","source_id":"{id}","request_body":{{"parts":[{{"text":"x"}}]}}}}"#);
            let Inbound::Message(message) = inbound(&row) else { panic!("{row}") };
            assert_eq!(message.sender, Sender::Unknown(id.into()));
        }
    }
}
