//! Files that its user attaches: text is read, whatever else is not.

use molecule_guest::{Error, File, Message, Outcome, messages};

use crate::conversation::cut;

/// Bytes of each that a model is told.
const MOST: usize = 16 * 1024;
/// Bytes of each that are shown.
const GLIMPSE: usize = 200;

/// A file that came along.
pub struct Paper {
    name: String,
    /// Its text, or why there is none.
    text: Result<String, Error>,
}

/// Reads the files of a message. Whoever follows sees which one it reads.
pub async fn read(message: &Message) -> Vec<Paper> {
    let mut papers = Vec::new();
    for file in message.files() {
        // Nothing is lost where nobody hears it.
        let _ = messages::progress(format!("Reading {}.", file.label())).await;
        papers.push(Paper { name: file.label().to_owned(), text: text(file).await });
    }
    papers
}

async fn text(file: &File) -> Result<String, Error> {
    match file.read_text().await {
        Err(Error::Invalid(_)) => Err(Error::Invalid("it is no text".into())),
        read => read,
    }
}

/// What was written and what came along, as one text for a model.
pub fn with_papers(text: &str, papers: &[Paper]) -> String {
    papers.iter().fold(text.to_owned(), |all, Paper { name, text }| match text {
        Ok(text) => format!("{all}\n\nThe file {name}:\n{}", cut(text, MOST)),
        Err(error) => format!("{all}\n\nThe file {name} cannot be read: {error}"),
    })
}

/// What there is in the files, for somebody who has no model to read them.
pub fn summary(papers: &[Paper]) -> Outcome {
    let lines: Vec<_> = papers
        .iter()
        .map(|Paper { name, text }| match text {
            Ok(text) => {
                let (lines, words) = (text.lines().count(), text.split_whitespace().count());
                format!(
                    "{name} has {lines} lines and {words} words. It begins: {}",
                    cut(text.trim(), GLIMPSE)
                )
            }
            Err(error) => format!("I cannot read {name}: {error}"),
        })
        .collect();
    lines.join("\n").into()
}
