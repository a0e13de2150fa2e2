//! What the agent says to somebody, as it is kept until it has arrived.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use molecule_gate::{Act, Effect, Permit};
use molecule_protocol::{Attachment, Json, Message, NotifyRequest, Part, PeerId, Role, a2a};
use molecule_runtime::wit::{self, PartContent};
use molecule_store::state::NewSend;
use serde::{Deserialize, Serialize};

use super::inbox::Received;
use crate::secrets::Redactor;

/// To whom a letter goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Receiver {
    /// The user on the canvas.
    User,
    /// Another workspace.
    Peer(PeerId),
}

/// [`NewSend::to`] for the user; a peer stands there by its id, which never is this word.
const USER: &str = "user";

impl Receiver {
    pub(super) fn read(to: &str) -> Option<Self> {
        if to == USER { Some(Self::User) } else { to.parse().ok().map(Self::Peer) }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::User => USER,
            Self::Peer(peer) => peer.as_str(),
        }
    }
}

/// A text with files, and what it belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Letter {
    text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<Attachment>,
    /// Id of the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delegation_id: Option<String>,
}

impl Letter {
    /// A line of the host's own to the sender of a message.
    pub(super) fn line(text: impl Into<String>, to: &Received) -> Self {
        Self { text: without_nul(text.into()), ..Self::default() }.answering(to)
    }

    /// What an agent says, put into one text: parts in order, data as JSON, files beside it. What a file holds as bytes
    /// goes along; for the user it must have been uploaded before (`files::attached`).
    pub(super) fn of(parts: &[wit::Part]) -> Self {
        let mut texts = Vec::new();
        let mut files = Vec::new();
        for part in parts {
            match &part.content {
                PartContent::Text(text) => texts.push(text.clone()),
                PartContent::Data(json) => texts.push(json.clone()),
                PartContent::File(file) => match &file.source {
                    wit::FileSource::Uri(uri) => files.push(Attachment {
                        uri: uri.clone(),
                        name: file.name.clone().unwrap_or_else(|| last_segment(uri).to_owned()),
                        mime_type: file.media_type.clone(),
                        size: None,
                    }),
                    wit::FileSource::Bytes(bytes) => files.push(Attachment {
                        uri: data_uri(bytes),
                        name: file.name.clone().unwrap_or_else(|| "unnamed".to_owned()),
                        mime_type: file.media_type.clone(),
                        size: u64::try_from(bytes.len()).ok(),
                    }),
                },
            }
        }
        if texts.is_empty() && !files.is_empty() {
            // The platform takes no message without a text.
            texts.push(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", "));
        }
        Self { text: without_nul(texts.join("\n")), files, ..Self::default() }
    }

    /// The same without the values of secrets. Nothing of an agent is kept or sent before this.
    pub(super) fn redacted(mut self, redactor: &Redactor) -> Self {
        self.text = redactor.redact_owned(self.text);
        for Attachment { uri, name, mime_type, .. } in &mut self.files {
            for text in [uri, name].into_iter().chain(mime_type) {
                *text = redactor.redact_owned(std::mem::take(text));
            }
        }
        self
    }

    /// The same, as the answer to a message.
    pub(super) fn answering(mut self, to: &Received) -> Self {
        self.in_reply_to = Some(to.id().to_owned());
        self.context_id = to.message.context_id.clone();
        self.delegation_id = to.message.metadata_text("delegation_id");
        self
    }

    /// Whether there is nothing in it to show.
    pub(super) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.files.iter().map(|file| file.uri.len() + file.name.len()).sum::<usize>()
    }

    /// To be kept until it has arrived.
    pub(super) fn into_send(self, id: String, to: &Receiver) -> NewSend {
        NewSend {
            id,
            to: to.as_str().to_owned(),
            digest: (*to == Receiver::User).then(|| digest(&self.text)),
            // A letter is texts all through: it always serializes.
            body: serde_json::to_string(&self).unwrap_or_default(),
        }
    }

    pub(super) fn read(send: &NewSend) -> Option<Self> {
        Self::parse(&send.body)
    }

    /// What was kept as [`NewSend::body`].
    pub(super) fn parse(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn into_notify(self) -> NotifyRequest {
        NotifyRequest { message: self.text, attachments: self.files }
    }

    /// As a message to a peer; the id is that of the send, so that a copy is recognised.
    pub(super) fn into_message(self, id: &str) -> Message {
        let mut metadata = serde_json::Map::new();
        for (name, value) in [("in_reply_to", self.in_reply_to), ("delegation_id", self.delegation_id)] {
            if let Some(value) = value {
                metadata.insert(name.to_owned(), value.into());
            }
        }
        let files = self.files.into_iter().map(|file| {
            let bytes = file.uri.strip_prefix(DATA_URI).map(str::to_owned);
            Part::file(a2a::FileContent {
                uri: Some(file.uri).filter(|_| bytes.is_none()),
                bytes,
                name: Some(file.name),
                mime_type: file.mime_type,
                ..a2a::FileContent::default()
            })
        });
        Message {
            role: Role::Agent,
            message_id: Some(id.to_owned()),
            parts: std::iter::once(Part::text(self.text)).chain(files).collect(),
            context_id: self.context_id,
            metadata: Json::of(&metadata).ok(),
            ..Message::default()
        }
    }
}

/// Answers a message: an act for the gate to judge.
pub(super) struct Answer {
    pub(super) letter: Letter,
    pub(super) to: Receiver,
}

impl Act for Answer {
    fn effect(&self) -> Effect<'_> {
        Effect::Answer { bytes: self.letter.bytes() }
    }
}

/// Keeps an answer that may be given.
pub(super) fn answer(permit: Permit<Answer>, id: String) -> NewSend {
    let Answer { letter, to } = permit.into_act();
    letter.into_send(id, &to)
}

/// How a URI begins that holds bytes itself (RFC 2397).
const DATA_URI: &str = "data:;base64,";

fn data_uri(bytes: &[u8]) -> String {
    format!("{DATA_URI}{}", BASE64_STANDARD.encode(bytes))
}

/// By which the platform's echo of a text is known.
pub(super) fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// The platform's database takes no U+0000.
fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "") } else { text }
}

fn last_segment(uri: &str) -> &str {
    uri.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(content: PartContent) -> wit::Part {
        wit::Part { content, metadata: None }
    }

    fn file(uri: &str, name: Option<&str>) -> wit::Part {
        part(PartContent::File(wit::File {
            name: name.map(str::to_owned),
            media_type: None,
            source: wit::FileSource::Uri(uri.to_owned()),
        }))
    }

    #[test]
    fn parts_are_put_into_one_text_and_files_beside_it() {
        let text = |text: &str| part(PartContent::Text(text.to_owned()));
        for (parts, expected) in [
            (vec![text("a"), text("b")], "a\nb"),
            (vec![text("nul\0s")], "nuls"),
            (vec![part(PartContent::Data("{\"n\":1.0}".into()))], "{\"n\":1.0}"),
            (vec![file("workspace:/x/report.pdf", None)], "report.pdf"),
            (vec![file("workspace:/x/report.pdf", None), text("read this")], "read this"),
        ] {
            assert_eq!(Letter::of(&parts).text, expected, "{parts:?}");
        }
    }

    #[test]
    fn bytes_go_to_a_peer_as_bytes() {
        let bytes = wit::File {
            name: Some("a.txt".into()),
            media_type: Some("text/plain".into()),
            source: wit::FileSource::Bytes(b"hi".to_vec()),
        };
        let message = Letter::of(&[part(PartContent::File(bytes))]).into_message("m");
        let a2a::Content::File(file) = &message.parts[1].content else { panic!("{message:?}") };
        assert_eq!((file.bytes.as_deref(), file.uri.as_deref()), (Some("aGk="), None));
        assert_eq!((file.name.as_deref(), file.mime_type.as_deref()), (Some("a.txt"), Some("text/plain")));
    }

    #[test]
    fn a_letter_survives_being_kept() {
        let letter = Letter::of(&[part(PartContent::Text("a".into())), file("https://x/y", Some("y"))]);
        let send = letter.clone().into_send("id".into(), &Receiver::User);
        assert_eq!(Letter::read(&send), Some(letter.clone()));
        assert_eq!(send.digest.as_deref(), Some(digest("a").as_str()));
        assert_eq!(Receiver::read(&send.to), Some(Receiver::User));
        let peer: PeerId = "7c1e2b9a-1111-4222-8333-444455556666".parse().unwrap();
        let send = letter.into_send("id".into(), &Receiver::Peer(peer.clone()));
        assert_eq!((send.digest, Receiver::read(&send.to)), (None, Some(Receiver::Peer(peer))));
    }

    #[test]
    fn nothing_of_a_letter_has_the_value_of_a_secret() {
        let redactor = Redactor::default();
        redactor.learn("KEY", "hunter22", false);
        let parts = [
            part(PartContent::Text("it is hunter22".into())),
            part(PartContent::Data(r#"{"key":"hunter22"}"#.into())),
            file("https://x/hunter22", Some("hunter22.txt")),
        ];
        let kept = Letter::of(&parts).redacted(&redactor).into_send("id".into(), &Receiver::User).body;
        assert!(kept.contains("[secret KEY].txt") && !kept.contains("hunter22"), "{kept}");
    }

    #[test]
    fn a_letter_to_a_peer_is_marked_as_a_reply() {
        let letter =
            Letter { in_reply_to: Some("m1".into()), ..Letter::of(&[part(PartContent::Text("a".into()))]) };
        let message = letter.into_message("s1");
        assert!(message.is_reply());
        assert_eq!(message.message_id.as_deref(), Some("s1"));
        assert_eq!(message.metadata_text("in_reply_to").as_deref(), Some("m1"));
    }
}
