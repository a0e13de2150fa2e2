//! Messages in the A2A 0.3 shape, which is what the platform's proxy speaks.
//!
//! Written strictly (`kind` everywhere), read leniently: the platform's delegations say `type` where A2A says `kind`,
//! and the message of another client may lack nearly everything.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::{Json, Object};

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The caller: a user, or a workspace that asks.
    #[default]
    User,
    /// The callee: an answer. Answers are not answered automatically.
    Agent,
}

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Who speaks. Where the wire does not say: the caller.
    pub role: Role,
    /// The sender's id for it; copies of a message carry the same.
    pub message_id: Option<String>,
    /// What it says.
    pub parts: Vec<Part>,
    /// The conversation.
    pub context_id: Option<String>,
    /// The task that it continues.
    pub task_id: Option<String>,
    /// Anything else, as the sender wrote it.
    pub metadata: Option<Json>,
}

impl Message {
    /// A message of one text.
    pub fn text_of(role: Role, message_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { role, message_id: Some(message_id.into()), parts: vec![Part::text(text)], ..Self::default() }
    }

    /// Reads a message; `None` if the value is not an object. Members of a wrong type count as absent.
    pub fn read(value: &Json) -> Option<Self> {
        let members = value.as_object()?;
        let text = |name: &str| members.get(name).and_then(Json::as_text).filter(|text| !text.is_empty());
        Some(Self {
            role: match text("role").as_deref() {
                Some("agent" | "ROLE_AGENT") => Role::Agent,
                _ => Role::User,
            },
            message_id: text("messageId"),
            parts: members.get("parts").map(Part::read_list).unwrap_or_default(),
            context_id: text("contextId"),
            task_id: text("taskId"),
            metadata: members.get("metadata").filter(|value| !value.is_null()).cloned(),
        })
    }

    /// The text of all text parts, one below the other.
    pub fn text(&self) -> String {
        text(&self.parts)
    }

    /// A text in the metadata.
    pub fn metadata_text(&self, name: &str) -> Option<String> {
        self.metadata.as_ref()?.at(&[name])?.as_text()
    }

    /// The id of the message that this one answers, if it says so.
    pub fn in_reply_to(&self) -> Option<String> {
        self.metadata_text("in_reply_to")
    }

    /// True for an answer, which must not be answered automatically: otherwise two agents write to each other for ever.
    pub fn is_reply(&self) -> bool {
        self.role == Role::Agent || self.metadata.as_ref().is_some_and(|it| it.at(&["in_reply_to"]).is_some())
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire<'a> {
            kind: &'static str,
            role: Role,
            #[serde(skip_serializing_if = "Option::is_none")]
            message_id: &'a Option<String>,
            parts: &'a [Part],
            #[serde(skip_serializing_if = "Option::is_none")]
            context_id: &'a Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            task_id: &'a Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            metadata: &'a Option<Json>,
        }
        let Self { role, message_id, parts, context_id, task_id, metadata } = self;
        Wire { kind: "message", role: *role, message_id, parts, context_id, task_id, metadata }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&Json::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("a message is an object"))
    }
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it holds.
    pub content: Content,
    /// Anything else, as the sender wrote it. That of unknown content stays within it.
    pub metadata: Option<Json>,
}

/// What a part holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(String),
    /// A file, by URI or with its bytes.
    File(FileContent),
    /// JSON; may be `null`.
    Data(Json),
    /// A part of a kind unknown here, whole, as it came. It is written back the same way.
    Unknown(Json),
}

/// A file in a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FileContent {
    /// Where it is. Any scheme: `workspace:` and `platform-pending:` are the platform's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its bytes in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    /// Its name. Never a path to be trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its media type.
    #[serde(rename = "mimeType", skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Its length in bytes, as the sender says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl Part {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: Content::Text(text.into()), metadata: None }
    }

    /// A file.
    pub fn file(file: FileContent) -> Self {
        Self { content: Content::File(file), metadata: None }
    }

    /// JSON.
    pub fn data(data: Json) -> Self {
        Self { content: Content::Data(data), metadata: None }
    }

    /// Reads a part. What is no text, file or data is kept whole.
    pub fn read(value: &Json) -> Self {
        value
            .as_object()
            .and_then(Self::known)
            .unwrap_or_else(|| Self { content: Content::Unknown(value.clone()), metadata: None })
    }

    /// Reads a list of parts; anything but a list is an empty one.
    pub fn read_list(value: &Json) -> Vec<Self> {
        value.as_list().unwrap_or_default().iter().map(Self::read).collect()
    }

    fn known(members: Object) -> Option<Self> {
        let word = |name: &str| members.get(name).and_then(Json::as_text);
        // A2A 1.0 has no discriminator: the member that is there says it.
        let kind = word("kind").or_else(|| word("type")).or_else(|| {
            ["text", "file", "data"].into_iter().find(|name| members.contains_key(*name)).map(str::to_owned)
        })?;
        let content = match kind.as_str() {
            "text" => Content::Text(word("text")?),
            "file" => Content::File(FileContent::read(members.get("file")?)?),
            "data" => Content::Data(members.get("data")?.clone()),
            _ => return None,
        };
        Some(Self { content, metadata: members.get("metadata").filter(|value| !value.is_null()).cloned() })
    }
}

impl FileContent {
    fn read(value: &Json) -> Option<Self> {
        let members = value.as_object()?;
        let text = |name: &str| members.get(name).and_then(Json::as_text);
        Some(Self {
            uri: text("uri"),
            bytes: text("bytes"),
            name: text("name"),
            mime_type: text("mimeType"),
            size: members.get("size").and_then(|size| size.parse().ok()),
        })
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            kind: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            text: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            file: Option<&'a FileContent>,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a Json>,
            #[serde(skip_serializing_if = "Option::is_none")]
            metadata: Option<&'a Json>,
        }
        let metadata = self.metadata.as_ref();
        let wire = |kind| Wire { kind, text: None, file: None, data: None, metadata };
        match &self.content {
            Content::Text(text) => Wire { text: Some(text), ..wire("text") }.serialize(serializer),
            Content::File(file) => Wire { file: Some(file), ..wire("file") }.serialize(serializer),
            Content::Data(data) => Wire { data: Some(data), ..wire("data") }.serialize(serializer),
            Content::Unknown(whole) => whole.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(|value| Self::read(&value))
    }
}

/// The text of all text parts, one below the other.
pub fn text(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| match &part.content {
        Content::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_in_every_dialect_and_written_in_one() {
        for (came, written) in [
            (r#"{"kind":"text","text":"a"}"#, r#"{"kind":"text","text":"a"}"#),
            (r#"{"type":"text","text":"a"}"#, r#"{"kind":"text","text":"a"}"#),
            (r#"{"text":"a","metadata":{"n":1.0}}"#, r#"{"kind":"text","text":"a","metadata":{"n":1.0}}"#),
            (
                r#"{"kind":"file","file":{"uri":"workspace:/a","name":"a","mimeType":"text/plain","size":3,"x":1}}"#,
                r#"{"kind":"file","file":{"uri":"workspace:/a","name":"a","mimeType":"text/plain","size":3}}"#,
            ),
            (r#"{"kind":"data","data":null}"#, r#"{"kind":"data","data":null}"#),
            (
                r#"{"type":"data","data":{"n":12345678901234567890123}}"#,
                r#"{"kind":"data","data":{"n":12345678901234567890123}}"#,
            ),
            // Unknown or broken parts stay as they came.
            (r#"{"kind":"hologram","x":[1]}"#, r#"{"kind":"hologram","x":[1]}"#),
            (r#"{"kind":"text","text":5}"#, r#"{"kind":"text","text":5}"#),
            ("7", "7"),
        ] {
            let part: Part = serde_json::from_str(came).unwrap();
            assert_eq!(serde_json::to_string(&part).unwrap(), written, "{came}");
        }
    }

    #[test]
    fn a_message_lacking_nearly_everything_is_still_a_message() {
        let message =
            Message::read(&Json::from_text(r#"{"parts":[{"type":"text","text":"hi"}],"role":7}"#).unwrap());
        let message = message.unwrap();
        assert_eq!(
            (message.role, message.text().as_str(), message.message_id.as_deref()),
            (Role::User, "hi", None)
        );
        assert_eq!(Message::read(&Json::from_text("[]").unwrap()), None);
        assert!(Message::read(&Json::from_text("{}").unwrap()).unwrap().parts.is_empty());
    }

    #[test]
    fn replies_are_told_by_role_or_by_metadata() {
        for (came, reply) in [
            (r#"{"role":"agent"}"#, true),
            (r#"{"role":"ROLE_AGENT"}"#, true),
            (r#"{"role":"user","metadata":{"in_reply_to":"m1"}}"#, true),
            (r#"{"role":"user","metadata":{"in_reply_to":null}}"#, false),
            (r#"{"role":"user","metadata":{"other":1}}"#, false),
            ("{}", false),
        ] {
            let message: Message = serde_json::from_str(came).unwrap();
            assert_eq!(message.is_reply(), reply, "{came}");
        }
    }

    #[test]
    fn a_message_is_written_as_the_platform_wants_it() {
        let mut message = Message::text_of(Role::Agent, "m2", "done");
        message.metadata = Some(Json::from_text(r#"{"in_reply_to":"m1"}"#).unwrap());
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            r#"{"kind":"message","role":"agent","messageId":"m2","parts":[{"kind":"text","text":"done"}],"metadata":{"in_reply_to":"m1"}}"#
        );
    }
}
