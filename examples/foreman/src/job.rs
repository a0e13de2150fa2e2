//! A job and its parts.

/// Parts of a job at most.
const MOST: usize = 20;

/// A job, as its user gives it.
#[derive(Debug, PartialEq)]
pub struct Job<'t> {
    pub title: &'t str,
    pub parts: Vec<&'t str>,
}

impl<'t> Job<'t> {
    /// Reads `title: part; part`, or a part a line. None where there is no part, or more than 20.
    pub fn read(text: &'t str) -> Option<Self> {
        let (title, parts) = text.split_once(':')?;
        let parts: Vec<_> = parts
            .split([';', '\n'])
            .map(|part| part.trim().trim_start_matches("- ").trim_end_matches('.'))
            .filter(|part| !part.is_empty())
            .collect();
        let title = title.trim();
        (!title.is_empty() && (1..=MOST).contains(&parts.len())).then_some(Self { title, parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_read_from_sentences_and_lists() {
        let party = |parts: &[&'static str]| Some(Job { title: "the party", parts: parts.to_vec() });
        for (text, job) in [
            ("the party: find a room; bake a cake.", party(&["find a room", "bake a cake"])),
            ("the party:\n- find a room\n- bake: a cake\n", party(&["find a room", "bake: a cake"])),
            ("the party: ;; cake", party(&["cake"])),
            ("the party", None),
            ("the party:", None),
            (": a cake", None),
        ] {
            assert_eq!(Job::read(text), job, "{text:?}");
        }
        assert_eq!(Job::read(&format!("all:{}", "x;".repeat(MOST + 1))), None);
    }
}
