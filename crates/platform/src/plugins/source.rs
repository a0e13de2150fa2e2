//! Where a plugin is asked from.

use std::fmt;

use axum::http::StatusCode;

use crate::error::ApiError;

/// Where a plugin is asked from: `local://name`, or `github://owner/repo#ref`. What stands behind the scheme is judged
/// when it is fetched, as the real platform does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The folder of that name.
    Local(String),
    /// A repository at a tag or branch.
    GitHub {
        /// `owner/repo`, as it was written.
        spec: String,
        /// Never empty.
        reference: String,
    },
}

impl Source {
    /// The schemes there are.
    pub(crate) const SCHEMES: [&str; 2] = ["github", "local"];

    /// Reads `scheme://spec`.
    ///
    /// # Errors
    /// The platform's refusal: 400, or 422 for a repository without a ref.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let text = text.trim();
        let (scheme, spec) = match text.split_once("://") {
            Some((scheme, spec)) if !scheme.is_empty() && !spec.is_empty() => (scheme, spec),
            _ => {
                let hint = "a source is scheme://spec, as in local://name or github://owner/repo#ref";
                return Err(ApiError::bad_request("invalid plugin source").with("detail", hint));
            }
        };
        match scheme {
            "local" => Ok(Self::Local(spec.to_owned())),
            "github" => match spec.split_once('#') {
                Some((spec, reference)) if !reference.is_empty() => {
                    Ok(Self::GitHub { spec: spec.to_owned(), reference: reference.to_owned() })
                }
                _ => Err(unpinned(text)),
            },
            _ => Err(ApiError::bad_request("failed to resolve plugin source")
                .with("available_schemes", Self::SCHEMES.as_slice())),
        }
    }

    pub(crate) fn scheme(&self) -> &'static str {
        match self {
            Self::Local(_) => "local",
            Self::GitHub { .. } => "github",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(name) => write!(f, "local://{name}"),
            Self::GitHub { spec, reference } => write!(f, "github://{spec}#{reference}"),
        }
    }
}

fn unpinned(text: &str) -> ApiError {
    let word = "github sources must be pinned to a tag or branch: github://owner/repo#ref, with the # written as %23 in a query";
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, word).with("source", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_a_scheme_that_is_known_a_spec_and_from_github_a_ref() {
        for (text, normal) in [
            ("local://a", "local://a"),
            (" local://a ", "local://a"),
            ("local://../a", "local://../a"),
            ("github://o/r#v1", "github://o/r#v1"),
            ("github://o/r#a#b", "github://o/r#a#b"),
        ] {
            assert_eq!(Source::parse(text).unwrap().to_string(), normal);
        }
        for (text, status) in [
            ("", 400),
            ("a", 400),
            ("://a", 400),
            ("local://", 400),
            ("local:a", 400),
            ("Local://a", 400),
            ("file:///etc", 400),
            ("https://x/y#z", 400),
            ("github://o/r", 422),
            ("github://o/r#", 422),
        ] {
            assert_eq!(Source::parse(text).unwrap_err().status(), status, "{text}");
        }
    }
}
