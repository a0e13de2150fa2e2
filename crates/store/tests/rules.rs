//! The rules that are easily got wrong, one by one, for both implementations.

#![allow(clippy::expect_used, clippy::panic)]

use molecule_store::state::{
    Fence, Incoming, NewSend, Page, Progress, Retention, Row, RowKind, Settlement, State, StateError,
};
use molecule_store::{Database, MemoryState, SqliteState};

/// A new workspace in a state of one of the implementations.
struct Workspace {
    state: Box<dyn State>,
    fence: Fence,
}

#[tokio::test]
async fn the_echo_of_an_equal_text_confirms_the_one_that_landed_first() {
    for w in workspaces().await {
        w.send("first").await;
        w.send("second").await;
        w.settle("first", Settlement::Landed).await;
        w.echo("row 1").await;
        assert!(!w.is_echoed("second").await, "the echo is the first one's");
        w.echo("row 2").await;
        assert!(w.is_echoed("second").await);
    }
}

/// The older one was held up. It is begun after the younger one has landed, and dies before it is sent: the echo that is
/// read then says nothing about it.
#[tokio::test]
async fn of_equal_texts_the_one_begun_first_is_the_one_echoed_first() {
    for w in workspaces().await {
        w.queue("older").await;
        w.send("younger").await;
        w.settle("younger", Settlement::Landed).await;
        w.begin("older").await.expect("its turn");
        w.echo("row 1").await;
        assert!(!w.is_echoed("older").await, "it may never have arrived");
        w.begin("older").await.expect("once more");
        w.echo("row 2").await;
        assert!(w.is_echoed("older").await);
    }
}

#[tokio::test]
async fn an_echo_seen_twice_confirms_once() {
    for w in workspaces().await {
        w.send("first").await;
        w.send("second").await;
        w.echo("row 1").await;
        w.echo("row 1").await;
        assert!(w.is_echoed("first").await);
        assert!(!w.is_echoed("second").await);
    }
}

#[tokio::test]
async fn a_send_that_was_not_begun_takes_no_echo() {
    for w in workspaces().await {
        w.queue("ready").await;
        w.echo("row 1").await;
        w.begin("ready").await.expect("begin");
        assert!(!w.is_echoed("ready").await);
    }
}

#[tokio::test]
async fn a_send_whose_echo_was_seen_is_not_sent_again() {
    for w in workspaces().await {
        w.send("answer").await;
        w.begin("answer").await.expect("once more while it is in doubt");
        w.echo("row 1").await;
        let again = w.begin("answer").await;
        assert!(matches!(again, Err(StateError::Unknown { what: "send", .. })), "{again:?}");
    }
}

#[tokio::test]
async fn an_abandoned_send_takes_no_echo() {
    for w in workspaces().await {
        w.send("refused").await;
        w.send("in doubt").await;
        w.settle("refused", Settlement::Abandoned("too long".into())).await;
        w.echo("row 1").await;
        assert!(w.is_echoed("in doubt").await);
    }
}

#[tokio::test]
async fn the_echo_of_a_send_that_is_not_there_goes_to_the_next_equal_one() {
    for w in workspaces().await {
        for (way, settlement) in
            [("not sent", Settlement::NotSent), ("abandoned", Settlement::Abandoned("refused".into()))]
        {
            let (absent, present) = (format!("{way}: absent"), format!("{way}: present"));
            w.send(&absent).await;
            w.send(&present).await;
            w.echo(way).await;
            assert!(w.is_echoed(&absent).await, "{way}: it is the oldest that the echo may be of");
            w.settle(&absent, settlement).await;
            assert!(w.is_echoed(&present).await, "{way}: the echo was this one's");
            w.settle(&present, Settlement::Landed).await;
            if way == "not sent" {
                w.begin(&absent).await.expect("it is to be sent again");
                w.settle(&absent, Settlement::Landed).await;
                w.echo("its own, so that none is owed").await;
            }
        }
    }
}

#[tokio::test]
async fn a_send_with_an_echo_that_no_other_explains_has_landed() {
    for w in workspaces().await {
        w.send("answer").await;
        w.echo("row 1").await;
        w.settle("answer", Settlement::NotSent).await;
        assert_eq!(w.state.backlog(&w.fence).await.expect("backlog").unsettled, 0);
        // It keeps its echo: the next one is another's.
        w.send("another").await;
        w.echo("row 2").await;
        assert!(w.is_echoed("another").await);
    }
}

#[tokio::test]
async fn a_text_of_the_agents_own_is_never_sent_again() {
    for w in workspaces().await {
        w.state.intend(&w.fence, send("text"), 10).await.expect("intend");
        w.begin("text").await.expect_err("it is under way, once and for all");
        w.settle("text", Settlement::NotSent).await;
        assert_eq!(w.state.backlog(&w.fence).await.expect("backlog").unsettled, 0, "it did not become ready");
        w.begin("text").await.expect_err("it is over");
    }
}

#[tokio::test]
async fn the_ids_of_a_dead_letter_are_remembered_as_long_as_it_is() {
    for w in workspaces().await {
        w.accept("row 1", message()).await;
        let key = w.claim().await;
        w.state.bury(&w.fence, key, "stuck", None, 50).await.expect("bury");
        let retention = Retention { ended_ms: 0, dead_ms: 950, keep_newest: 0 };
        let dropped = w.state.retain(&w.fence, retention, 1_000).await.expect("retain");
        assert_eq!((dropped.seen, dropped.dead), (0, 0), "exactly as old as may be kept");
        assert_eq!(w.accept("row 2", message()).await, 0, "a copy");
        let dropped = w.state.retain(&w.fence, retention, 1_001).await.expect("retain");
        assert_eq!((dropped.seen, dropped.dead, dropped.done), (2, 1, 0));
        assert_eq!(w.accept("row 3", message()).await, 1, "forgotten");
    }
}

#[tokio::test]
async fn what_is_exactly_as_old_as_may_be_kept_is_kept() {
    for w in workspaces().await {
        w.accept("row 1", RowKind::Skip).await;
        w.send("answer").await;
        w.settle("answer", Settlement::Landed).await;
        let retention = Retention { ended_ms: 900, dead_ms: 0, keep_newest: 0 };
        let kept = w.state.retain(&w.fence, retention, 900).await.expect("retain");
        assert_eq!((kept.seen, kept.sends), (0, 0));
        let dropped = w.state.retain(&w.fence, retention, 901).await.expect("retain");
        // The row, and that of the message which `answer` answers.
        assert_eq!((dropped.seen, dropped.sends), (2, 1));
    }
}

async fn workspaces() -> [Workspace; 2] {
    let database = Database::in_memory(&SqliteState::SCHEMA).expect("in memory");
    [
        Workspace::of(Box::new(MemoryState::new())).await,
        Workspace::of(Box::new(SqliteState::new(database))).await,
    ]
}

impl Workspace {
    async fn of(state: Box<dyn State>) -> Self {
        let fence = state.lease("workspace").await.expect("a lease");
        Self { state, fence }
    }

    /// Taken at time 0; the number of new messages.
    async fn accept(&self, id: &str, kind: RowKind) -> usize {
        let page = Page { rows: vec![Row { id: id.into(), kind }], cursor: None, ..Page::default() };
        self.state.accept(&self.fence, page).await.expect("accept").messages.len()
    }

    async fn echo(&self, row: &str) {
        self.accept(row, RowKind::Echo("the text".into())).await;
    }

    async fn claim(&self) -> i64 {
        self.state.claim(&self.fence, 1).await.expect("claim").first().expect("a message").key
    }

    /// A message whose answer is ready; all answers are of one text.
    async fn queue(&self, id: &str) {
        let kind = RowKind::Message(Incoming { sender: "peer".into(), message_id: None, body: id.into() });
        self.accept(&format!("question for {id}"), kind).await;
        let key = self.claim().await;
        self.state.finish(&self.fence, key, Some(send(id))).await.expect("finish");
    }

    /// An answer that is under way.
    async fn send(&self, id: &str) {
        self.queue(id).await;
        self.begin(id).await.expect("begin");
    }

    async fn begin(&self, id: &str) -> Result<(), StateError> {
        self.state.begin(&self.fence, id, 10).await
    }

    async fn settle(&self, id: &str, settlement: Settlement) {
        self.state.settle(&self.fence, id, settlement, 0).await.expect("settle");
    }

    async fn is_echoed(&self, id: &str) -> bool {
        let unsettled = self.state.unsettled(&self.fence, 10).await.expect("the sends");
        let send =
            unsettled.into_iter().find(|unsettled| unsettled.send.id == id).expect("it is not settled");
        match send.progress {
            Progress::InDoubt { echoed, .. } => echoed,
            Progress::Ready => panic!("{id} is not under way"),
        }
    }
}

fn message() -> RowKind {
    RowKind::Message(Incoming { sender: "peer".into(), message_id: Some("id".into()), body: "hello".into() })
}

fn send(id: &str) -> NewSend {
    NewSend { id: id.into(), to: "user".into(), digest: Some("the text".into()), body: id.into() }
}
