//! Writes to stdout and stderr as a message says: `out <text>`, `err <text>` (a line each), `partial <text>` (without
//! the end of the line), `long <bytes>` (one line), `flood <lines>`, `bytes` (no UTF-8), `in` (reads stdin). Answers
//! `done`, to `in` with what it read.

use std::io::{Read, Write, stdin, stdout};

use molecule_guest::{Agent, Card, Message, Outcome, Result, bail};

#[derive(Default)]
struct Stdio;

impl Agent for Stdio {
    fn describe() -> Card {
        zoo::card("stdio")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        match zoo::words(&message.text()) {
            ("out", text) => println!("{text}"),
            ("err", text) => eprintln!("{text}"),
            ("partial", text) => {
                print!("{text}");
                stdout().flush()?;
            }
            ("long", bytes) => println!("{}", "x".repeat(bytes.parse()?)),
            ("flood", lines) => {
                for line in 0..lines.parse::<u32>()? {
                    println!("line {line} of a flood");
                }
            }
            ("bytes", _) => stdout().write_all(b"not \xff\xfe text, \xf0\x9f half a character\n")?,
            ("in", _) => {
                let mut read = String::new();
                stdin().read_to_string(&mut read)?;
                return Ok(format!("read {read:?}").into());
            }
            (other, _) => bail!("I do not know {other:?}"),
        }
        Ok("done".into())
    }
}

molecule_guest::export!(Stdio);
