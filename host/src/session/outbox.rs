//! Sends what is to be sent, and finds out what became of what may have been.
//!
//! An answer is kept before it is sent, and begun before the request goes out. Where the outcome is unknown, after a
//! crash of the host or a request without an answer, it is settled first:
//!
//! - to the user: the platform does not recognise copies, but it echoes every text in the workspace's own log. Once the
//!   request can no longer land and a poll has then seen all there was, the state knows whether the echo came.
//! - to a peer: the same message id goes out again, and a host that has it already drops it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use molecule_protocol::proxy::{FailureKind, ProxyAnswer, Retry};
use molecule_protocol::{Delivery, PeerId};
use molecule_store::state::{Progress, Settlement, StateError, Unsettled};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::Context;
use super::lanes::Lane;
use super::letter::{Letter, Receiver};
use crate::events::Event;
use crate::platform::{PlatformError, PlatformFault};

/// How long a text to the user may be under way, retries included.
pub(super) const NOTIFY_TIME: Duration = Duration::from_secs(15);
/// So much later it certainly is no more.
const MARGIN: Duration = Duration::from_secs(1);

/// By when a text that is sent now has landed or never will.
pub(super) fn notify_until(context: &Context) -> i64 {
    context.unix_millis() + i64::try_from((NOTIFY_TIME + MARGIN).as_millis()).unwrap_or(i64::MAX)
}

/// Requests under way at once to the user, and as many to peers, who may think for minutes.
const AT_ONCE: usize = 16;
/// Sends looked at in one go.
const BATCH: usize = 4096;
/// A letter is tried so often; with waits of up to a minute that is a week, which is as long as the platform keeps rows.
const MAX_ATTEMPTS: u32 = 10_000;
/// So often it is not believed that an answer that makes no sense is the peer's.
const ODD_ANSWERS: u32 = 5;

/// Takes the lanes of what an earlier life left in doubt.
pub(super) async fn take_over(context: &Context) {
    let unsettled = context.keep(|| context.state.unsettled(context.fence(), usize::MAX)).await;
    for item in unsettled.unwrap_or_default() {
        if let (Progress::InDoubt { echoed: false, .. }, Some(digest)) = (item.progress, &item.send.digest) {
            context.lanes.leave_to(&item.send.id, digest);
        }
    }
}

/// Sends until the workspace ends.
pub(super) async fn run(context: Arc<Context>) {
    let outbox = Arc::new(Outbox {
        to_user: Semaphore::new(AT_ONCE),
        to_peers: Semaphore::new(AT_ONCE),
        under_way: Mutex::default(),
    });
    let (in_order, ordered) = mpsc::unbounded_channel();
    let mut carriers = JoinSet::new();
    carriers.spawn(send_in_order(ordered));
    loop {
        outbox.under_way().arrived.clear();
        let unsettled = context.keep(|| context.state.unsettled(context.fence(), BATCH)).await;
        for carrier in outbox.set_out(&context, unsettled.unwrap_or_default()) {
            if is_first_to_user(&carrier.item) {
                // Its receiver lives as long as this loop.
                let _ = in_order.send(carrier);
            } else {
                carriers.spawn(carrier.carry());
            }
        }
        context.outbox.notified().await;
        while carriers.try_join_next().is_some() {}
    }
}

/// Sends for the first time, one after the other: the user reads answers in the order in which they were given. What
/// does not get through at once no longer holds up the others.
async fn send_in_order(mut ordered: mpsc::UnboundedReceiver<Carrier>) {
    let (mut settling, mut others) = (JoinSet::new(), JoinSet::new());
    while let Some(mut carrier) = ordered.recv().await {
        // An equal text that has just landed frees the lane as soon as that is kept; one in doubt may take its time.
        while !carrier.takes_lane() && settling.join_next().await.is_some() {}
        if !carrier.takes_lane() {
            others.spawn(carrier.carry());
            continue;
        }
        match carrier.attempt().await {
            Some(Attempt::Ended(settlement)) => settling.spawn(carrier.settle(settlement)),
            Some(Attempt::Again) => others.spawn(carrier.carry()),
            None => continue,
        };
        while settling.try_join_next().is_some() {}
        while others.try_join_next().is_some() {}
    }
}

/// Waits until nothing is left to send, or could be any time soon.
pub(super) async fn drained(context: &Context) {
    let soon = |item: &Unsettled| item.attempts == 0 || matches!(item.progress, Progress::InDoubt { .. });
    while let Ok(unsettled) = context.state.unsettled(context.fence(), BATCH).await
        && unsettled.iter().any(soon)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Outbox {
    to_user: Semaphore,
    to_peers: Semaphore,
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    ids: HashSet<String>,
    /// Since the last look began: what it saw of these is out of date.
    arrived: HashSet<String>,
    /// There may be more than were looked at.
    more: bool,
    /// The lane of one in doubt was taken.
    skipped: bool,
}

impl Outbox {
    /// Somebody to carry each of these that nobody takes care of yet.
    fn set_out(self: &Arc<Self>, context: &Arc<Context>, items: Vec<Unsettled>) -> Vec<Carrier> {
        let mut under_way = self.under_way();
        under_way.more = items.len() == BATCH;
        let mut skipped = false;
        let is_known = |id: &String| under_way.ids.contains(id) || under_way.arrived.contains(id);
        let new = items.into_iter().filter(|item| !is_known(&item.send.id));
        let carrier = |item: Unsettled| {
            let lane = match (item.progress, &item.send.digest) {
                // Its lane is left to it, unless it is just being sent.
                (Progress::InDoubt { echoed: false, .. }, Some(digest)) => {
                    let lane = context.lanes.try_hold(digest, &item.send.id);
                    skipped |= lane.is_none();
                    Some(lane?)
                }
                _ => None,
            };
            Some(Carrier { context: context.clone(), outbox: self.clone(), item, lane, is_over: false })
        };
        let carriers: Vec<_> = new.filter_map(carrier).collect();
        under_way.ids.extend(carriers.iter().map(|carrier| carrier.item.send.id.clone()));
        under_way.skipped = skipped;
        carriers
    }

    /// No more under way. True if it is time to look for others.
    fn arrived(&self, id: &str) -> bool {
        let mut under_way = self.under_way();
        under_way.ids.remove(id);
        under_way.arrived.insert(id.to_owned());
        under_way.skipped || under_way.more && under_way.ids.len() <= BATCH - BATCH / 8
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_first_to_user(item: &Unsettled) -> bool {
    let first = item.progress == Progress::Ready && item.attempts == 0;
    first && Receiver::read(&item.send.to) == Some(Receiver::User)
}

/// Takes one send to its end.
struct Carrier {
    context: Arc<Context>,
    outbox: Arc<Outbox>,
    item: Unsettled,
    /// That of its text, where that has one. Nothing is sent without.
    lane: Option<Lane>,
    /// There is nothing left to do here.
    is_over: bool,
}

impl Drop for Carrier {
    fn drop(&mut self) {
        let look = self.outbox.arrived(&self.item.send.id);
        if self.is_over {
            if look {
                self.context.outbox.notify_one();
            }
            return;
        }
        // It sets out again.
        match self.lane.take() {
            Some(lane) => lane.leave_to(&self.item.send.id),
            None => self.context.outbox.notify_one(),
        }
    }
}

/// What an attempt came to.
enum Attempt {
    /// It is over, one way or the other.
    Ended(Settlement),
    /// To be tried again, once it is clear that it did not land.
    Again,
}

/// What a request came to.
enum Request {
    Landed,
    /// The receiver certainly does not have it, and may get it later.
    NotSent,
    /// The receiver will never take it.
    Refused(String),
    /// Nobody can tell.
    Unknown,
}

impl Carrier {
    /// Takes the lane of its text, if it is free or there is none. True if it need not wait for it.
    fn takes_lane(&mut self) -> bool {
        if let (None, Some(digest)) = (&self.lane, &self.item.send.digest) {
            self.lane = self.context.lanes.try_hold(digest, &self.item.send.id);
        }
        self.lane.is_some() || self.item.send.digest.is_none()
    }

    async fn carry(mut self) {
        loop {
            let doubt = match self.item.progress {
                Progress::InDoubt { .. } => self.clear_up().await,
                Progress::Ready => {
                    // Equal texts need not wait as well: nothing is in doubt.
                    self.lane = None;
                    tokio::time::sleep(self.pause()).await;
                    if let Some(digest) = &self.item.send.digest {
                        self.lane = Some(self.context.lanes.hold(digest, &self.item.send.id).await);
                    }
                    Some(None)
                }
            };
            let attempt = match doubt {
                // Somebody else has settled it.
                None => return self.is_over = true,
                Some(Some(settlement)) => Some(Attempt::Ended(settlement)),
                Some(None) => self.attempt().await,
            };
            match attempt {
                None => return,
                Some(Attempt::Ended(settlement)) => return self.settle(settlement).await,
                Some(Attempt::Again) => {}
            }
        }
    }

    /// Between two attempts: 1, 2, 4 .. 60 s, and nothing before the first.
    fn pause(&self) -> Duration {
        match self.item.attempts {
            0 => Duration::ZERO,
            tried => Duration::from_secs(1 << (tried - 1).min(6)).min(Duration::from_secs(60)),
        }
    }

    /// Finds out what became of a send in doubt: how it ended, or that it may go out again. `None` when there is nothing
    /// left to do.
    async fn clear_up(&mut self) -> Option<Option<Settlement>> {
        let Progress::InDoubt { until, echoed, once } = self.item.progress else { return Some(None) };
        if echoed {
            return Some(Some(Settlement::Landed));
        }
        if self.item.send.digest.is_none() {
            // A copy does no harm to a peer: nothing is waited for but the next attempt's turn.
            tokio::time::sleep(self.pause()).await;
            return Some(None);
        }
        // It may have been settled just before its lane was taken.
        self.progress().await?;
        let left = u64::try_from(until - self.context.unix_millis()).unwrap_or(0);
        // Against a clock that jumped: no request is under way for longer than its time.
        tokio::time::sleep(Duration::from_millis(left).min(NOTIFY_TIME + MARGIN)).await;
        self.context.polled_after(Instant::now()).await;
        Some(match self.progress().await? {
            Progress::InDoubt { echoed: true, .. } => Some(Settlement::Landed),
            Progress::InDoubt { .. } if once => Some(Settlement::Abandoned("it did not arrive".to_owned())),
            Progress::InDoubt { .. } | Progress::Ready => None,
        })
    }

    /// Where it stands now; `None` if it is settled.
    async fn progress(&self) -> Option<Progress> {
        let context = &self.context;
        let unsettled = context.keep(|| context.state.unsettled(context.fence(), BATCH)).await?;
        unsettled.into_iter().find(|item| item.send.id == self.item.send.id).map(|item| item.progress)
    }

    /// Sends it once. `None` when there is nothing left to do.
    async fn attempt(&mut self) -> Option<Attempt> {
        let abandoned = |reason: String| Some(Attempt::Ended(Settlement::Abandoned(reason)));
        let (Some(letter), Some(receiver)) =
            (Letter::read(&self.item.send), Receiver::read(&self.item.send.to))
        else {
            return abandoned("it cannot be read back".to_owned());
        };
        if self.item.attempts >= MAX_ATTEMPTS {
            return abandoned(format!("it could not be sent in {MAX_ATTEMPTS} attempts"));
        }
        let (context, outbox) = (self.context.clone(), self.outbox.clone());
        context.accepted().await;
        self.item.attempts += 1;
        let id = &self.item.send.id;
        let turns = if receiver == Receiver::User { &outbox.to_user } else { &outbox.to_peers };
        let turn = turns.acquire().await.ok()?;
        let (began, until) = (Instant::now(), notify_until(&context));
        let begin = async || match context.state.begin(context.fence(), id, until).await {
            Ok(()) => Ok(true),
            Err(StateError::Unknown { .. }) => Ok(false),
            Err(error) => Err(error),
        };
        if !context.keep(|| begin().boxed()).await? {
            // Its echo was seen meanwhile.
            return Some(Attempt::Ended(Settlement::Landed));
        }
        let request = match (receiver, NOTIFY_TIME.checked_sub(began.elapsed())) {
            (Receiver::Peer(peer), _) => to_peer(&context, letter, &self.item, &peer).await,
            (Receiver::User, Some(left)) => to_user(&context, letter, left).await,
            // To keep that it is begun took too long: by then it must have landed.
            (Receiver::User, None) => Request::NotSent,
        };
        drop(turn);
        match request {
            Request::Landed => Some(Attempt::Ended(Settlement::Landed)),
            Request::Refused(reason) => abandoned(reason),
            Request::NotSent => {
                let not_sent =
                    || context.state.settle(context.fence(), id, Settlement::NotSent, context.unix_millis());
                context.keep(not_sent).await?;
                self.item.progress = Progress::Ready;
                Some(Attempt::Again)
            }
            Request::Unknown => {
                self.item.progress = Progress::InDoubt { until, echoed: false, once: false };
                Some(Attempt::Again)
            }
        }
    }

    async fn settle(mut self, settlement: Settlement) {
        let (context, id, to) = (&self.context, &self.item.send.id, self.item.send.to.clone());
        let kept = context
            .keep(|| context.state.settle(context.fence(), id, settlement.clone(), context.unix_millis()))
            .await;
        if kept.is_some() {
            context.say(match settlement {
                Settlement::Abandoned(reason) => Event::Undeliverable { to, reason },
                Settlement::Landed | Settlement::NotSent => Event::Delivered { to },
            });
            self.is_over = true;
        }
    }
}

async fn to_user(context: &Context, letter: Letter, time: Duration) -> Request {
    match tokio::time::timeout(time, context.client.notify(&letter.into_notify())).await {
        Ok(Ok(())) => Request::Landed,
        Ok(Err(error)) => failed(&error),
        Err(_) => Request::Unknown,
    }
}

async fn to_peer(context: &Context, letter: Letter, item: &Unsettled, peer: &PeerId) -> Request {
    match context.client.send_to_peer(peer, &letter.into_message(&item.send.id)).await {
        Ok(ProxyAnswer::Failed(failure)) => match (failure.retry(), failure.delivery()) {
            (_, Delivery::Yes) => Request::Landed,
            (_, Delivery::Unknown) => Request::Unknown,
            // A token can be renewed, a misrouted request finds its way.
            (Retry::Never, Delivery::No)
                if !matches!(failure.kind, FailureKind::Unauthorized | FailureKind::Misrouted) =>
            {
                Request::Refused(failure.to_string())
            }
            (_, Delivery::No) => Request::NotSent,
        },
        // The page of something before the platform; or a peer that always talks like that, and then has it.
        Ok(ProxyAnswer::Malformed { .. }) if item.attempts < ODD_ANSWERS => Request::Unknown,
        // It has the message, whatever it says to it: an answer is not answered.
        Ok(_) => Request::Landed,
        Err(error) => failed(&error),
    }
}

fn failed(error: &PlatformError) -> Request {
    use PlatformFault as Fault;
    match (error.delivery(), &error.fault) {
        (Delivery::Yes, _) => Request::Landed,
        (Delivery::Unknown, _) => Request::Unknown,
        // These two are about the moment, whatever their class.
        (Delivery::No, Fault::Rejected { status: 408 | 425, .. }) => Request::NotSent,
        (
            Delivery::No,
            Fault::NotFound { .. } | Fault::Gone { .. } | Fault::Rejected { .. } | Fault::Invalid(_),
        ) => Request::Refused(error.to_string()),
        // A token can be renewed, a server comes back, a misrouted request finds its way, and whoever forbids an agent to
        // speak to its own user is not the platform.
        (Delivery::No, _) => Request::NotSent,
    }
}
