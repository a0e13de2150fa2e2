//! The JSON-RPC 2.0 envelope around A2A messages.

use serde::Serialize;

use crate::a2a::Message;
use crate::json::Json;

/// The method that carries a message.
pub const MESSAGE_SEND: &str = "message/send";

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcRequest {
    /// The caller's id for the call; `None` where it wants no answer.
    pub id: Option<Json>,
    /// What is called.
    pub method: String,
    /// With what.
    pub params: Option<Json>,
}

impl RpcRequest {
    /// A `message/send` under a call id.
    pub fn message_send(id: &str, message: &Message) -> Self {
        #[derive(Serialize)]
        struct Params<'a> {
            message: &'a Message,
        }
        Self {
            id: Some(Json::from(id)),
            method: MESSAGE_SEND.to_owned(),
            params: Json::of(&Params { message }).ok(),
        }
    }
}

impl Serialize for RpcRequest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            jsonrpc: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            id: &'a Option<Json>,
            method: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            params: &'a Option<Json>,
        }
        Wire { jsonrpc: "2.0", id: &self.id, method: &self.method, params: &self.params }
            .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_sent_as_a_call() {
        let message = Message::text_of(crate::Role::User, "m1", "hello");
        let call = serde_json::to_string(&RpcRequest::message_send("c1", &message)).unwrap();
        let params = serde_json::to_string(&message).unwrap();
        let written = format!(
            r#"{{"jsonrpc":"2.0","id":"c1","method":"message/send","params":{{"message":{params}}}}}"#
        );
        assert_eq!(call, written);
    }
}
