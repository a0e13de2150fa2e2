//! A message as it is kept, and as the agent gets it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use molecule_protocol::{Content, InboundMessage, Json, Message, Part, PeerId, Sender};
use molecule_runtime::wit::{self, FileSource, PartContent};
use molecule_store::state::Incoming;
use serde::{Deserialize, Serialize};

use super::letter::Receiver;

/// A message that came in, as the state keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Received {
    /// The row it came in.
    pub(super) row: String,
    /// The peer that sent it; none for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) peer: Option<PeerId>,
    /// Set where the sender is somebody who cannot be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stranger: Option<String>,
    /// What it says.
    pub(super) message: Message,
}

impl Received {
    pub(super) fn of(inbound: InboundMessage) -> Self {
        let (peer, stranger) = match inbound.sender {
            Sender::User => (None, None),
            Sender::Peer(peer) => (Some(peer), None),
            Sender::Unknown(said) => (None, Some(said)),
        };
        Self { row: inbound.row_id, peer, stranger, message: inbound.message }
    }

    pub(super) fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }

    /// To be kept.
    pub(super) fn to_incoming(&self) -> Incoming {
        Incoming {
            sender: self.from(),
            message_id: self.message.message_id.clone(),
            // Made of what was JSON already: it always serializes.
            body: serde_json::to_string(self).unwrap_or_default(),
        }
    }

    /// Its id: the sender's, or that of its row where the sender gave none.
    pub(super) fn id(&self) -> &str {
        self.message.message_id.as_deref().unwrap_or(&self.row)
    }

    /// Who sent it, in a word.
    pub(super) fn from(&self) -> String {
        match (&self.peer, &self.stranger) {
            (Some(peer), _) => peer.as_str().to_owned(),
            (None, Some(said)) => format!("unknown:{said}"),
            (None, None) => "user".to_owned(),
        }
    }

    /// Who gets the answer. Nobody does when it is an answer itself: two agents would thank each other for ever.
    pub(super) fn answer_to(&self) -> Option<Receiver> {
        if self.message.is_reply() || self.stranger.is_some() {
            return None;
        }
        Some(self.peer.clone().map_or(Receiver::User, Receiver::Peer))
    }

    /// Id of the message of ours that it answers, if it does.
    pub(super) fn in_reply_to(&self) -> Option<String> {
        self.message.metadata_text("in_reply_to")
    }

    /// As the agent gets it.
    pub(super) fn to_message(&self, peer_name: Option<String>, redelivered: u32) -> wit::Message {
        let sender = match (&self.peer, &self.stranger) {
            (Some(peer), _) => {
                wit::Sender::Peer(wit::PeerRef { id: peer.as_str().to_owned(), name: peer_name })
            }
            (None, Some(_)) => wit::Sender::Caller(wit::Caller { id: String::new(), name: None }),
            (None, None) => wit::Sender::User,
        };
        let unknown = || self.message.is_reply().then(|| "unknown".to_owned());
        wit::Message {
            id: self.id().to_owned(),
            // One conversation for the user and one for each peer, where the wire has none.
            context_id: self.message.context_id.clone().unwrap_or_else(|| self.from()),
            task_id: self.message.task_id.clone(),
            in_reply_to: self.in_reply_to().or_else(unknown),
            sender,
            parts: parts(&self.message.parts),
            metadata: self.message.metadata.as_ref().map(text_of),
            redelivered,
        }
    }
}

/// Parts off the wire, as an agent gets them.
pub(super) fn parts(parts: &[Part]) -> Vec<wit::Part> {
    parts
        .iter()
        .map(|part| {
            let content = match &part.content {
                Content::Text(text) => PartContent::Text(text.clone()),
                Content::Data(json) | Content::Unknown(json) => PartContent::Data(text_of(json)),
                Content::File(file) => {
                    let bytes = file.bytes.as_ref().and_then(|bytes| BASE64_STANDARD.decode(bytes).ok());
                    PartContent::File(wit::File {
                        name: file.name.clone(),
                        media_type: file.mime_type.clone(),
                        source: match bytes {
                            Some(bytes) => FileSource::Bytes(bytes),
                            None => FileSource::Uri(file.uri.clone().unwrap_or_default()),
                        },
                    })
                }
            };
            wit::Part { content, metadata: part.metadata.as_ref().map(text_of) }
        })
        .collect()
}

/// Parts of an agent, as they go over the wire.
pub(super) fn wire_parts(parts: &[wit::Part]) -> Vec<Part> {
    parts
        .iter()
        .map(|part| {
            let content = match &part.content {
                PartContent::Text(text) => Content::Text(text.replace('\0', "")),
                // What is not JSON goes as the text it is.
                PartContent::Data(json) => {
                    Json::from_text(json.as_str()).map_or_else(|_| Content::Text(json.clone()), Content::Data)
                }
                PartContent::File(file) => {
                    let mut wire = molecule_protocol::FileContent {
                        name: file.name.clone(),
                        mime_type: file.media_type.clone(),
                        ..molecule_protocol::FileContent::default()
                    };
                    match &file.source {
                        FileSource::Uri(uri) => wire.uri = Some(uri.clone()),
                        FileSource::Bytes(bytes) => wire.bytes = Some(BASE64_STANDARD.encode(bytes)),
                    }
                    Content::File(wire)
                }
            };
            let metadata = part.metadata.as_ref().and_then(|json| Json::from_text(json.as_str()).ok());
            Part { content, metadata }
        })
        .collect()
}

fn text_of(json: &Json) -> String {
    json.get().to_owned()
}

#[cfg(test)]
mod tests {
    use molecule_protocol::Role;

    use super::*;

    const PEER: &str = "7c1e2b9a-1111-4222-8333-444455556666";

    fn received(peer: Option<&str>, message: Message) -> Received {
        Received { row: "row".into(), peer: peer.map(|id| id.parse().unwrap()), stranger: None, message }
    }

    #[test]
    fn whoever_wrote_gets_the_answer_but_an_answer_gets_none() {
        let text = |role| Message::text_of(role, "m", "hi");
        let peer = Receiver::Peer(PEER.parse().unwrap());
        assert_eq!(received(None, text(Role::User)).answer_to(), Some(Receiver::User));
        assert_eq!(received(Some(PEER), text(Role::User)).answer_to(), Some(peer));
        assert_eq!(received(Some(PEER), text(Role::Agent)).answer_to(), None);
        let stranger = Received { stranger: Some("x".into()), ..received(None, text(Role::User)) };
        assert_eq!(stranger.answer_to(), None);
    }

    #[test]
    fn conversations_are_kept_apart_where_the_wire_has_none() {
        let message = Message::text_of(Role::User, "m", "hi");
        assert_eq!(received(None, message.clone()).to_message(None, 0).context_id, "user");
        assert_eq!(received(Some(PEER), message.clone()).to_message(None, 0).context_id, PEER);
        let message = Message { context_id: Some("c".into()), ..message };
        assert_eq!(received(Some(PEER), message).to_message(None, 2).redelivered, 2);
    }

    #[test]
    fn what_is_kept_is_what_came() {
        let wire = r#"{"role":"user","messageId":"m","parts":[{"kind":"text","text":"ä\u0000b"},
            {"kind":"file","file":{"name":"a.txt","bytes":"aGk="}},{"kind":"data","data":{"n":1.0}},{"kind":"hologram"}],
            "metadata":{"x":12345678901234567890123}}"#;
        let kept = received(None, serde_json::from_str(wire).unwrap());
        let again = Received::read(&kept.to_incoming().body).unwrap();
        assert_eq!(again, kept);
        let message = again.to_message(None, 0);
        assert_eq!(message.parts.len(), 4);
        assert!(matches!(&message.parts[1].content, PartContent::File(file)
            if file.source == FileSource::Bytes(b"hi".to_vec())));
        assert_eq!(message.metadata.as_deref(), Some(r#"{"x":12345678901234567890123}"#));
    }

    #[test]
    fn parts_go_out_as_they_came_in() {
        let came = r#"[{"kind":"text","text":"a","metadata":{"n":1}},{"kind":"data","data":[1.0]},{"kind":"file","file":{"uri":"workspace:/x","name":"x"}}]"#;
        let there: Vec<Part> = serde_json::from_str(came).unwrap();
        assert_eq!(wire_parts(&parts(&there)), there);
    }
}
