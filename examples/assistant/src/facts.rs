//! What its user wants it to know: memories on the platform, which outlast the agent and its machine.

use molecule_guest::{Context, Error, Outcome, Result, memory};

/// Where they are filed: the platform's memory of a workspace is for whatever runs there.
const SHELF: &str = "assistant";
/// Facts that are told at once.
const MOST: u32 = 20;

/// Keeps a fact.
pub async fn remember(fact: &str) -> Result<Outcome> {
    match memory::commit(fact).namespace(SHELF).await {
        Ok(_) => Ok(format!("I will remember that {fact}.").into()),
        Err(error) => trouble(error, "I could not keep that"),
    }
}

/// Tells what it knows about something; everything where nothing is said.
pub async fn know(about: &str) -> Result<Outcome> {
    match find(about).await {
        Ok(found) if found.is_empty() => Ok(format!("I know nothing about {}.", subject(about)).into()),
        Ok(found) => {
            let lines: Vec<_> = found.iter().map(|memory| format!("- {}", memory.content)).collect();
            Ok(lines.join("\n").into())
        }
        Err(error) => trouble(error, "I could not look it up"),
    }
}

/// Forgets what it knows about something.
pub async fn forget(about: &str) -> Result<Outcome> {
    let forgotten = async {
        let found = find(about).await?;
        for memory in &found {
            memory::forget(&memory.id).await?;
        }
        Ok(found.len())
    };
    match forgotten.await {
        Ok(0) => Ok(format!("I knew nothing about {about}.").into()),
        Ok(1) => Ok("I have forgotten it.".into()),
        Ok(count) => Ok(format!("I have forgotten {count} things about {about}.").into()),
        Err(error) => trouble(error, "I could not forget it"),
    }
}

async fn find(about: &str) -> Result<Vec<memory::Memory>, Error> {
    let search = if about.is_empty() { memory::latest() } else { memory::search(about) };
    search.namespace(SHELF).limit(MOST).await
}

fn subject(about: &str) -> &str {
    if about.is_empty() { "anything" } else { about }
}

/// Whoever runs it can do something about a denial.
fn trouble(error: Error, what: &'static str) -> Result<Outcome> {
    match error {
        Error::Denied(denial) => {
            let grant = denial.grant.map(|grant| format!(" Whoever runs me can allow it with: {grant}"));
            Ok(Outcome::rejected(format!("I have no memory that lasts.{}", grant.unwrap_or_default())))
        }
        other => Err(other).context(what),
    }
}
