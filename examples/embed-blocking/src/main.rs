//! A program without asynchronous code that runs an agent until Enter is pressed. The README says how.

#![allow(clippy::print_stdout, reason = "a program that speaks to a person")]

use std::io::BufRead;
use std::time::Duration;

use anyhow::{Context, Result};
use molecule_host::blocking::{Events, Host, Running};
use molecule_host::{AgentSpec, Event};

const USAGE: &str = "usage: embed-blocking PLATFORM_URL WORKSPACE_ID TOKEN_FILE AGENT.wasm";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().context(USAGE);
    let (platform, workspace, token, component) = (argument()?, argument()?, argument()?, argument()?);

    let host = Host::builder().build_blocking()?;
    let agent =
        host.load(std::fs::read(&component).with_context(|| format!("{component} cannot be read"))?)?;
    println!("{} {}: {}", agent.card.name, agent.card.version, agent.card.description);

    let mut spec = AgentSpec::new(platform.parse()?, workspace.parse()?);
    spec.token.flag = Some(token.into());
    spec.intervals.poll = Duration::from_secs(1);
    // Before it is started: whoever is quick with Enter ends it before the loop below begins.
    let events = Events::from(spec.events.subscribe());
    let running = host.start(&agent, spec)?;
    println!("registered as {}; press Enter to stop", running.name());

    std::thread::spawn(move || stop_at_enter(&running));

    for happened in events {
        match happened {
            Err(missed) => println!("{missed}"),
            Ok(happened) => match happened.event {
                Event::MessageIn { from, .. } => println!("a message from {from}"),
                Event::Delivered { to, .. } => println!("delivered to {to}"),
                Event::Denied { effect, target, .. } => println!("denied: {} {target}", effect.name()),
                Event::Died { death, .. } => println!("died: {death}"),
                Event::Trouble(line) => println!("{line}"),
                Event::Ended(why) => {
                    println!("ended: {why:?}");
                    break;
                }
                _ => {}
            },
        }
    }
    Ok(())
}

fn stop_at_enter(running: &Running) {
    let mut line = String::new();
    // The end of the input is no order to stop: there is none in the background.
    if std::io::stdin().lock().read_line(&mut line).is_ok_and(|read| read > 0) {
        running.stop(Duration::from_secs(10));
    }
}
