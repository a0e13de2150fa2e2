//! The JSON-RPC 2.0 envelope around A2A messages.

use serde::{Deserialize, Serialize};

use crate::a2a::Message;
use crate::json::{self, Json, Object};

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

    /// Reads a call.
    ///
    /// # Errors
    /// The answer to give: -32700 where the body is not JSON, -32600 where it is no call. A missing `jsonrpc` is
    /// forgiven; the platform forgives it too.
    pub fn read(body: &[u8]) -> Result<Self, RpcResponse> {
        let text = json::repair(body);
        let Ok(value) = Json::from_text(text.as_ref()) else {
            return Err(RpcResponse::error(None, RpcError::parse()));
        };
        let members: Object = value.as_object().unwrap_or_default();
        let id = members.get("id").filter(|id| !id.is_null()).cloned();
        let version =
            members.get("jsonrpc").filter(|it| !it.is_null()).map(|it| it.as_text().unwrap_or_default());
        let method = members.get("method").and_then(Json::as_text).filter(|it| !it.is_empty());
        match (version.as_deref(), method) {
            (None | Some("2.0"), Some(method)) => {
                Ok(Self { id, method, params: members.get("params").filter(|it| !it.is_null()).cloned() })
            }
            _ => Err(RpcResponse::error(id, RpcError::invalid_request())),
        }
    }

    /// The message in it, if there is one.
    pub fn message(&self) -> Option<Message> {
        Message::read(&self.params.as_ref()?.at(&["message"])?)
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

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcResponse {
    /// The id of the call; `None` is written as `null`.
    pub id: Option<Json>,
    /// What came of it.
    pub outcome: Result<Json, RpcError>,
}

impl RpcResponse {
    /// An answer that is a message. Everything that the user shall read belongs in its first text part.
    pub fn message(id: Option<Json>, message: &Message) -> Self {
        Self {
            id,
            outcome: Json::of(message).map_err(|_| RpcError::internal("the answer cannot be written")),
        }
    }

    /// An error. It goes out under HTTP status 200: the platform discards the body of anything else.
    pub fn error(id: Option<Json>, error: RpcError) -> Self {
        Self { id, outcome: Err(error) }
    }
}

impl Serialize for RpcResponse {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            jsonrpc: &'static str,
            id: &'a Option<Json>,
            #[serde(skip_serializing_if = "Option::is_none")]
            result: Option<&'a Json>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<&'a RpcError>,
        }
        let (result, error) = (self.outcome.as_ref().ok(), self.outcome.as_ref().err());
        Wire { jsonrpc: "2.0", id: &self.id, result, error }.serialize(serializer)
    }
}

/// What went wrong, in JSON-RPC's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct RpcError {
    /// Below -32000: JSON-RPC's own; -32000 to -32099: the server's.
    pub code: i64,
    /// One line for people.
    pub message: String,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Json>,
}

impl RpcError {
    /// An error of the agent: -32000.
    pub fn application(message: impl Into<String>) -> Self {
        Self { code: -32000, message: message.into(), data: None }
    }

    /// -32700: the body is not JSON.
    pub fn parse() -> Self {
        Self { code: -32700, message: "the body is not JSON".into(), data: None }
    }

    /// -32600: JSON, but no call.
    pub fn invalid_request() -> Self {
        Self { code: -32600, message: "not a JSON-RPC 2.0 request".into(), data: None }
    }

    /// -32601: no such method here.
    pub fn method_not_found(method: &str) -> Self {
        Self { code: -32601, message: format!("method {method:?} is not known here"), data: None }
    }

    /// -32602: the method is known, its parameters make no sense.
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self { code: -32602, message: message.into(), data: None }
    }

    /// -32603: a fault of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self { code: -32603, message: message.into(), data: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_no_call_gets_the_answer_json_rpc_wants() {
        for (body, answer) in [
            ("{", r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the body is not JSON"}}"#),
            (
                "[]",
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"not a JSON-RPC 2.0 request"}}"#,
            ),
            (
                r#"{"id":7,"jsonrpc":"1.0","method":"x"}"#,
                r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":"not a JSON-RPC 2.0 request"}}"#,
            ),
            (
                r#"{"id":"a","method":5}"#,
                r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32600,"message":"not a JSON-RPC 2.0 request"}}"#,
            ),
        ] {
            let response = RpcRequest::read(body.as_bytes()).unwrap_err();
            assert_eq!(serde_json::to_string(&response).unwrap(), answer, "{body}");
        }
    }

    #[test]
    fn a_message_survives_its_envelope() {
        let message = Message::text_of(crate::Role::User, "m1", "hello");
        let request = RpcRequest::message_send("c1", &message);
        let read = RpcRequest::read(serde_json::to_string(&request).unwrap().as_bytes()).unwrap();
        assert_eq!(read, request);
        assert_eq!(read.message().unwrap(), message);
    }
}
