//! No verb gets slower with what is remembered: each takes as many steps of SQLite's machine among 20,000
//! ended things of every kind as among 200, and walks no table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, StatementStatus};

use super::{SqliteState, WorkspaceRow, dead_letters, inbox, leases, outbox};
use crate::state::{
    Fence, Incoming, MessageKey, NewSend, Page, Row, RowKind, Settlement, StateError, UnixMillis,
};

type Verb = fn(&Workspace) -> Result<(), StateError>;

const VERBS: [(&str, Verb); 17] = [
    ("lease", |w| leases::lease(&w.db, w.fence.workspace.clone()).map(drop)),
    ("check", |w| leases::check(&w.db, &w.fence).map(drop)),
    ("position", |w| inbox::position(&w.db, w.row).map(drop)),
    ("accept", |w| inbox::accept(&w.db, w.row, &page("new", 3)).map(drop)),
    ("accept an echo", |w| inbox::accept(&w.db, w.row, &echo()).map(drop)),
    ("claim", |w| inbox::claim(&w.db, w.row, 1).map(drop)),
    ("finish", |w| inbox::finish(&w.db, w.row, w.claimed[0], Some(&send("answer")))),
    ("fault", |w| inbox::fault(&w.db, w.row, w.claimed[1], "it trapped").map(drop)),
    ("release", |w| inbox::release(&w.db, w.row, w.claimed[2])),
    ("bury", |w| dead_letters::bury(&w.db, w.row, w.claimed[3], "three faults", None, NOW)),
    ("intend", |w| outbox::intend(&w.db, w.row, &send("intended"), NOW)),
    ("unsettled", |w| outbox::unsettled(&w.db, w.row, 5).map(drop)),
    ("begin", |w| outbox::begin(&w.db, w.row, "ready", NOW)),
    ("settle", |w| outbox::settle(&w.db, w.row, "begun", &Settlement::NotSent, NOW)),
    ("dead letters", |w| dead_letters::newest(&w.db, w.row, 5).map(drop)),
    ("revive", |w| dead_letters::revive(&w.db, w.row, w.dead)),
    ("discard", |w| dead_letters::discard(&w.db, w.row, w.dead)),
];

const NOW: UnixMillis = 1_000;

/// One workspace of two, with as much in each.
struct Workspace {
    db: Connection,
    fence: Fence,
    row: WorkspaceRow,
    claimed: Vec<MessageKey>,
    dead: MessageKey,
    counters: Counters,
}

#[test]
fn no_verb_gets_slower_with_what_is_remembered() {
    let [few, many] = [200, 20_000].map(|remembered| workspace(remembered).expect("a workspace"));
    for (name, verb) in VERBS {
        let [few, many] = [&few, &many].map(|workspace| workspace.cost(verb));
        assert!(few.steps > 0, "{name} was not measured");
        assert_eq!(many.walked, 0, "{name} walks a table: {many:?}");
        assert_eq!(many.prepared_anew, 0, "{name} has a statement that is prepared at each use: {many:?}");
        assert!(many.steps <= few.steps * 2, "{name} takes {} steps, then {}", few.steps, many.steps);
    }
}

#[derive(Debug, Default)]
struct Cost {
    steps: i64,
    walked: i64,
    prepared_anew: i64,
}

/// Steps, walks and preparations of each statement since it was prepared.
type Counters = Arc<Mutex<BTreeMap<String, [i64; 3]>>>;

impl Workspace {
    /// What a verb's statements cost when it is called twice (the second time it may find its work done).
    /// Leaves the workspace as it was.
    fn cost(&self, verb: Verb) -> Cost {
        self.db.flush_prepared_statement_cache();
        self.counters.lock().expect("the counters").clear();
        let undone = self.db.unchecked_transaction().expect("a transaction");
        verb(self).expect("the verb");
        let _ = verb(self);
        drop(undone);
        let counters = self.counters.lock().expect("the counters");
        counters.values().fold(Cost::default(), |sum, [steps, walked, prepared_anew]| Cost {
            steps: sum.steps + steps,
            walked: sum.walked + walked,
            prepared_anew: sum.prepared_anew + prepared_anew,
        })
    }
}

fn count_into(counters: &Counters) -> impl FnMut(TraceEvent<'_>) + Send + 'static {
    let counters = Arc::clone(counters);
    move |event| {
        if let TraceEvent::Profile(statement, _) = event {
            use StatementStatus::{FullscanStep, RePrepare, VmStep};
            let counted = [VmStep, FullscanStep, RePrepare].map(|of| i64::from(statement.get_status(of)));
            counters.lock().expect("the counters").insert(statement.sql().into_owned(), counted);
        }
    }
}

fn workspace(remembered: usize) -> Result<Workspace, StateError> {
    let mut db = crate::database::in_memory_connection(&SqliteState::SCHEMA)?;
    let transaction = db.unchecked_transaction()?;
    fill(&db, "neighbour", remembered)?;
    let (fence, row) = fill(&db, "measured", remembered)?;
    inbox::accept(&db, row, &page("open", 20))?;
    let mut claimed: Vec<_> = inbox::claim(&db, row, 10)?.into_iter().map(|message| message.key).collect();
    let dead = claimed.pop().expect("ten were claimed");
    dead_letters::bury(&db, row, dead, "three faults", None, NOW)?;
    for id in ["ready", "begun"] {
        outbox::queue(&db, row, &send(id))?;
    }
    outbox::begin(&db, row, "begun", NOW)?;
    transaction.commit()?;
    let counters = Counters::default();
    db.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(count_into(&counters)))?;
    Ok(Workspace { db, fence, row, claimed, dead, counters })
}

/// As many ids, done messages, dead letters and settled sends of one text.
fn fill(db: &Connection, name: &str, remembered: usize) -> Result<(Fence, WorkspaceRow), StateError> {
    let fence = leases::lease(db, name.to_owned())?;
    let row = leases::check(db, &fence)?;
    inbox::accept(db, row, &page("old", remembered))?;
    for (number, message) in inbox::claim(db, row, remembered)?.into_iter().enumerate() {
        if number % 2 == 0 {
            dead_letters::bury(db, row, message.key, "three faults", None, NOW)?;
            continue;
        }
        let id = format!("old {number}");
        inbox::finish(db, row, message.key, Some(&send(&id)))?;
        outbox::begin(db, row, &id, NOW)?;
        let abandoned = number % 3 == 0;
        let how = if abandoned { Settlement::Abandoned("gone".into()) } else { Settlement::Landed };
        outbox::settle(db, row, &id, &how, NOW)?;
        if !abandoned {
            outbox::echo(db, row, "the same text")?;
        }
    }
    Ok((fence, row))
}

fn send(id: &str) -> NewSend {
    NewSend { id: id.into(), to: "user".into(), digest: Some("the same text".into()), body: "hello".into() }
}

fn page(name: &str, rows: usize) -> Page {
    let row = |number| {
        let message = Incoming {
            sender: "peer".into(),
            message_id: Some(format!("{name} {number}")),
            body: "hi".into(),
        };
        Row { id: format!("row {name} {number}"), kind: RowKind::Message(message) }
    };
    Page { rows: (0..rows).map(row).collect(), cursor: Some(name.into()), at: NOW, ..Page::default() }
}

fn echo() -> Page {
    let row = Row { id: "echo".into(), kind: RowKind::Echo("the same text".into()) };
    Page { rows: vec![row], ..Page::default() }
}
