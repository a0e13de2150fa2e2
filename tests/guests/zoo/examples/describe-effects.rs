//! Tries every import in `describe`, where nothing may be reached, and says in its description what came of each, one
//! line per import as the guest `effects` does. `describe` is not async: a host that let one of these wait would kill
//! the guest. Sleeping is in the guest `describe-sleeps`.

use molecule_guest::{
    Agent, Card, Error, approvals, http, log, memory, messages, peers, plugins, secrets, workspace,
};

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
            format!("workspace.register: {}", now(workspace::register(None::<Card>))),
            format!("workspace.heartbeat: {}", now(workspace::heartbeat())),
            format!("workspace.state: {}", now(async { workspace::state().await.map(drop) })),
            format!("messages.open: {}", now(async { messages::open("workspace:/a").await.map(drop) })),
            format!("messages.history: {}", now(async { messages::history().await.map(drop) })),
            format!("messages.progress: {}", now(messages::progress("describing"))),
            format!("peers.discover: {}", now(async { peers::discover("bob").await.map(drop) })),
            format!("peers.delegate: {}", now(async { peers::delegate("bob", "it").await.map(drop) })),
            format!("peers.delegation: {}", now(async { peers::delegation("d").await.map(drop) })),
            format!("memory.read: {}", now(async { memory::get("key").await.map(drop) })),
            format!("memory.write: {}", now(memory::delete("key"))),
            format!("approvals.ask: {}", now(async { approvals::ask("may I").await.map(drop) })),
            format!("approvals.read: {}", now(async { approvals::list().await.map(drop) })),
        ];
        zoo::card("describe-effects").description(lines.join("\n"))
    }
}

/// The answer to a call that is answered at once, as a denial is.
fn now<T: std::fmt::Debug + 'static>(call: impl Future<Output = Result<T, Error>>) -> String {
    zoo::verdict(wit_bindgen::block_on(call))
}

molecule_guest::export!(DescribeEffects);
