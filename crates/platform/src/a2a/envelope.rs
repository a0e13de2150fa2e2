//! The body of a message, brought into one form.

use molecule_protocol::json::Object;
use molecule_protocol::{Json, Message};

use crate::error::ApiError;
use crate::log;

/// A JSON-RPC call, as it is forwarded and logged.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(crate) body: Json,
    pub(crate) method: Option<String>,
    pub(crate) message_id: Option<String>,
    message: Option<Message>,
}

impl Envelope {
    /// Reads a call. One without `jsonrpc` is wrapped, which keeps its method and parameters and nothing else; a message
    /// without an id gets one.
    pub(crate) fn read(body: &[u8]) -> Result<Self, ApiError> {
        let members: Result<Object, _> = serde_json::from_slice(body);
        let mut members = members
            .map_err(|error| ApiError::bad_request("invalid JSON").with("detail", error.to_string()))?;
        if !members.contains_key("jsonrpc") {
            let kept = |name: &str| (name.to_owned(), members.get(name).cloned().unwrap_or_else(Json::null));
            let id = ("id".to_owned(), new_id());
            members =
                Object::from([("jsonrpc".to_owned(), Json::from("2.0")), id, kept("method"), kept("params")]);
        }
        if let Some(params) = members.get("params").and_then(with_message_id) {
            members.insert("params".to_owned(), params);
        }
        let message =
            members.get("params").and_then(|it| it.at(&["message"])).and_then(|it| Message::read(&it));
        Ok(Self {
            body: Json::from(&members),
            method: members.get("method").and_then(Json::as_text),
            message_id: message.as_ref().and_then(|it| it.message_id.clone()),
            message,
        })
    }

    /// Microseconds that it may wait for a busy agent, where its sender says so in the metadata of the message, in
    /// `expires_in_seconds`. The name is ours: that the platform has such a member is known, what it is called is not.
    pub(crate) fn patience(&self) -> Option<i64> {
        let said = self.message.as_ref()?.metadata.as_ref()?.at(&["expires_in_seconds"])?;
        let seconds: u32 = said.get().parse().ok()?;
        (seconds > 0).then_some(i64::from(seconds) * 1_000_000)
    }

    /// One line for people.
    pub(crate) fn summary(&self) -> Option<String> {
        let text = self.message.as_ref()?.text();
        (!text.is_empty()).then(|| log::summary(&text))
    }
}

fn new_id() -> Json {
    Json::from(uuid::Uuid::new_v4().to_string().as_str())
}

/// The parameters with an id in their message; `None` if there is nothing to add.
fn with_message_id(params: &Json) -> Option<Json> {
    let mut params = params.as_object()?;
    let mut message = params.get("message")?.as_object()?;
    let has_one = message.get("messageId").and_then(Json::as_text).is_some_and(|id| !id.is_empty());
    if has_one {
        return None;
    }
    message.insert("messageId".to_owned(), new_id());
    params.insert("message".to_owned(), Json::from(&message));
    Some(Json::from(&params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_touched_and_what_is_missing_is_added() {
        let whole = r#"{"id":7,"jsonrpc":"2.0","method":"tasks/get","params":{"n":12345678901234567890123}}"#;
        assert_eq!(Envelope::read(whole.as_bytes()).unwrap().body.get(), whole);

        let bare = br#"{"method":"message/send","x":1,"params":{"message":{"parts":[{"kind":"text","text":"hi"}]}}}"#;
        let envelope = Envelope::read(bare).unwrap();
        let members = envelope.body.as_object().unwrap();
        assert_eq!(members.keys().collect::<Vec<_>>(), ["id", "jsonrpc", "method", "params"]);
        assert!(envelope.message_id.is_some());
        assert_eq!(envelope.summary().as_deref(), Some("hi"));

        let shorthand = Envelope::read(br#"{"parts":[]}"#).unwrap().body.as_object().unwrap();
        assert_eq!((shorthand["method"].get(), shorthand["params"].get()), ("null", "null"));
        for wrong in ["", "[]", "\"x\"", "{"] {
            assert!(Envelope::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
