//! The pieces that an answer is streamed in.

use serde_json::{Value, json};

use crate::script::Move;

/// The events of an answer, without the one that says that it is done.
pub(crate) fn chunks(step: &Move, model: &str, number: usize) -> Vec<Value> {
    let chunk = |delta: Value, finish_reason: Option<&str>| {
        json!({
            "id": format!("chatcmpl-{number}"),
            "object": "chat.completion.chunk",
            "model": model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
        })
    };
    let mut chunks = vec![chunk(json!({ "role": "assistant", "content": "" }), None)];
    match step {
        Move::Say(text) => {
            chunks.extend(text.split_inclusive(' ').map(|word| chunk(json!({ "content": word }), None)));
            chunks.push(chunk(json!({}), Some("stop")));
        }
        Move::Call(name, arguments) => {
            let id = format!("call-{number}");
            let begin = json!({ "index": 0, "id": id, "type": "function", "function": { "name": name, "arguments": "" } });
            chunks.push(chunk(json!({ "tool_calls": [begin] }), None));
            // As the real ones do: a text in pieces that are no JSON by themselves.
            let arguments = arguments.to_string();
            chunks.extend(arguments.split_inclusive([' ', ':', ',']).map(|piece| {
                chunk(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": piece } }] }), None)
            }));
            chunks.push(chunk(json!({}), Some("tool_calls")));
        }
    }
    chunks
}
