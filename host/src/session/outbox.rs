//! Sends what is to be sent, and finds out what became of what may have been.
//!
//! An answer is kept before it is sent, and begun before the request goes out. Where the outcome is unknown, after a
//! crash of the host or a request without an answer, it is settled first:
//!
//! - to the user: the platform does not recognise copies, but it echoes every text in the workspace's own log. Once the
//!   request can no longer land and a poll has then seen all there was, the state knows whether the echo came.
//! - to a peer: the same message id goes out again, and a host that has it already drops it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use molecule_protocol::proxy::{ProxyAnswer, Retry};
use molecule_protocol::{Delivery, PeerId};
use molecule_store::state::{Progress, Settlement, Unsettled};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::{Backoff, Context, Lane, unix_millis};
use super::letter::{Letter, Receiver};
use crate::events::Event;
use crate::platform::PlatformFault;

/// How long a text to the user may be under way, retries included.
pub(super) const NOTIFY_TIME: Duration = Duration::from_secs(15);

/// By when a text that is sent now has landed or never will.
pub(super) fn notify_until() -> i64 {
    const MARGIN: Duration = Duration::from_secs(1);
    unix_millis() + i64::try_from((NOTIFY_TIME + MARGIN).as_millis()).unwrap_or(i64::MAX)
}

/// Requests under way at once.
const AT_ONCE: usize = 16;
/// Sends looked at in one go.
const BATCH: usize = 4096;
/// A letter is tried so often; with waits of up to a minute that is most of a day.
const MAX_ATTEMPTS: u32 = 1000;

/// Sends until the workspace ends.
pub(super) async fn run(context: Arc<Context>) {
    let outbox = Arc::new(Outbox { requests: Semaphore::new(AT_ONCE), under_way: Mutex::default() });
    let mut carriers = JoinSet::new();
    loop {
        let context = &context;
        let Some(unsettled) = context.keep(|| context.state.unsettled(&context.fence, BATCH)).await else {
            return;
        };
        for item in unsettled {
            // Oldest first: of two equal texts the older one gets the lane.
            if let Some(way) = outbox.set_out(&item, context) {
                carriers.spawn(carry(context.clone(), outbox.clone(), item, way));
            }
        }
        tokio::select! {
            () = context.outbox.notified() => {}
            Some(_) = carriers.join_next(), if !carriers.is_empty() => {}
        }
    }
}

/// Waits until nothing is left to send, or may be sent any time soon.
pub(super) async fn drained(context: &Context) {
    let mut wait = Backoff::new(Duration::from_millis(5), Duration::from_millis(100));
    while let Ok(unsettled) = context.state.unsettled(&context.fence, BATCH).await {
        let soon = |item: &Unsettled| item.attempts == 0 || matches!(item.progress, Progress::InDoubt { .. });
        if !unsettled.iter().any(soon) {
            return;
        }
        wait.wait().await;
    }
}

struct Outbox {
    requests: Semaphore,
    under_way: Mutex<HashSet<String>>,
}

/// On its way. Dropped, it may set out again.
struct Way {
    outbox: Arc<Outbox>,
    id: String,
    _lane: Option<Lane>,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.outbox.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Outbox {
    fn set_out(self: &Arc<Self>, item: &Unsettled, context: &Context) -> Option<Way> {
        let id = &item.send.id;
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.contains(id) {
            return None;
        }
        let lane = match &item.send.digest {
            Some(digest) => Some(context.lanes.try_hold(digest)?),
            None => None,
        };
        under_way.insert(id.clone());
        Some(Way { outbox: self.clone(), id: id.clone(), _lane: lane })
    }
}

/// Takes one send to its end.
async fn carry(context: Arc<Context>, outbox: Arc<Outbox>, item: Unsettled, _way: Way) {
    let letter = Letter::read(&item.send);
    let settlement = match (letter, Receiver::read(&item.send.to)) {
        (Some(letter), Some(Receiver::User)) => to_user(&context, &outbox, item.clone(), letter).await,
        (Some(letter), Some(Receiver::Peer(peer))) => to_peer(&context, &outbox, &item, letter, &peer).await,
        _ => Some(Settlement::Abandoned("it cannot be read back".to_owned())),
    };
    // Settled by somebody else, or the workspace ends.
    let Some(settlement) = settlement else { return };
    let id = &item.send.id;
    context.keep(|| context.state.settle(&context.fence, id, settlement.clone(), unix_millis())).await;
    let to = item.send.to;
    context.say(match settlement {
        Settlement::Abandoned(reason) => Event::Undeliverable { to, reason },
        Settlement::Landed | Settlement::NotSent => Event::Delivered { to },
    });
}

/// What an attempt came to.
enum Attempt {
    Landed,
    /// The receiver certainly does not have it, and may get it later.
    NotSent,
    /// The receiver will never take it.
    Refused(String),
    /// Nobody can tell.
    Unknown,
}

async fn to_user(
    context: &Context,
    outbox: &Outbox,
    mut item: Unsettled,
    letter: Letter,
) -> Option<Settlement> {
    let id = item.send.id.clone();
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    loop {
        if let Progress::InDoubt { until, echoed, once } = item.progress {
            if echoed {
                return Some(Settlement::Landed);
            }
            match clear_up(context, &id, until).await? {
                true => return Some(Settlement::Landed),
                false if once => return Some(Settlement::Abandoned("it did not arrive".to_owned())),
                false => {}
            }
        }
        if item.attempts >= MAX_ATTEMPTS {
            return Some(Settlement::Abandoned(format!("it could not be sent in {MAX_ATTEMPTS} attempts")));
        }
        item.attempts += 1;
        let turn = outbox.requests.acquire().await.ok()?;
        let until = notify_until();
        context.keep(|| context.state.begin(&context.fence, &id, until)).await?;
        let request = letter.clone().into_notify();
        let attempt = match tokio::time::timeout(NOTIFY_TIME, context.client.notify(&request)).await {
            Ok(Ok(())) => Attempt::Landed,
            Ok(Err(error)) => attempt_of(error.delivery(), &error.fault, || error.to_string()),
            Err(_) => Attempt::Unknown,
        };
        drop(turn);
        match attempt {
            Attempt::Landed => return Some(Settlement::Landed),
            Attempt::Refused(reason) => return Some(Settlement::Abandoned(reason)),
            Attempt::NotSent => {
                not_sent(context, &id).await?;
                item.progress = Progress::Ready;
                backoff.wait().await;
            }
            Attempt::Unknown => item.progress = Progress::InDoubt { until, echoed: false, once: false },
        }
    }
}

/// Whether a text in doubt has landed, once that can be known. `None` when somebody else has settled it.
async fn clear_up(context: &Context, id: &str, until: i64) -> Option<bool> {
    // Against a clock that jumped: no request is under way for longer than its time.
    let left = u64::try_from(until - unix_millis()).unwrap_or(0);
    let longest = NOTIFY_TIME + Duration::from_secs(1);
    tokio::time::sleep(Duration::from_millis(left).min(longest)).await;
    context.polled_after(Instant::now()).await;
    let unsettled = context.keep(|| context.state.unsettled(&context.fence, BATCH)).await?;
    let item = unsettled.into_iter().find(|item| item.send.id == id)?;
    Some(matches!(item.progress, Progress::InDoubt { echoed: true, .. }))
}

async fn to_peer(
    context: &Context,
    outbox: &Outbox,
    item: &Unsettled,
    letter: Letter,
    peer: &PeerId,
) -> Option<Settlement> {
    let id = &item.send.id;
    let message = letter.into_message(id);
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    for _ in item.attempts..MAX_ATTEMPTS {
        let turn = outbox.requests.acquire().await.ok()?;
        // Nothing is waited for after a doubt: a copy does no harm.
        let begun = context.keep(|| context.state.begin(&context.fence, id, unix_millis())).await;
        begun?;
        let attempt = match context.client.send_to_peer(peer, &message).await {
            Ok(ProxyAnswer::Failed(failure)) => match (failure.retry(), failure.delivery()) {
                (_, Delivery::Yes) => Attempt::Landed,
                (_, Delivery::Unknown) => Attempt::Unknown,
                (Retry::Never, Delivery::No) => Attempt::Refused(failure.to_string()),
                (_, Delivery::No) => Attempt::NotSent,
            },
            // It has the message, whatever it says to it: an answer is not answered.
            Ok(_) => Attempt::Landed,
            Err(error) => attempt_of(error.delivery(), &error.fault, || error.to_string()),
        };
        drop(turn);
        match attempt {
            Attempt::Landed => return Some(Settlement::Landed),
            Attempt::Refused(reason) => return Some(Settlement::Abandoned(reason)),
            Attempt::NotSent => not_sent(context, id).await?,
            Attempt::Unknown => {}
        }
        backoff.wait().await;
    }
    Some(Settlement::Abandoned(format!("it could not be sent in {MAX_ATTEMPTS} attempts")))
}

fn attempt_of(delivery: Delivery, fault: &PlatformFault, words: impl Fn() -> String) -> Attempt {
    use PlatformFault as Fault;
    match (delivery, fault) {
        (Delivery::Yes, _) => Attempt::Landed,
        (Delivery::Unknown, _) => Attempt::Unknown,
        (
            Delivery::No,
            Fault::NotFound { .. }
            | Fault::Gone { .. }
            | Fault::Rejected { .. }
            | Fault::Forbidden { .. }
            | Fault::Invalid(_),
        ) => Attempt::Refused(words()),
        // A token can be renewed, a server comes back, a misrouted request finds its way.
        (Delivery::No, _) => Attempt::NotSent,
    }
}

async fn not_sent(context: &Context, id: &str) -> Option<()> {
    context.keep(|| context.state.settle(&context.fence, id, Settlement::NotSent, unix_millis())).await
}
