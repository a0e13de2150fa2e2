//! `POST /registry/register`: a host says that it is there.

use serde::{Deserialize, Deserializer, Serialize};

use crate::json::Json;
use crate::token::{self, BearerToken};

/// How messages reach a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryMode {
    /// The platform posts them to the workspace's URL.
    Push,
    /// The workspace fetches them from its activity log.
    Poll,
}

impl DeliveryMode {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Poll => "poll",
        }
    }

    /// The mode that a word names, if it names one.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Push, Self::Poll].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// What a host says. Safe to repeat with the bearer token: it replaces URL and card, and un-pauses a paused workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterRequest {
    /// The workspace's id.
    pub id: String,
    /// Where messages are posted to, in push mode only. Has an unguessable path: pushes carry no credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The agent card, replaced as a whole. Any JSON; must be there, may be `null`.
    pub agent_card: Json,
    /// Always said: a row made beforehand may hold a default that is wrong. A word, so that a wrong one can be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_mode: Option<String>,
}

/// What the platform answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterResponse {
    /// `registered`.
    #[serde(default)]
    pub status: String,
    /// The workspace's token, if it had none until now. It is never said again: keep it before anything else.
    #[serde(
        default,
        deserialize_with = "token::read",
        serialize_with = "token::write",
        skip_serializing_if = "Option::is_none"
    )]
    pub auth_token: Option<BearerToken>,
    /// The mode the platform chose. A server that does not say it may not know poll mode.
    #[serde(default, deserialize_with = "known_mode", skip_serializing_if = "Option::is_none")]
    pub delivery_mode: Option<DeliveryMode>,
    /// The secret that the platform shows when it calls the host's internal endpoints.
    #[serde(
        default,
        deserialize_with = "token::read",
        serialize_with = "token::write",
        skip_serializing_if = "Option::is_none"
    )]
    pub platform_inbound_secret: Option<BearerToken>,
}

/// A mode that a newer platform invents must not make a registration fail.
fn known_mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DeliveryMode>, D::Error> {
    let word = Json::deserialize(deserializer)?.as_text();
    Ok(word.as_deref().and_then(DeliveryMode::from_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_must_be_there_and_may_be_null() {
        assert!(serde_json::from_str::<RegisterRequest>(r#"{"id":"a"}"#).is_err());
        let request: RegisterRequest = serde_json::from_str(r#"{"id":"a","agent_card":null,"x":1}"#).unwrap();
        assert!(request.agent_card.is_null());
        assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"id":"a","agent_card":null}"#);
    }

    #[test]
    fn an_answer_of_any_platform_is_read_and_an_empty_token_is_none() {
        for (body, token, mode) in [
            (r#"{"status":"registered"}"#, None, None),
            (
                r#"{"status":"registered","auth_token":"tok","delivery_mode":"poll"}"#,
                Some("tok"),
                Some(DeliveryMode::Poll),
            ),
            (r#"{"auth_token":"","delivery_mode":"pigeon"}"#, None, None),
            (r#"{"auth_token":null,"delivery_mode":5}"#, None, None),
        ] {
            let response: RegisterResponse = serde_json::from_str(body).unwrap();
            assert_eq!(response.auth_token.as_ref().map(BearerToken::expose), token, "{body}");
            assert_eq!(response.delivery_mode, mode, "{body}");
        }
        let error = serde_json::from_str::<RegisterResponse>(r#"{"auth_token":"secret one"}"#).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
