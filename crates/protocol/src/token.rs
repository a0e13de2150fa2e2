//! The secret that says which workspace is speaking.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroizing;

/// A workspace's bearer token (or the platform's inbound secret, which has the same form).
///
/// Opaque: 1 or more visible ASCII characters, blanks around them removed, so that it always fits a header. It cannot
/// be printed or serialised; `Debug` shows at most its first 8 characters, which is what the platform itself shows.
/// Its memory is overwritten on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(Zeroizing<String>);

impl BearerToken {
    /// The token itself, for a header or the token file. Never for a log, an argument or a peer's request.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown of it: the first 8 characters, or nothing of a token so short that these would give it away.
    pub fn prefix(&self) -> &str {
        const SHOWN: usize = 8;
        if self.0.len() < 3 * SHOWN { "" } else { self.0.get(..SHOWN).unwrap_or_default() }
    }
}

impl FromStr for BearerToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let token = text.trim();
        if token.is_empty() {
            return Err(InvalidToken::Empty);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidToken::Characters);
        }
        Ok(Self(Zeroizing::new(token.to_owned())))
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BearerToken({}…)", self.prefix())
    }
}

/// A text that is no token. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Nothing but blanks.
    #[error("the token is empty")]
    Empty,
    /// A blank, a control character or a character beyond ASCII inside.
    #[error("the token holds a character that cannot stand in a header; was more than the token pasted?")]
    Characters,
}

/// Reads an optional token; an empty one, which a platform writes when it could not mint any, is none.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BearerToken>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(token) => Ok(Some(token)),
        Err(InvalidToken::Empty) => Ok(None),
        Err(error) => Err(serde::de::Error::custom(error)),
    }
}

/// Writes a token into one of the answers that hand it out; absent is the empty text.
///
/// Only these answers may: that is why the type itself does not serialise.
pub(crate) fn write<S: Serializer>(token: &Option<BearerToken>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.as_ref().map_or("", BearerToken::expose))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_always_fits_a_header() {
        assert_eq!(" abc\n".parse::<BearerToken>().unwrap().expose(), "abc");
        for (wrong, error) in [
            ("", InvalidToken::Empty),
            (" \n", InvalidToken::Empty),
            ("a b", InvalidToken::Characters),
            ("a\r\nX-Evil: 1", InvalidToken::Characters),
            ("é", InvalidToken::Characters),
            ("a\0", InvalidToken::Characters),
        ] {
            assert_eq!(wrong.parse::<BearerToken>().unwrap_err(), error, "{wrong:?}");
        }
    }

    #[test]
    fn printing_a_token_shows_eight_characters_at_most_and_none_of_a_short_one() {
        let long: BearerToken = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG".parse().unwrap();
        assert_eq!(format!("{long:?}"), "BearerToken(abcdefgh…)");
        let short: BearerToken = "hunter2".parse().unwrap();
        assert_eq!(format!("{short:?}"), "BearerToken(…)");
    }
}
