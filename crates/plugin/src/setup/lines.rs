//! Output, cut into lines and bounded.

use super::{Line, SetupLimits};

/// Bytes in, lines out.
pub(super) struct Lines {
    line: Vec<u8>,
    cut: bool,
    longest: usize,
    left: usize,
    truncated: bool,
}

impl Lines {
    pub(super) fn new(limits: &SetupLimits) -> Self {
        Self { line: Vec::new(), cut: false, longest: limits.line, left: limits.output, truncated: false }
    }

    /// Takes what was read and gives each line that it completes.
    pub(super) fn take(&mut self, bytes: &[u8], output: &mut dyn FnMut(Line)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (content, ends) = match piece.split_last() {
                Some((b'\n', content)) => (content, true),
                _ => (piece, false),
            };
            // The end of a line counts, so that empty lines are bounded too.
            let room = self.left.min(self.longest.saturating_sub(self.line.len()));
            let kept = content.get(..room).unwrap_or(content);
            self.line.extend_from_slice(kept);
            self.cut |= kept.len() < content.len();
            let silent = self.left == 0;
            self.left = self.left.saturating_sub(kept.len() + usize::from(ends));
            self.truncated |= self.cut || silent;
            if ends {
                self.end_line(silent, output);
            }
        }
    }

    /// Gives the last line, if no end of line came, and whether anything was dropped.
    pub(super) fn end(mut self, output: &mut dyn FnMut(Line)) -> bool {
        if !self.line.is_empty() {
            self.end_line(false, output);
        }
        self.truncated
    }

    fn end_line(&mut self, silent: bool, output: &mut dyn FnMut(Line)) {
        // A line that was begun is given, even when the rest of it was too much.
        if !silent || !self.line.is_empty() {
            output(Line { text: shown(&self.line), cut: self.cut });
        }
        self.line.clear();
        self.cut = false;
    }
}

fn shown(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let safe =
        |char: char| if char.is_control() && char != '\t' { char::REPLACEMENT_CHARACTER } else { char };
    String::from_utf8_lossy(line).chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines (a `+` marks one that was cut) and whether anything was dropped.
    fn lines(line: usize, output: usize, pieces: &[&str]) -> (Vec<String>, bool) {
        let mut lines = Lines::new(&SetupLimits { line, output, ..SetupLimits::default() });
        let mut seen = Vec::new();
        let mut see = |line: Line| seen.push(format!("{}{}", line.text, if line.cut { "+" } else { "" }));
        for piece in pieces {
            lines.take(piece.as_bytes(), &mut see);
        }
        let truncated = lines.end(&mut see);
        (seen, truncated)
    }

    #[test]
    fn lines_are_those_of_the_script_however_they_arrive() {
        let cases: [(&[&str], &[&str]); 5] = [
            (&["a\nb\n"], &["a", "b"]),
            (&["a", "b", "\nc"], &["ab", "c"]),
            (&["\n\n"], &["", ""]),
            (&["a\r\n"], &["a"]),
            (&[], &[]),
        ];
        for (pieces, expected) in cases {
            assert_eq!(
                lines(100, 100, pieces),
                (expected.iter().map(|line| (*line).to_owned()).collect(), false)
            );
        }
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        assert_eq!(lines(3, 100, &["abcdef\nxyz\n"]), (vec!["abc+".into(), "xyz".into()], true));
        assert_eq!(lines(3, 100, &["ab", "cd", "ef\nx"]), (vec!["abc+".into(), "x".into()], true));
    }

    #[test]
    fn past_the_bound_nothing_is_handed_on() {
        assert_eq!(lines(100, 6, &["abc\nde", "f\nghi\n\n\n"]), (vec!["abc".into(), "de+".into()], true));
        let (seen, truncated) = lines(100, 10, &["\n"; 1000]);
        assert_eq!((seen.len(), truncated), (10, true));
    }

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        let (seen, _) = lines(100, 100, &["\u{1b}[2Ja\tb\u{7}\u{9b}\n"]);
        assert_eq!(seen, ["\u{fffd}[2Ja\tb\u{fffd}\u{fffd}"]);
    }
}
