//! Calls every import that came with the rest of the contract, as a message says: one command a line, the name of an import
//! and its arguments, and one line of answer for each: `ok`, `ok <what came back>`, or `error: <case> <text>`; what was
//! denied is `error: denied <rule>, grant <grant>`. Several things in one line are separated by `; `, and `-` stands for an
//! argument that is left out.
//!
//! - `workspace.register [NAME]`, `workspace.heartbeat`, `workspace.state`: `ok STATUS [paused]`
//! - `messages.open URI`: `ok NAME TYPE SIZE TEXT`, `-` for what is not known; `messages.pieces URI`: the bytes of each piece
//! - `messages.files`: the files of this message, each as `NAME TYPE BYTES TEXT`; `messages.file NAME TEXT`: a file to the user
//! - `messages.history [user|peer=P] [before=T] [limit=N]`: `DIRECTION WHO ID TEXT` each, WHO as `user` or the peer's id
//! - `messages.progress status TEXT`, or `whole|first|next|last ID TEXT` of an artifact; `messages.is-canceled`
//! - `peers.discover P`: `ok ID NAME URL`; `peers.invalidate [P]`
//! - `peers.delegate P KEY TASK`, `peers.delegation ID`, `peers.delegations`: `ID PEER STATUS [TEXT]` each
//! - `memory.get KEY`, `memory.list`: `KEY vVERSION JSON` each; `memory.set KEY [ttl=N] [if=N] JSON`: the version;
//!   `memory.delete KEY`
//! - `memory.commit SCOPE NAMESPACE TEXT`: the id; `memory.search SCOPE NAMESPACE [TEXT]`: `ID SCOPE NAMESPACE TEXT` each;
//!   `memory.forget ID`
//! - `memory.save-checkpoint WORKFLOW STEP INDEX [JSON]`, `memory.clear-checkpoints WORKFLOW`;
//!   `memory.checkpoints WORKFLOW`, `memory.latest-checkpoint`: `WORKFLOW STEP INDEX JSON` each
//! - `approvals.ask ACTION [| REASON]`: the id; `approvals.get ID`, `approvals.wait ID SECONDS`, `approvals.list`:
//!   `ID DECISION WHO ACTION` each
//! - `all`: one of each, as lines of `<import>: <answer>`
//!
//! A message that answers another, such as the result of a delegation, is told to the user as `reply to <id>: <text>`.

use std::fmt::Display;
use std::time::Duration;

use molecule_guest::approvals::{self, Approval};
use molecule_guest::memory::{self, Checkpoint, Scope};
use molecule_guest::messages::{self, Chunk, Direction};
use molecule_guest::peers::{self, Delegation, DelegationStatus};
use molecule_guest::{
    Agent, Artifact, Card, Content, Error, File, Message, Outcome, Part, Result, Sender, workspace,
};

/// Every import, with arguments that make sense where there is nothing yet.
const ALL: [&str; 27] = [
    "workspace.register",
    "workspace.heartbeat",
    "workspace.state",
    "messages.open workspace:/a.txt",
    "messages.history user",
    "messages.progress status at it",
    "messages.is-canceled",
    "peers.discover bob",
    "peers.invalidate bob",
    "peers.delegate bob key do it",
    "peers.delegation 00000000-0000-4000-8000-000000000000",
    "peers.delegations",
    "memory.set key 1",
    "memory.get key",
    "memory.list",
    "memory.delete key",
    "memory.commit local - a fact",
    "memory.commit team - a fact",
    "memory.search local - fact",
    "memory.forget 00000000-0000-4000-8000-000000000000",
    "memory.save-checkpoint work step 0 1",
    "memory.checkpoints work",
    "memory.latest-checkpoint",
    "memory.clear-checkpoints work",
    "approvals.ask may I",
    "approvals.get 00000000-0000-4000-8000-000000000000",
    "approvals.list",
];

#[derive(Default)]
struct Contract;

impl Agent for Contract {
    fn describe() -> Card {
        zoo::card("contract").ask_peer("*").concurrency(4)
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let text = message.text();
        if let Some(id) = &message.in_reply_to {
            messages::notify(format!("reply to {id}: {text}")).await?;
            return Ok(Outcome::Nothing);
        }
        let mut lines = Vec::new();
        if text == "all" {
            for command in ALL {
                let (import, _) = zoo::words(command);
                lines.push(format!("{import}: {}", line(command, &message).await));
            }
        } else {
            for command in text.lines() {
                lines.push(line(command, &message).await);
            }
        }
        Ok(lines.join("\n").into())
    }
}

async fn line(command: &str, message: &Message) -> String {
    let (import, arguments) = zoo::words(command);
    let done = match import.split_once('.') {
        Some(("workspace", function)) => of_workspace(function, arguments).await,
        Some(("messages", function)) => of_messages(function, arguments, message).await,
        Some(("peers", function)) => of_peers(function, arguments).await,
        Some(("memory", function)) => of_memory(function, arguments).await,
        Some(("approvals", function)) => of_approvals(function, arguments).await,
        _ => unknown(import),
    };
    match done {
        Ok(said) if said.is_empty() => "ok".to_owned(),
        Ok(said) => format!("ok {said}"),
        Err(error) => format!("error: {}", case(error)),
    }
}

async fn of_workspace(function: &str, arguments: &str) -> Result<String, Error> {
    match function {
        "register" => {
            let card = (!arguments.is_empty()).then(|| zoo::card(arguments));
            workspace::register(card).await.map(|()| String::new())
        }
        "heartbeat" => workspace::heartbeat().await.map(|()| String::new()),
        "state" => {
            let state = workspace::state().await?;
            Ok(format!("{}{}", state.status, if state.paused { " paused" } else { "" }))
        }
        other => unknown(other),
    }
}

async fn of_messages(function: &str, arguments: &str, message: &Message) -> Result<String, Error> {
    match function {
        "open" => {
            let file = messages::open(arguments).await?;
            let facts = format!("{} {} {}", maybe(&file.name), maybe(&file.media_type), maybe(&file.size));
            let bytes = file.bytes(1 << 20).await?;
            Ok(format!("{facts} {}", String::from_utf8_lossy(&bytes)))
        }
        "pieces" => {
            let mut file = messages::open(arguments).await?;
            let mut pieces = Vec::new();
            while let Some(piece) = file.chunk().await? {
                pieces.push(piece.len());
            }
            Ok(joined(pieces))
        }
        "files" => {
            let mut files = Vec::new();
            for file in message.files() {
                files.push(described(file, &file.read().await?));
            }
            Ok(joined(files))
        }
        "file" => {
            let (name, text) = zoo::words(arguments);
            let file = Part::file_bytes(text).name(name).media_type("text/plain");
            messages::notify(Content::from("here it is").part(file)).await.map(|()| String::new())
        }
        "history" => history(arguments).await,
        "progress" => {
            let (kind, rest) = zoo::words(arguments);
            let (id, text) = zoo::words(rest);
            let artifact = || Artifact::new(id, text);
            match kind {
                "status" => messages::progress(rest).await,
                "whole" => messages::progress(artifact()).await,
                "first" => messages::progress(Chunk::first(artifact())).await,
                "next" => messages::progress(Chunk::next(artifact())).await,
                "last" => messages::progress(Chunk::last(artifact())).await,
                other => return unknown(other),
            }
            .map(|()| String::new())
        }
        "is-canceled" => Ok(messages::is_canceled().to_string()),
        other => unknown(other),
    }
}

async fn history(arguments: &str) -> Result<String, Error> {
    let mut query = messages::history();
    for word in arguments.split_whitespace() {
        query = match word.split_once('=') {
            None => query.with_user(),
            Some(("peer", peer)) => query.with_peer(peer),
            Some(("before", time)) => query.before(time),
            Some((_, rows)) => query.limit(number(rows)?),
        };
    }
    Ok(joined(query.await?.iter().map(|entry| {
        let direction = match entry.direction {
            Direction::Received => "received",
            Direction::Sent => "sent",
        };
        let who = match &entry.other {
            Sender::Peer(peer) => peer.id.as_str(),
            Sender::User => "user",
            _ => "other",
        };
        format!("{direction} {who} {} {}", entry.id, entry.text())
    })))
}

async fn of_peers(function: &str, arguments: &str) -> Result<String, Error> {
    match function {
        "discover" => {
            let place = peers::discover(arguments).await?;
            Ok(format!("{} {} {}", place.id, place.name, maybe(&place.url)))
        }
        "invalidate" => {
            match arguments {
                "" => peers::invalidate_all(),
                peer => peers::invalidate(peer),
            }
            Ok(String::new())
        }
        "delegate" => {
            let (peer, rest) = zoo::words(arguments);
            let (key, task) = zoo::words(rest);
            let delegate = peers::delegate(peer, task);
            let given = match present(key) {
                Some(key) => delegate.key(key).await?,
                None => delegate.await?,
            };
            Ok(delegated(&given))
        }
        "delegation" => peers::delegation(arguments).await.map(|it| delegated(&it)),
        "delegations" => peers::delegations().await.map(|all| joined(all.iter().map(delegated))),
        other => unknown(other),
    }
}

async fn of_memory(function: &str, arguments: &str) -> Result<String, Error> {
    let (first, rest) = zoo::words(arguments);
    match function {
        "get" => Ok(memory::get(arguments).await?.map_or("none".to_owned(), |entry| value(&entry))),
        "list" => memory::list().await.map(|all| joined(all.iter().map(value))),
        "set" => set(first, rest).await,
        "delete" => memory::delete(arguments).await.map(|()| String::new()),
        "commit" => {
            let (namespace, text) = zoo::words(rest);
            let commit = memory::commit(text).scope(scope(first)?);
            match present(namespace) {
                Some(namespace) => commit.namespace(namespace).await,
                None => commit.await,
            }
        }
        "search" => {
            let (namespace, text) = zoo::words(rest);
            let mut search = if text.is_empty() { memory::latest() } else { memory::search(text) };
            if let Some(word) = present(first) {
                search = search.scope(scope(word)?);
            }
            if let Some(namespace) = present(namespace) {
                search = search.namespace(namespace);
            }
            Ok(joined(search.await?.iter().map(|found| {
                let scope = format!("{:?}", found.scope).to_lowercase();
                let scope = scope.strip_prefix("scope::").unwrap_or(&scope);
                format!("{} {scope} {} {}", found.id, maybe(&found.namespace), found.content)
            })))
        }
        "forget" => memory::forget(arguments).await.map(|()| String::new()),
        "save-checkpoint" => {
            let (step, rest) = zoo::words(rest);
            let (index, json) = zoo::words(rest);
            let save = memory::save_checkpoint(first, step, number(index)?);
            match json {
                "" => save.await,
                json => save.payload(json).await,
            }
            .map(|()| String::new())
        }
        "checkpoints" => memory::checkpoints(arguments).await.map(|all| joined(all.iter().map(checkpoint))),
        "latest-checkpoint" => {
            Ok(memory::latest_checkpoint().await?.map_or("none".to_owned(), |latest| checkpoint(&latest)))
        }
        "clear-checkpoints" => memory::clear_checkpoints(arguments).await.map(|()| String::new()),
        other => unknown(other),
    }
}

async fn set(key: &str, mut rest: &str) -> Result<String, Error> {
    let (mut ttl, mut version) = (None, None);
    loop {
        let (word, behind) = zoo::words(rest);
        match word.split_once('=') {
            Some(("ttl", seconds)) => ttl = Some(number(seconds)?),
            Some(("if", over)) => version = Some(number(over)?),
            _ => break,
        }
        rest = behind;
    }
    let mut set = memory::set(key, rest);
    if let Some(seconds) = ttl {
        set = set.ttl(Duration::from_secs(seconds.into()));
    }
    if let Some(version) = version {
        set = set.if_version(version);
    }
    set.await.map(|version| version.to_string())
}

async fn of_approvals(function: &str, arguments: &str) -> Result<String, Error> {
    match function {
        "ask" => match arguments.split_once(" | ") {
            Some((action, reason)) => approvals::ask(action).reason(reason).await,
            None => approvals::ask(arguments).await,
        },
        "get" => approvals::get(arguments).await.map(|it| approval(&it)),
        "wait" => {
            let (id, seconds) = zoo::words(arguments);
            let patience = Duration::from_secs(number(seconds)?.into());
            approvals::wait(id, patience).await.map(|it| approval(&it))
        }
        "list" => approvals::list().await.map(|all| joined(all.iter().map(approval))),
        other => unknown(other),
    }
}

fn described(file: &File, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    format!("{} {} {} {text}", maybe(&file.name), maybe(&file.media_type), bytes.len())
}

fn delegated(it: &Delegation) -> String {
    let status = match &it.status {
        DelegationStatus::Pending => "pending".to_owned(),
        DelegationStatus::Queued => "queued".to_owned(),
        DelegationStatus::Completed(answer) => format!("completed {}", answer.text()),
        DelegationStatus::Failed(why) => format!("failed {why}"),
    };
    format!("{} {} {status}", it.id, it.peer.id)
}

fn value(entry: &memory::Entry) -> String {
    format!("{} v{} {}", entry.key, entry.version, entry.value)
}

fn checkpoint(it: &Checkpoint) -> String {
    format!("{} {} {} {}", it.workflow, it.step, it.index, maybe(&it.payload))
}

fn approval(it: &Approval) -> String {
    let decision = match (it.is_pending(), it.is_approved()) {
        (true, _) => "pending",
        (_, true) => "approved",
        _ => "denied",
    };
    format!("{} {decision} {} {}", it.id, maybe(&it.decided_by), it.action)
}

fn scope(word: &str) -> Result<Scope, Error> {
    match word {
        "local" => Ok(Scope::Local),
        "team" => Ok(Scope::Team),
        "global" => Ok(Scope::Global),
        other => unknown(other),
    }
}

fn number(text: &str) -> Result<u32, Error> {
    text.parse().map_err(|_| Error::new(format!("{text:?} is no number")))
}

fn present(word: &str) -> Option<&str> {
    (!word.is_empty() && word != "-").then_some(word)
}

fn maybe(value: &Option<impl Display>) -> String {
    value.as_ref().map_or("-".to_owned(), ToString::to_string)
}

fn joined(all: impl IntoIterator<Item = impl Display>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join("; ")
}

fn unknown<T>(what: &str) -> Result<T, Error> {
    Err(Error::new(format!("I do not know {what:?}")))
}

/// The case of an error, and its text.
fn case(error: Error) -> String {
    match error {
        Error::Denied(denial) => {
            format!("denied {}, grant {}", denial.rule, denial.grant.as_deref().unwrap_or("none"))
        }
        Error::Unauthorized(text) => format!("unauthorized {text}"),
        Error::NotFound(text) => format!("not-found {text}"),
        Error::Forbidden(text) => format!("forbidden {text}"),
        Error::RateLimited(backoff) => format!("rate-limited {}", backoff.message),
        Error::Unavailable(failure) => format!("unavailable {failure}"),
        Error::Timeout(failure) => format!("timeout {failure}"),
        Error::Canceled(sent) => format!("canceled {sent:?}"),
        Error::Conflict(text) => format!("conflict {text}"),
        Error::Invalid(text) => format!("invalid {text}"),
        Error::TooLarge(text) => format!("too-large {text}"),
        Error::Remote(remote) => format!("remote {}", remote.message),
        other => format!("other {other}"),
    }
}

molecule_guest::export!(Contract);
