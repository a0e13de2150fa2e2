//! What was said, read back from the platform's log of the workspace.

use molecule_gate::Permit;
use molecule_protocol::activity::{A2A_RECEIVE, MAX_LIMIT};
use molecule_protocol::proxy::{self, ProxyAnswer};
use molecule_protocol::{ActivityQuery, ActivityRow, ActivitySource, Inbound, Part, PeerId, Timestamp};
use molecule_runtime::ReadHistory;
use molecule_runtime::wit::messages::{Correspondent, Direction, Entry, HistoryQuery};
use molecule_runtime::wit::{self, Error};

use super::context::Context;
use super::errors;
use super::inbox::{self, Received};
use crate::platform::ActivityAnswer;

/// Rows looked at where the agent does not say.
const ROWS: u32 = 50;

/// With whom.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whom {
    Anybody,
    User,
    Peer(PeerId),
}

pub(super) async fn read(context: &Context, permit: Permit<ReadHistory>) -> Result<Vec<Entry>, Error> {
    let HistoryQuery { correspondent, before, limit } = permit.into_act().query;
    let whom = match correspondent {
        None => Whom::Anybody,
        Some(Correspondent::User) => Whom::User,
        Some(Correspondent::Peer(written)) => {
            let peer = context.directory.resolve(&written).await?;
            Whom::Peer(peer.id.parse().map_err(|_| Error::NotFound(format!("{written} is no peer")))?)
        }
    };
    let before = before.map(|text| {
        let time = text.parse::<Timestamp>();
        time.map_err(|error| Error::Invalid(format!("{text} is no time as RFC 3339 has it: {error}")))
    });
    let before = before.transpose()?;
    let query = ActivityQuery {
        activity_type: Some(A2A_RECEIVE.to_owned()),
        source: (whom == Whom::User).then_some(ActivitySource::Canvas),
        peer_id: match &whom {
            Whom::Peer(peer) => Some(peer.as_str().to_owned()),
            Whom::Anybody | Whom::User => None,
        },
        limit: Some(limit.unwrap_or(ROWS).clamp(1, MAX_LIMIT)),
        before_ts: before,
        ..ActivityQuery::default()
    };
    let page = match context.client.activity(&query).await.map_err(|error| errors::of_platform(&error))? {
        ActivityAnswer::Page(page) => page,
        // Only a cursor can be lost, and none was given.
        ActivityAnswer::CursorLost => return Ok(Vec::new()),
    };
    // An older platform knows neither of these conditions.
    let wanted = |row: &ActivityRow| before.is_none_or(|before| row.created_at.is_none_or(|at| at < before));
    let rows = page.oldest_first().into_iter().filter(wanted);
    Ok(rows.flat_map(|row| entries(context, &row)).filter(|entry| is_with(entry, &whom)).collect())
}

fn is_with(entry: &Entry, whom: &Whom) -> bool {
    match (whom, &entry.other) {
        (Whom::Anybody, _) => true,
        (Whom::User, other) => matches!(other, wit::Sender::User),
        (Whom::Peer(peer), wit::Sender::Peer(other)) => *peer.as_str() == other.id,
        (Whom::Peer(_), _) => false,
    }
}

/// What a row says: a message and, where it was answered at once, the answer; or an echo of what was written to the user.
fn entries(context: &Context, row: &ActivityRow) -> Vec<Entry> {
    let at = row.created_at.map(|time| time.to_string());
    let entry = |direction, other, parts: &[Part]| Entry {
        id: row.id.clone(),
        at: at.clone(),
        direction,
        other,
        parts: inbox::parts(parts),
    };
    match row.inbound(&context.spec.workspace_id) {
        Inbound::Echo(text) => {
            let files = row.response_body.as_ref().and_then(|body| body.at(&["parts"]));
            let files = files.map(|parts| Part::read_list(&parts)).unwrap_or_default();
            let text = (!text.is_empty()).then(|| Part::text(text));
            let parts: Vec<Part> = text.into_iter().chain(files).collect();
            vec![entry(Direction::Sent, wit::Sender::User, &parts)]
        }
        Inbound::Message(message) => {
            let received = Received::of(*message);
            let name = received.peer.as_ref().and_then(|peer| context.directory.name_of(peer.as_str()));
            let sender = received.to_message(name, 0).sender;
            let question = entry(Direction::Received, sender.clone(), &received.message.parts);
            let answer = row.response_body.as_ref().and_then(|body| {
                match proxy::classify(200, None, body.get().as_bytes()) {
                    ProxyAnswer::Answer { text, .. } if !text.is_empty() => Some(Part::text(text)),
                    _ => None,
                }
            });
            let answer = answer.map(|part| entry(Direction::Sent, sender, &[part]));
            std::iter::once(question).chain(answer).collect()
        }
        Inbound::Skip(_) => Vec::new(),
    }
}
