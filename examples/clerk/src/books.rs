//! What was bought.

use molecule_guest::{Error, Outcome, Result, memory};
use serde::{Deserialize, Serialize};

use crate::purchase::Purchase;

/// The value that has them.
const BOOKS: &str = "books";
/// Purchases that are remembered one by one.
const MOST: usize = 100;

#[derive(Default, Serialize, Deserialize)]
struct Books {
    spent: u64,
    /// The latest last.
    entries: Vec<Purchase>,
}

/// Buys it: here a shop would be asked. A purchase that stands there already is not made again. Gives what was spent in
/// all.
pub async fn enter(purchase: &Purchase) -> Result<u64, Error> {
    let books = memory::update(BOOKS, |books: &mut Books| {
        if books.entries.iter().any(|entry| entry.id == purchase.id) {
            return;
        }
        books.spent += u64::from(purchase.price);
        books.entries.push(purchase.clone());
        let surplus = books.entries.len().saturating_sub(MOST);
        books.entries.drain(..surplus);
    })
    .await?;
    Ok(books.spent)
}

/// Tells what was bought.
pub async fn read() -> Result<Outcome> {
    let books: Books = memory::get_json(BOOKS).await?.unwrap_or_default();
    let mut lines: Vec<_> =
        books.entries.iter().map(|entry| format!("- {}: {}", entry.what, entry.price)).collect();
    lines.push(format!("In all: {}", books.spent));
    Ok(lines.join("\n").into())
}
