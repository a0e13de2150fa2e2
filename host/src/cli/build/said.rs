//! What cargo says on standard error.

use std::io::Write;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::cli::screen;

/// Bytes that are kept. What is wrong stands at the beginning.
const KEPT: usize = 256 * 1024;
/// Bytes of a line that is shown before it has ended.
const LONGEST_LINE: usize = 64 * 1024;
/// Characters of an error.
const LONGEST: usize = 8000;

/// How cargo speaks to the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Talk {
    /// By itself, with a bar that shows how far it is. Nothing is kept.
    Itself,
    /// Through us, who keep what it says.
    Heard {
        /// Whether the person sees it.
        shown: bool,
        /// Whether in colours.
        coloured: bool,
    },
}

impl Talk {
    /// What cargo has to be told: it does not see a terminal where we listen.
    pub(super) fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Heard { shown: true, coloured: true } => &["--color", "always"],
            Self::Heard { .. } | Self::Itself => &[],
        }
    }

    pub(super) fn stderr(self) -> Stdio {
        match self {
            Self::Itself => Stdio::inherit(),
            Self::Heard { .. } => Stdio::piped(),
        }
    }

    /// Passes on what comes, and gives back what is wrong. A stream that breaks has ended.
    pub(super) async fn listen(self, stderr: Option<impl AsyncRead + Unpin>) -> String {
        let (Some(mut stderr), Self::Heard { shown, .. }) = (stderr, self) else { return String::new() };
        let mut kept = Vec::new();
        let mut chunk = Vec::with_capacity(8 * 1024);
        let mut line = Vec::new();
        while stderr.read_buf(&mut chunk).await.is_ok_and(|read| read > 0) {
            let room = KEPT.saturating_sub(kept.len());
            kept.extend(chunk.iter().take(room));
            if shown {
                line.append(&mut chunk);
                // Whole lines: a question that is open stands below them.
                let whole = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let whole = if line.len() - whole > LONGEST_LINE { line.len() } else { whole };
                show(line.drain(..whole).collect()).await;
            }
            chunk.clear();
        }
        show(line).await;
        wrong(&String::from_utf8_lossy(&kept))
    }
}

/// On a thread for what may wait: a person who reads slowly holds up cargo and nobody else.
async fn show(lines: Vec<u8>) {
    if lines.is_empty() {
        return;
    }
    // Where nobody reads it, there is nobody to tell.
    let _ = tokio::task::spawn_blocking(move || screen::Stderr.write_all(&lines)).await;
}

/// What is wrong, without colours: from the first error on, if there is one.
fn wrong(said: &str) -> String {
    let plain = anstream::adapter::strip_str(said).to_string();
    let mut lines = plain.lines().skip_while(|line| !line.starts_with("error")).peekable();
    let from_error = match lines.peek() {
        Some(_) => lines.collect::<Vec<_>>().join("\n"),
        None => plain,
    };
    let text = from_error.trim();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_wrong_is_kept_without_colours_and_from_the_first_error_on() {
        let heard = Talk::Heard { shown: false, coloured: true };
        let said = "   Compiling echo v0.1.0\nwarning: unused\n\n\u{1b}[1m\u{1b}[31merror[E0425]\u{1b}[0m: no `x`\n --> src/lib.rs:1:1\n\
                    \nwarning: another\n\n";
        assert_eq!(
            heard.listen(Some(said.as_bytes())).await,
            "error[E0425]: no `x`\n --> src/lib.rs:1:1\n\nwarning: another"
        );
        assert_eq!(heard.listen(Some("it was killed\n".as_bytes())).await, "it was killed");
        assert_eq!(Talk::Itself.listen(Some(said.as_bytes())).await, "");
        let long = heard.listen(Some("error: ü".repeat(10_000).as_bytes())).await;
        assert_eq!(long.chars().count(), LONGEST + 1);
    }
}
