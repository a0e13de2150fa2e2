//! Does with plugins what a message says, one command a line, and answers with a line for each.
//!
//! - `install NAME [SOURCE]`: `installed NAME VERSION: <setup>`, or the error
//! - `list`: `NAME VERSION skill,skill` for each plugin; `remove NAME`
//! - `read FILE`, `names FOLDER`: what is in it
//! - `open FILE`: opens it and keeps it open; `rest`: reads what is kept
//! - `wait`: until another message says `go`

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::Read;
use std::time::Duration;

use molecule_guest::plugins::{self, SetupOutcome};
use molecule_guest::{Agent, Card, Context, Message, Outcome, Result, bail, messages, time};

#[derive(Default)]
struct Plugins {
    kept: RefCell<Option<File>>,
    go: Cell<bool>,
}

impl Agent for Plugins {
    fn describe() -> Card {
        zoo::card("plugins").concurrency(2)
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let mut lines = Vec::new();
        for command in message.text().lines() {
            lines.push(match self.command(command).await {
                Ok(done) => done,
                Err(error) => format!("error {error:#}"),
            });
        }
        Ok(lines.join("\n").into())
    }
}

impl Plugins {
    async fn command(&self, command: &str) -> Result<String> {
        let words: Vec<&str> = command.split(' ').collect();
        Ok(match *words {
            ["install", name] => said(plugins::install(name).await?),
            ["install", name, source] => said(plugins::install(name).source(source).await?),
            ["list"] => {
                let line = |plugin: &plugins::Plugin| {
                    let skills: Vec<_> = plugin.skills.iter().map(|skill| skill.name.as_str()).collect();
                    format!("{} {} {}", plugin.name, version(plugin), skills.join(","))
                };
                plugins::list().await?.iter().map(line).collect::<Vec<_>>().join("; ")
            }
            ["remove", name] => {
                plugins::remove(name).await?;
                "removed".to_owned()
            }
            ["read", file] => fs::read_to_string(file)?,
            ["names", folder] => {
                let mut names = Vec::new();
                for entry in fs::read_dir(folder)? {
                    names.push(entry?.file_name().to_string_lossy().into_owned());
                }
                names.sort();
                names.join(" ")
            }
            ["open", file] => {
                self.kept.replace(Some(File::open(file)?));
                "opened".to_owned()
            }
            ["rest"] => {
                let mut text = String::new();
                self.kept.take().context("nothing is open")?.read_to_string(&mut text)?;
                text
            }
            ["wait"] => {
                messages::notify("waiting").await?;
                while !self.go.get() {
                    time::sleep(Duration::from_millis(10)).await?;
                }
                "waited".to_owned()
            }
            ["go"] => {
                self.go.set(true);
                "gone".to_owned()
            }
            _ => bail!("I do not know {command:?}"),
        })
    }
}

fn version(plugin: &plugins::Plugin) -> &str {
    plugin.version.as_deref().unwrap_or("?")
}

fn said(installed: plugins::Installed) -> String {
    let setup = match installed.setup {
        SetupOutcome::Absent => "no setup".to_owned(),
        SetupOutcome::Succeeded => "set up".to_owned(),
        SetupOutcome::Skipped(why) | SetupOutcome::Failed(why) => why,
    };
    format!("installed {} {}: {setup}", installed.plugin.name, version(&installed.plugin))
}

molecule_guest::export!(Plugins);
