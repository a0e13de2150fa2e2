//! Looks for messages and takes them in: page by page, each in one step with the cursor.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use molecule_protocol::activity::A2A_RECEIVE;
use molecule_protocol::inbound::Skip;
use molecule_protocol::uploads::Upload;
use molecule_protocol::{ActivityQuery, ActivityRow, Inbound, PeerId, Timestamp};
use molecule_runtime::wit::Content;
use molecule_store::state::{Page, Position, Row, RowKind, StateError};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::Context;
use super::inbox::{self, Received};
use super::letter::digest;
use super::situation::Situation;
use super::waiting::Waiter;
use super::{delegations, files};
use crate::events::Event;
use crate::platform::{ActivityAnswer, PlatformError, PlatformFault};

/// Rows asked for at once.
const PAGE: u32 = 100;
/// Rows asked for at once where a whole stretch of time is read again.
const LARGE_PAGE: u32 = 500;
/// How far back the first look goes, and how much further than the last one after the cursor was lost.
const LOOK_BACK: Duration = Duration::from_secs(600);
/// A row may become visible after a younger one: the newest are looked at again so often.
const SWEEP: Duration = Duration::from_secs(60);
/// Rows that are known to have been taken, so that a sweep asks the state about none of them.
const REMEMBERED: usize = 2048;

/// Looks for messages until the workspace ends.
pub(super) async fn run(context: Arc<Context>) {
    let mut inbound = InboundLoop {
        context: &context,
        last_sweep: None,
        taken: Recent::default(),
        fetches: JoinSet::new(),
        began_empty: false,
    };
    let mut failures = 0_u32;
    loop {
        context.working().await;
        let began = Instant::now();
        match inbound.look().await {
            Ok(()) => {
                failures = 0;
                context.seen_all.send_replace(Some(began));
            }
            Err(trouble) => {
                match &trouble {
                    Trouble::State(error @ StateError::Fenced { .. }) => return context.lost(error),
                    // Whether the token was revoked or the workspace deleted is found out, and said, elsewhere.
                    Trouble::Platform(PlatformError {
                        fault: PlatformFault::Unauthorized { .. }, ..
                    }) => {
                        context.look.notify_one();
                    }
                    _ if failures == 0 => context
                        .say(Event::Trouble(format!("no messages can be fetched, trying again: {trouble}"))),
                    _ => {}
                }
                failures += 1;
                // What came meanwhile may lie before what comes next.
                inbound.last_sweep = None;
            }
        }
        let eager = context.eager.load(Ordering::Relaxed) > 0;
        let interval = if eager { context.spec.intervals.poll_eager } else { context.spec.intervals.poll };
        // 5, 10, 20, 30 s where nothing else was said.
        let wait = match failures {
            0 | 1 => interval,
            2 => interval * 2,
            3 => interval * 4,
            _ => interval * 6,
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = context.poll.notified(), if failures == 0 => {}
        }
    }
}

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Platform(#[from] PlatformError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(
        "mailbox limit: {waiting} messages of {bytes} bytes wait for the agent already; it is too slow, or it hangs; \
         --max-mailbox and --max-mailbox-bytes let more in"
    )]
    Full { waiting: u64, bytes: u64 },
    #[error(
        "410 to a request without a cursor; something between this host and the platform is wrong, if that goes on"
    )]
    NoCursor,
}

/// A page, oldest row first.
struct Fetched {
    rows: Vec<ActivityRow>,
    /// There may be more.
    full: bool,
    /// It came newest row first.
    descending: bool,
}

struct InboundLoop<'a> {
    context: &'a Arc<Context>,
    last_sweep: Option<Instant>,
    taken: Recent,
    /// Files on their way.
    fetches: JoinSet<()>,
    /// The log was empty when this host began: all that comes is new.
    began_empty: bool,
}

impl InboundLoop<'_> {
    /// Takes in all there is.
    async fn look(&mut self) -> Result<(), Trouble> {
        if self.context.situation() == Situation::Unclear {
            Box::pin(self.find_out()).await?;
        }
        match self.context.situation().has_cursor() {
            true => self.look_after_the_cursor().await,
            false => Box::pin(self.look_at_the_newest()).await,
        }
    }

    /// Finds out whether the platform knows cursors: to one that is nowhere it answers that it is lost, if it does.
    async fn find_out(&self) -> Result<(), Trouble> {
        let nowhere = "00000000-0000-0000-0000-000000000000".to_owned();
        let query = ActivityQuery { since_id: Some(nowhere), limit: Some(1), ..received() };
        self.context.found(match self.fetch(query).await? {
            None => Situation::Poll,
            Some(_) => Situation::WithoutCursor,
        });
        Ok(())
    }

    async fn look_after_the_cursor(&mut self) -> Result<(), Trouble> {
        loop {
            self.room().await?;
            let position = self.context.state.position(self.context.fence()).await?;
            let Some(cursor) = position.cursor.clone() else {
                Box::pin(self.first_look()).await?;
                break;
            };
            let query = ActivityQuery { since_id: Some(cursor.clone()), limit: Some(PAGE), ..received() };
            let Some(Fetched { rows, full, descending }) = self.fetch(query).await? else {
                // The cursor is lost.
                self.read_again(since(&position, self.context.unix_millis())).await?;
                break;
            };
            if descending || rows.iter().any(|row| row.id == cursor) {
                // It does not know what a cursor is after all.
                self.context.found(Situation::WithoutCursor);
                return Box::pin(self.look_at_the_newest()).await;
            }
            self.take(rows, true).await?;
            if !full {
                break;
            }
        }
        self.sweep().await
    }

    /// Where there is no cursor yet: what the last minutes have brought, or nothing but where to go on from.
    async fn first_look(&mut self) -> Result<(), Trouble> {
        let back = self.context.spec.look_back.unwrap_or(LOOK_BACK);
        if !back.is_zero() || self.began_empty {
            return self.read_again(if back.is_zero() { LOOK_BACK } else { back }).await;
        }
        let query = ActivityQuery { limit: Some(1), ..received() };
        if let Some(Fetched { rows, .. }) = self.fetch(query).await? {
            self.began_empty = rows.is_empty();
            self.pass_over(rows).await?;
        }
        Ok(())
    }

    /// Looks at the newest rows, of which some may be known: for a platform without cursors.
    async fn look_at_the_newest(&mut self) -> Result<(), Trouble> {
        self.room().await?;
        let is_first = self.context.state.position(self.context.fence()).await?.at.is_none();
        let (mut limit, mut taken_just_now) = (PAGE, 0);
        loop {
            let query = ActivityQuery { limit: Some(limit), ..received() };
            let Some(Fetched { mut rows, full, .. }) = self.fetch(query).await? else { return Ok(()) };
            if is_first {
                // What was there before is no message to this host, unless it was asked for.
                let back = self.context.spec.look_back.unwrap_or_default();
                let from = self.context.unix_millis() - i64::try_from(back.as_millis()).unwrap_or(i64::MAX);
                let (old, new) = rows.into_iter().partition(|row| {
                    back.is_zero() || row.created_at.is_some_and(|at| at.as_millisecond() < from)
                });
                self.pass_over(old).await?;
                return self.take(new, true).await.map(drop);
            }
            let all = rows.len();
            rows.retain(|row| !self.taken.contains(&row.id));
            let known = all - rows.len() + self.take(rows, true).await?;
            if known > taken_just_now || !full {
                return Ok(());
            }
            if limit == LARGE_PAGE {
                self.context.say(Event::Trouble(format!(
                    "more than {LARGE_PAGE} rows came between two looks on a platform without cursors: some messages may be \
                     missed; a shorter --poll-interval helps"
                )));
                return Ok(());
            }
            (limit, taken_just_now) = (LARGE_PAGE, all);
        }
    }

    /// Remembers rows without taking what they say.
    async fn pass_over(&mut self, rows: Vec<ActivityRow>) -> Result<(), Trouble> {
        let cursor = rows.last().map(|row| row.id.clone());
        let context = self.context;
        let rows: Vec<Row> = rows.into_iter().map(|row| Row { id: row.id, kind: RowKind::Skip }).collect();
        // Also of none: from now on it is not the first look any more.
        let page = Page { rows, cursor, at: context.unix_millis(), ..Page::default() };
        context.state.accept(context.fence(), page).await?;
        Ok(())
    }

    /// Looks at the newest rows again, for one that became visible after a younger one.
    async fn sweep(&mut self) -> Result<(), Trouble> {
        // Whoever settles a doubt must not miss the echo.
        let wanted = self.context.eager.load(Ordering::Relaxed) > 0;
        if self.last_sweep.is_some_and(|at| at.elapsed() < SWEEP) && !wanted {
            return Ok(());
        }
        let query = ActivityQuery { limit: Some(PAGE), ..received() };
        if let Some(Fetched { mut rows, .. }) = self.fetch(query).await? {
            rows.retain(|row| !self.taken.contains(&row.id));
            self.take(rows, false).await?;
        }
        self.last_sweep = Some(Instant::now());
        Ok(())
    }

    /// Reads a stretch of time, whatever the cursor: from the newest page back, then taken in from the oldest.
    async fn read_again(&mut self, back: Duration) -> Result<(), Trouble> {
        let mut pages: Vec<Vec<ActivityRow>> = Vec::new();
        let mut known = HashSet::new();
        let mut before: Option<Timestamp> = None;
        loop {
            let query = ActivityQuery {
                since_secs: Some(back.as_secs()),
                limit: Some(LARGE_PAGE),
                before_ts: before,
                ..received()
            };
            // No cursor is in this query: whoever says that it is lost is not the platform, or has bad days.
            let Some(Fetched { mut rows, full, .. }) = self.fetch(query).await? else {
                return Err(Trouble::NoCursor);
            };
            rows.retain(|row| known.insert(row.id.clone()));
            // Rows of the same instant may stand on both sides of a page's edge: it is read once more.
            before = rows.first().and_then(|row| row.created_at).and_then(just_after);
            let more = full && !rows.is_empty() && before.is_some();
            pages.push(rows);
            if !more {
                break;
            }
        }
        for rows in pages.into_iter().rev() {
            self.take(rows, true).await?;
        }
        Ok(())
    }

    /// A page, or a smaller one where it is too long to be read; `None` when the cursor is lost.
    async fn fetch(&self, mut query: ActivityQuery) -> Result<Option<Fetched>, PlatformError> {
        let mut limit = query.limit.unwrap_or(PAGE);
        loop {
            query.limit = Some(limit);
            match self.context.client.activity(&query).await {
                Ok(ActivityAnswer::Page(page)) => {
                    let descending = page.is_descending();
                    let rows = page.oldest_first();
                    return Ok(Some(Fetched { full: rows.len() >= limit as usize, rows, descending }));
                }
                Ok(ActivityAnswer::CursorLost) => return Ok(None),
                Err(error) if limit > 1 && matches!(error.fault, PlatformFault::TooLarge { .. }) => {
                    limit /= 2
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn room(&self) -> Result<(), Trouble> {
        let backlog = self.context.state.backlog(self.context.fence()).await?;
        let most = self.context.spec.mailbox;
        if backlog.waiting >= most.messages || backlog.bytes >= most.bytes {
            return Err(Trouble::Full { waiting: backlog.waiting, bytes: backlog.bytes });
        }
        Ok(())
    }

    /// Takes rows in, oldest first, in one step with the cursor if they move it; how many of them were known.
    async fn take(&mut self, rows: Vec<ActivityRow>, moves_cursor: bool) -> Result<usize, Trouble> {
        let Some(newest) = rows.last().map(|row| row.id.clone()) else { return Ok(0) };
        let context = self.context;
        let mut page =
            Page { cursor: moves_cursor.then_some(newest), at: context.unix_millis(), ..Page::default() };
        let mut replies = Vec::new();
        let mut messages = Vec::new();
        let mut uploads = Vec::new();
        for row in rows {
            let id = row.id.clone();
            let kind = match row.inbound(&context.spec.workspace_id) {
                Inbound::Skip(Skip::Upload) => {
                    uploads.extend(Upload::read(&row).filter(|_| !row.is_of(&context.spec.workspace_id)));
                    RowKind::Skip
                }
                Inbound::Skip(_) => RowKind::Skip,
                Inbound::Echo(text) => RowKind::Echo(digest(&text)),
                Inbound::Message(message) => {
                    let mut received = Received::of(*message);
                    match self.reply(&received) {
                        Some(reply) => {
                            replies.push(reply);
                            RowKind::Skip
                        }
                        None => {
                            if let Some(answered) = delegations::answered(context, &received).await {
                                received.message.message_id = Some(answered.message_id());
                                page.delegations.push(answered.into_step());
                            }
                            messages.push((id.clone(), received.id().to_owned(), received.from()));
                            RowKind::Message(received.to_incoming())
                        }
                    }
                }
            };
            page.rows.push(Row { id, kind });
        }
        let ids: Vec<String> = page.rows.iter().map(|row| row.id.clone()).collect();
        match context.state.accept(context.fence(), page).await {
            Ok(accepted) => {
                for id in ids {
                    self.taken.insert(id);
                }
                for reply in replies {
                    reply.waiter.answer(reply.content);
                }
                for (row, id, from) in messages {
                    if accepted.messages.contains(&row) {
                        context.say(Event::MessageIn { id, from });
                    }
                }
                if !accepted.messages.is_empty() {
                    context.inbox.notify_one();
                }
                for upload in uploads {
                    let context = self.context.clone();
                    self.fetches.spawn(async move { files::received(&context, upload).await });
                }
                while self.fetches.try_join_next().is_some() {}
                Ok(accepted.duplicates)
            }
            Err(error) => {
                // The page comes again, and with it the replies.
                for reply in replies {
                    context.waiting.put_back(reply.id, reply.waiter);
                }
                Err(error.into())
            }
        }
    }

    /// The call that this message answers, if one waits for it.
    fn reply(&self, received: &Received) -> Option<Reply> {
        let (id, peer): (String, &PeerId) = (received.in_reply_to()?, received.peer.as_ref()?);
        let waiter = self.context.waiting.take(&id, peer)?;
        let content = Content {
            parts: inbox::parts(&received.message.parts),
            metadata: received.message.metadata.as_ref().map(|json| json.get().to_owned()),
        };
        Some(Reply { id, waiter, content })
    }
}

/// An answer that a call waits for.
struct Reply {
    id: String,
    waiter: Waiter,
    content: Content,
}

fn received() -> ActivityQuery {
    ActivityQuery { activity_type: Some(A2A_RECEIVE.to_owned()), ..ActivityQuery::default() }
}

/// How far back to read when the cursor is lost. A clock that went back makes it the least, one that went ahead more.
fn since(position: &Position, now: i64) -> Duration {
    let last = position.at.unwrap_or_default();
    Duration::from_millis(u64::try_from(now - last).unwrap_or(0)) + LOOK_BACK
}

fn just_after(time: Timestamp) -> Option<Timestamp> {
    time.checked_add(Duration::from_micros(1)).ok()
}

/// The latest of many ids.
#[derive(Debug, Default)]
struct Recent {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Recent {
    fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    fn insert(&mut self, id: String) {
        if self.ids.insert(id.clone()) {
            self.order.push_back(id);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_cursor_is_looked_for_back_to_the_last_poll_and_a_bit() {
        let now = 1_750_000_000_000;
        let at = |ago: i64| Position { cursor: None, at: Some(now - ago) };
        let seconds = |position| since(&position, now).as_secs();
        assert_eq!(seconds(at(60_000)), 660);
        assert_eq!(seconds(at(-3_600_000)), 600, "the clock went back");
    }

    #[test]
    fn only_the_latest_ids_are_remembered() {
        let mut recent = Recent::default();
        for id in 0..REMEMBERED + 10 {
            recent.insert(id.to_string());
            recent.insert(id.to_string());
        }
        assert!(!recent.contains("9") && recent.contains("10"));
        assert_eq!(recent.ids.len(), REMEMBERED);
    }
}
