//! Writes to the user as often as a message says (`1`, `2` and so on), then answers `done`.

use molecule_guest::{Agent, Card, Message, Outcome, Result, messages};

#[derive(Default)]
struct Notifies;

impl Agent for Notifies {
    fn describe() -> Card {
        zoo::card("notifies")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        for number in 1..=message.text().parse::<u32>()? {
            messages::notify(number.to_string()).await?;
        }
        Ok("done".into())
    }
}

molecule_guest::export!(Notifies);
