//! Does what a message says through the host, and answers with what came of it, one line per import:
//! `<import>: ok ..`, `<import>: denied <rule>, grant ..` or `<import>: error ..`. A message is the name of an import
//! and its arguments, such as `peers.call bob how are you`; `all` goes through all of them.

use std::time::Duration;

use molecule_guest::log::Level;
use molecule_guest::{
    Agent, Card, Error, Message, Outcome, Result, bail, http, log, messages, peers, plugins, secrets,
    storage, time, workspace,
};

/// Every import, with arguments. A new import gets a line here, in `call` below, and in the tests that read them.
const ALL: [&str; 19] = [
    "workspace.me",
    "workspace.config key",
    "workspace.set-task trying everything",
    "messages.notify hello user",
    "peers.list",
    "peers.call bob hello bob",
    "http.fetch GET https://api.example.com/v1",
    "http.read GET https://api.example.com/v1",
    "http.pipe",
    "http.write piece",
    "http.finish",
    "secrets.names",
    "secrets.reveal KEY",
    "storage.measure",
    "plugins.install dev",
    "plugins.list",
    "plugins.remove dev",
    "log.write hello log",
    "time.sleep 1",
];

#[derive(Default)]
struct Effects;

impl Agent for Effects {
    fn describe() -> Card {
        zoo::card("effects")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        let wanted = if text == "all" { ALL.to_vec() } else { vec![text.as_str()] };
        let mut lines = Vec::new();
        for effect in wanted {
            let (import, arguments) = zoo::words(effect);
            lines.push(format!("{import}: {}", call(import, arguments).await?));
        }
        Ok(lines.join("\n").into())
    }
}

async fn call(import: &str, arguments: &str) -> Result<String> {
    Ok(match import {
        "workspace.me" => zoo::verdict(Ok(workspace::me())),
        "workspace.config" => zoo::verdict(Ok(workspace::config(arguments))),
        "workspace.set-task" if arguments.is_empty() => zoo::verdict(workspace::clear_task()),
        "workspace.set-task" => zoo::verdict(workspace::set_task(arguments)),
        "messages.notify" => zoo::verdict(messages::notify(arguments).await),
        "peers.list" => {
            let names = |peers: Vec<peers::Peer>| peers.into_iter().map(|peer| peer.name).collect::<Vec<_>>();
            zoo::verdict(peers::list().await.map(names))
        }
        "peers.call" => {
            let (peer, text) = zoo::words(arguments);
            zoo::verdict(peers::call(peer, text).timeout(Duration::from_secs(5)).await)
        }
        "http.fetch" => zoo::verdict(fetch(arguments).await.map(|response| response.status())),
        "http.read" => zoo::verdict(read(arguments).await),
        "http.pipe" => {
            let _ = http::pipe();
            zoo::verdict(Ok(()))
        }
        "http.write" => {
            let (writer, _body) = http::pipe();
            zoo::verdict(writer.write(arguments).await)
        }
        "http.finish" => {
            let (writer, _body) = http::pipe();
            zoo::verdict(writer.finish().await)
        }
        "secrets.names" => zoo::verdict(Ok(secrets::names())),
        "secrets.reveal" => zoo::verdict(secrets::reveal(arguments).await),
        "storage.measure" => zoo::verdict(Ok(storage::usage().await)),
        "plugins.install" => {
            let (name, source) = zoo::words(arguments);
            let install = plugins::install(name);
            let install = if source.is_empty() { install } else { install.source(source) };
            zoo::verdict(install.await.map(|installed| installed.plugin.name))
        }
        "plugins.list" => zoo::verdict(plugins::list().await),
        "plugins.remove" => zoo::verdict(plugins::remove(arguments).await),
        "log.write" => {
            log::write(Level::Info, arguments, &[("import", &import)]);
            zoo::verdict(Ok(()))
        }
        "time.sleep" => zoo::verdict(time::sleep(Duration::from_millis(arguments.parse()?)).await),
        other => bail!("I know no import {other:?}"),
    })
}

async fn fetch(arguments: &str) -> Result<http::Response, Error> {
    let (method, url) = zoo::words(arguments);
    http::request(method, url).await
}

async fn read(arguments: &str) -> Result<String, Error> {
    fetch(arguments).await?.text().await
}

molecule_guest::export!(Effects);
