//! An echo that also logs, notifies and takes the text for its task: every way of text out of a guest. Its card holds
//! letters of many scripts; `sample` answers with what is hard to handle: NUL, a BOM, a change of direction, joined
//! emoji, letters with marks of their own.

use molecule_guest::{Agent, Card, Message, Outcome, Result, Skill, log, messages, workspace};

const SAMPLE: &str = "\u{FEFF}a\0b \u{202E}\u{05E9}\u{05DC}\u{05D5}\u{05DD}\u{202C} \
                      \u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467} e\u{301} \u{10FFFF}\r\n\u{2028}\u{7F}";

#[derive(Default)]
struct Unicode;

impl Agent for Unicode {
    fn describe() -> Card {
        zoo::card("Ünïcödé 文字 \u{1F9EA}")
            .description("Γειά σου, мир, \u{05E9}\u{05DC}\u{05D5}\u{05DD}")
            .skill(Skill::new("écho", "反響").description("\u{1F501}").tag("ß"))
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        if text == "sample" {
            return Ok(SAMPLE.into());
        }
        log::info!(text = text, "{text}");
        workspace::set_task(&text)?;
        messages::notify(text.as_str()).await?;
        Ok(text.into())
    }
}

molecule_guest::export!(Unicode);
