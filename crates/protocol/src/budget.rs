//! What a workspace may spend, and the model it was given.

use crate::json::Json;

/// What `GET /workspaces/:self/budget` answers, in cents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// `None` for no limit.
    pub limit: Option<i64>,
    /// Spent this month.
    pub spent: i64,
    /// `None` where there is no limit.
    pub remaining: Option<i64>,
}

impl Budget {
    /// Reads one; `None` where the body is no object. Members of a wrong type count as absent.
    pub fn read(body: &[u8]) -> Option<Self> {
        let members = Json::object_in(body)?.as_object()?;
        let number = |name: &str| members.get(name).and_then(|it| it.parse::<i64>().ok());
        Some(Self {
            limit: number("budget_limit"),
            spent: number("monthly_spend").unwrap_or_default(),
            remaining: number("budget_remaining"),
        })
    }
}

/// The word of `GET /workspaces/:self/model`; `None` where none is set.
pub fn read_model(body: &[u8]) -> Option<String> {
    Json::object_in(body)?.at(&["model"])?.as_text().filter(|model| !model.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_is_not_a_limit_of_nothing() {
        for (body, limit, spent, remaining) in [
            (r#"{"budget_limit":500,"monthly_spend":20,"budget_remaining":480}"#, Some(500), 20, Some(480)),
            (r#"{"budget_limit":null,"monthly_spend":20,"budget_remaining":null}"#, None, 20, None),
            ("{}", None, 0, None),
        ] {
            assert_eq!(Budget::read(body.as_bytes()), Some(Budget { limit, spent, remaining }), "{body}");
        }
        assert_eq!(Budget::read(b"[]"), None);
        assert_eq!(read_model(br#"{"model":"m"}"#).as_deref(), Some("m"));
        assert_eq!((read_model(br#"{"model":null}"#), read_model(br#"{"model":""}"#)), (None, None));
    }
}
