//! A language model behind an API of chat completions, as many servers have it: where it is and how it is asked.

use std::time::Duration;

use molecule_guest::{http, secrets, time, workspace};

mod stream;
mod trouble;
pub mod wire;

pub use trouble::Trouble;

use stream::Assembly;
use wire::{Request, Said, Tool};

/// Where the model is, unless `model-url` says otherwise.
const URL: &str = "https://api.openai.com/v1";
/// Which one, unless `model` says otherwise.
const NAME: &str = "gpt-4o-mini";
/// The name of the secret that opens it, unless `model-key` says otherwise.
pub const KEY: &str = "OPENAI_API_KEY";
/// What `model-key` is for a server that wants none.
const NO_KEY: &str = "none";
/// Who it is to be, unless `persona` says otherwise.
const PERSONA: &str =
    "You are the assistant of one person. Be brief. Use a tool when it helps, and say what came of it.";
/// How long there may be nothing, before the answer begins and within it.
const SILENCE: Duration = Duration::from_secs(60);
/// Times that a request is made again, at most.
const RETRIES: u32 = 2;

/// A model, as the operator's configuration says.
#[derive(Debug)]
pub struct Model {
    url: String,
    name: String,
    /// The name of the secret. Its value is put in by the host, and is never here.
    key: Option<String>,
    persona: String,
}

/// What a model said in one go.
#[derive(Debug, Default, PartialEq)]
pub struct Answer {
    pub text: String,
    /// What it wants done before it goes on.
    pub calls: Vec<wire::ToolCall>,
}

impl Model {
    /// The model that the operator has set up: by a `model-url`, or by the key for the default one.
    pub fn configured() -> Option<Self> {
        let model = Self::said();
        let has_key = model.key.as_ref().is_some_and(|key| secrets::names().contains(key));
        (config("model-url").is_some() || has_key).then_some(model)
    }

    /// What an operator has to give for his model, or for the default one, where its key is not there.
    pub fn lacks() -> Option<String> {
        let Self { url, key, .. } = Self::said();
        let key = key.filter(|key| !secrets::names().contains(key))?;
        let (_, place) = url.split_once("://").unwrap_or_default();
        let place = place.split('/').next().unwrap_or_default();
        Some(format!(
            "the model at {url} needs a key that I may use: --secret {key}=env:{key} --allow-secret {key}@{place} \
             --allow-net 'POST {url}/chat/completions'"
        ))
    }

    fn said() -> Self {
        let key = config("model-key").unwrap_or_else(|| KEY.to_owned());
        Self {
            url: config("model-url").as_deref().unwrap_or(URL).trim_end_matches('/').to_owned(),
            name: config("model").unwrap_or_else(|| NAME.to_owned()),
            key: Some(key).filter(|key| key != NO_KEY),
            persona: config("persona").unwrap_or_else(|| PERSONA.to_owned()),
        }
    }

    /// What it is told to be.
    pub fn persona(&self) -> &str {
        &self.persona
    }

    /// The name of the secret that it is opened with.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Has it go on with a conversation. A request of which the server has seen nothing is made again, and one that came
    /// too early; any other could cost its price twice.
    pub async fn ask(&self, said: &[Said], tools: &[Tool]) -> Result<Answer, Trouble> {
        let request = Request { model: &self.name, messages: said, tools, stream: true };
        let mut retries = 0;
        loop {
            let trouble = match self.answer(&request).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            let Some(wait) = trouble.again_after(retries).filter(|_| retries < RETRIES) else {
                return Err(trouble);
            };
            retries += 1;
            time::sleep(wait).await?;
        }
    }

    async fn answer(&self, request: &Request<'_>) -> Result<Answer, Trouble> {
        let mut post = http::post(format!("{}/chat/completions", self.url))
            .header("accept", "text/event-stream")
            .first_byte_timeout(SILENCE)
            .between_bytes_timeout(SILENCE)
            .json(request);
        if let Some(key) = &self.key {
            post = post.bearer(secrets::reference(key));
        }
        let response = post.await?;
        if !response.is_success() {
            return Err(Trouble::of_status(response).await);
        }
        let (mut events, mut assembly) = (response.events(), Assembly::default());
        loop {
            let event = events.next().await.map_err(Trouble::broke_off)?;
            match event {
                Some(event) if event.data == "[DONE]" => break,
                Some(event) => assembly.add(&event.data)?,
                None => break,
            }
        }
        assembly.end()
    }
}

/// What the operator has configured; an empty value is none.
fn config(key: &str) -> Option<String> {
    workspace::config(key).filter(|value| !value.is_empty())
}
