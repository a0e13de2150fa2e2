//! What somebody wants.

/// What its user says.
#[derive(Debug, PartialEq)]
pub enum Order<'t> {
    Buy { what: &'t str, price: u32 },
    Books,
    Questions,
    Unclear,
}

impl<'t> Order<'t> {
    /// Reads a text, such as `buy three chairs for 240`.
    pub fn read(text: &'t str) -> Self {
        let text = text.trim().trim_end_matches(['.', '?', '!']);
        match text.to_lowercase().as_str() {
            "books" => return Self::Books,
            "questions" => return Self::Questions,
            _ => {}
        }
        let (Some(verb), Some(rest)) = (text.get(..4), text.get(4..)) else { return Self::Unclear };
        match rest.rsplit_once(" for ") {
            Some((what, price)) if verb.eq_ignore_ascii_case("buy ") && !what.trim().is_empty() => {
                match price.trim().parse() {
                    Ok(price) => Self::Buy { what: what.trim(), price },
                    Err(_) => Self::Unclear,
                }
            }
            _ => Self::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_from_sentences() {
        for (text, order) in [
            ("buy three chairs for 240", Order::Buy { what: "three chairs", price: 240 }),
            ("Buy food for the cat for 12.", Order::Buy { what: "food for the cat", price: 12 }),
            ("buy chairs", Order::Unclear),
            ("buy  for 12", Order::Unclear),
            ("buy chairs for love", Order::Unclear),
            ("buy chairs for -1", Order::Unclear),
            ("büy chairs for 12", Order::Unclear),
            ("Books", Order::Books),
            ("questions?", Order::Questions),
            ("", Order::Unclear),
        ] {
            assert_eq!(Order::read(text), order, "{text:?}");
        }
    }
}
