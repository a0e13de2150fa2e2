//! The smallest agent: answers with the text it got.

use molecule_guest::{Agent, Card, Message, Outcome, Result};

#[derive(Default)]
struct Echo;

impl Agent for Echo {
    fn describe() -> Card {
        Card::new("echo").description("Answers with the text it got.").version(env!("CARGO_PKG_VERSION"))
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        Ok(message.text().into())
    }
}

molecule_guest::export!(Echo);

#[cfg(test)]
mod tests {
    use molecule_guest::testing::Host;

    use super::Echo;

    #[test]
    fn it_answers_with_the_text_it_got() {
        let agent = Host::new().start::<Echo>().unwrap();
        assert_eq!(agent.message("Hello").unwrap().text(), "Hello");
    }
}
