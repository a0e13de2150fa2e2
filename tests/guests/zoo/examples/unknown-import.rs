//! An agent of this contract that also calls what no host offers.

use molecule_guest::{Agent, Card, Message, Outcome, Result};

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package example:elsewhere@1.0.0;

            interface thing {
                reach: func() -> string;
            }

            world needs-a-thing {
                import thing;
            }
        ",
    });
}

#[derive(Default)]
struct UnknownImport;

impl Agent for UnknownImport {
    fn describe() -> Card {
        zoo::card("unknown-import")
    }

    async fn on_message(&self, _: Message) -> Result<Outcome> {
        Ok(bindings::example::elsewhere::thing::reach().into())
    }
}

molecule_guest::export!(UnknownImport);
