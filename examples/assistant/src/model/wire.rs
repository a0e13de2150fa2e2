//! What is said on the wire. <https://platform.openai.com/docs/api-reference/chat>

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The body of a request.
#[derive(Debug, Serialize)]
pub struct Request<'a> {
    pub model: &'a str,
    pub messages: &'a [Said],
    #[serde(skip_serializing_if = "<[Tool]>::is_empty")]
    pub tools: &'a [Tool],
    pub stream: bool,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Said {
    System {
        content: String,
    },
    User {
        content: String,
    },
    Assistant {
        content: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    /// What came of a call.
    Tool {
        tool_call_id: String,
        content: String,
    },
}

/// Something that the model may have done.
#[derive(Clone, Debug, Serialize)]
pub struct Tool {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub function: Function,
}

/// The function of a tool.
#[derive(Clone, Debug, Serialize)]
pub struct Function {
    pub name: &'static str,
    pub description: &'static str,
    /// A JSON schema of its arguments.
    pub parameters: Value,
}

impl Tool {
    pub fn new(name: &'static str, description: &'static str, parameters: Value) -> Self {
        Self { kind: "function", function: Function { name, description, parameters } }
    }
}

/// Something that the model wants done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolCall {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub function: Call,
}

/// The function that it calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Call {
    pub name: String,
    /// A text that should be JSON, as the model wrote it.
    pub arguments: String,
}

impl ToolCall {
    pub fn new(id: String, function: Call) -> Self {
        Self { id, kind: "function", function }
    }
}

/// A piece of an answer.
#[derive(Debug, Deserialize)]
pub struct Chunk {
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// Instead of the answer, or in its midst.
    pub error: Option<ApiError>,
}

#[derive(Debug, Deserialize)]
pub struct Choice {
    #[serde(default)]
    pub delta: Delta,
    pub finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Delta {
    pub content: Option<String>,
    pub refusal: Option<String>,
    pub tool_calls: Option<Vec<CallDelta>>,
}

/// A piece of a call: the first has id and name, the others have more of the arguments.
#[derive(Debug, Deserialize)]
pub struct CallDelta {
    /// Which call it is a piece of; some servers leave it out.
    pub index: Option<usize>,
    pub id: Option<String>,
    #[serde(default)]
    pub function: FunctionDelta,
}

#[derive(Debug, Default, Deserialize)]
pub struct FunctionDelta {
    pub name: Option<String>,
    pub arguments: Option<String>,
}

/// The body of an answer whose status is no success.
#[derive(Debug, Deserialize)]
pub struct Failed {
    pub error: ApiError,
}

#[derive(Debug, Deserialize)]
pub struct ApiError {
    #[serde(default)]
    pub message: String,
}
