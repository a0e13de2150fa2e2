//! An answer by a model, which calls the tools that it needs for it.

use std::time::Duration;

use molecule_guest::{Context, Error, Outcome, Result, log};
use serde::Deserialize;
use serde_json::json;

use crate::Assistant;
use crate::conversation::{Speaker, cut};
use crate::model::Model;
use crate::model::wire::{Said, Tool, ToolCall};
use crate::wish::Wish;

/// Times that the model is asked for one answer.
pub const ROUNDS: usize = 8;
/// Bytes of what came of a tool.
const RESULT: usize = 8 * 1024;

impl Assistant {
    /// Answers by means of a model. Whether that is an answer, or says why there is none, is told beside it.
    pub async fn think(&self, model: &Model, conversation: &str, text: &str) -> Result<(Outcome, bool)> {
        // The platform shows it to whoever may look: not what about.
        let _task = self.work.begin("thinking".to_owned())?;
        let mut said = self.so_far(model, conversation);
        said.push(Said::User { content: text.to_owned() });
        let tools = tools();
        for round in 1..=ROUNDS {
            let answer = match model.ask(&said, &tools).await {
                Ok(answer) => answer,
                Err(trouble) => {
                    log::warn!(round = round, "the model does not answer: {trouble:?}");
                    return Ok((trouble.into_outcome(model)?, false));
                }
            };
            if answer.calls.is_empty() {
                return Ok(match answer.text.trim() {
                    "" => (Outcome::failed("My model had nothing to say."), false),
                    text => (text.into(), true),
                });
            }
            log::info!(round = round, calls = answer.calls.len(), "the model wants something done");
            said.push(Said::Assistant { content: answer.text, tool_calls: answer.calls.clone() });
            for call in answer.calls {
                let content = self.call(&call, conversation).await?;
                said.push(Said::Tool { tool_call_id: call.id, content });
            }
        }
        Ok((Outcome::failed(format!("I asked my model {ROUNDS} times and it came to no end.")), false))
    }

    /// What the model is told, and what has been said before.
    fn so_far(&self, model: &Model, conversation: &str) -> Vec<Said> {
        let instructions = self.instructions.borrow();
        let content = match instructions.as_deref() {
            Some(instructions) => format!("{}\n\n{instructions}", model.persona()),
            None => model.persona().to_owned(),
        };
        let conversations = self.conversations.borrow();
        let turns = conversations.of(conversation).map(|turn| {
            let content = turn.text.clone();
            match turn.speaker {
                Speaker::They => Said::User { content },
                Speaker::I => Said::Assistant { content, tool_calls: Vec::new() },
            }
        });
        std::iter::once(Said::System { content }).chain(turns).collect()
    }

    /// Does what the model wants, and says what came of it. What does not work is for the model to make the best of.
    async fn call(&self, call: &ToolCall, conversation: &str) -> Result<String> {
        let arguments = &call.function.arguments;
        let asked: Asked = match serde_json::from_str(if arguments.is_empty() { "{}" } else { arguments }) {
            Ok(asked) => asked,
            Err(error) => return Ok(format!("error: the arguments are not as they should be: {error}")),
        };
        let wish = match asked.wish(&call.function.name) {
            Ok(wish) => wish,
            Err(wrong) => return Ok(format!("error: {wrong}")),
        };
        match self.grant(wish, conversation).await {
            Ok(outcome) => Ok(cut(&outcome.text(), RESULT)),
            Err(error) => match error.downcast_ref() {
                Some(Error::Canceled(_)) => Err(error).context("while the model waited for a tool"),
                _ => Ok(cut(&format!("error: {error:#}"), RESULT)),
            },
        }
    }
}

/// What it can do, as the model is told.
fn tools() -> Vec<Tool> {
    let text = |description: &str| json!({ "type": "string", "description": description });
    vec![
        Tool::new(
            "ask_peer",
            "Asks a sibling, another agent, and waits for its answer.",
            json!({
                "type": "object",
                "properties": { "peer": text("Its name or id."), "question": text("What to ask it.") },
                "required": ["peer", "question"],
            }),
        ),
        Tool::new(
            "remind",
            "Writes to the user after a while.",
            json!({
                "type": "object",
                "properties": {
                    "after_seconds": { "type": "integer", "minimum": 0, "description": "Seconds from now." },
                    "what": text("Of what, as in: You wanted to be reminded to WHAT."),
                },
                "required": ["after_seconds", "what"],
            }),
        ),
        Tool::new(
            "remember",
            "Keeps a fact for good, such as what the user likes.",
            json!({
                "type": "object",
                "properties": { "what": text("The fact, in a sentence that can be understood by itself.") },
                "required": ["what"],
            }),
        ),
        Tool::new(
            "know",
            "Tells the facts that were kept.",
            json!({
                "type": "object",
                "properties": { "about": text("Words that stand in them; all facts where it is empty.") },
            }),
        ),
        Tool::new(
            "forget",
            "Forgets facts that were kept.",
            json!({
                "type": "object",
                "properties": { "about": text("Words that stand in them.") },
                "required": ["about"],
            }),
        ),
        Tool::new(
            "status",
            "Tells what is being worked on, and how many reminders wait.",
            json!({ "type": "object", "properties": {} }),
        ),
    ]
}

/// The arguments of any of the tools.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    peer: String,
    question: String,
    after_seconds: Option<u64>,
    what: String,
    about: String,
}

impl Asked {
    /// The same in the words of the assistant.
    fn wish(&self, tool: &str) -> Result<Wish<'_>, String> {
        let Self { peer, question, after_seconds, what, about } = self;
        match tool {
            "ask_peer" if peer.is_empty() || question.is_empty() => {
                Err("peer and question are needed".into())
            }
            "ask_peer" => Ok(Wish::Ask { peer, question }),
            "remind" => match after_seconds {
                Some(seconds) if !what.is_empty() => {
                    Ok(Wish::Remind { after: Duration::from_secs(*seconds), what })
                }
                _ => Err("after_seconds and what are needed".into()),
            },
            "remember" if what.is_empty() => Err("what is needed".into()),
            "remember" => Ok(Wish::Note(what)),
            "know" => Ok(Wish::Know(about)),
            "forget" if about.is_empty() => Err("about is needed".into()),
            "forget" => Ok(Wish::Forget(about)),
            "status" => Ok(Wish::Status),
            other => Err(format!("there is no tool {}", cut(other, 100))),
        }
    }
}
