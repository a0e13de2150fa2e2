//! Tries every import in `describe`, where nothing may be reached, and says in its description what came of each, one
//! line per import as the guest `effects` does. `describe` is not async: a host that let one of these wait would kill
//! the guest. Sleeping is in the guest `describe-sleeps`.

use molecule_guest::{Agent, Card, Error, http, log, messages, peers, plugins, secrets, workspace};

#[derive(Default)]
struct DescribeEffects;

impl Agent for DescribeEffects {
    fn describe() -> Card {
        log::info!("logged in describe");
        let lines = [
            format!("workspace.me: {}", zoo::verdict(Ok(workspace::me()))),
            format!("workspace.config: {}", zoo::verdict(Ok(workspace::config("key")))),
            format!("workspace.set-task: {}", zoo::verdict(workspace::set_task("describing"))),
            format!("messages.notify: {}", now(messages::notify("from describe"))),
            format!("peers.list: {}", now(peers::list())),
            format!("peers.call: {}", now(peers::call("bob", "from describe").into_future())),
            format!("http.fetch: {}", now(http::get("https://api.example.com/").into_future())),
            format!("secrets.reveal: {}", now(secrets::reveal("KEY"))),
            format!("plugins.install: {}", now(plugins::install("dev").into_future())),
            format!("plugins.remove: {}", now(plugins::remove("dev"))),
        ];
        zoo::card("describe-effects").description(lines.join("\n"))
    }
}

/// The answer to a call that is answered at once, as a denial is.
fn now<T: std::fmt::Debug + 'static>(call: impl Future<Output = Result<T, Error>>) -> String {
    zoo::verdict(wit_bindgen::block_on(call))
}

molecule_guest::export!(DescribeEffects);
