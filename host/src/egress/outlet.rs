//! The way out of one agent.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use hyper::body::Incoming;
use molecule_gate::{Gate, Permit, Reach, Terms};
use molecule_runtime::wit::Sent;
use molecule_runtime::{Fetch, FetchError, FetchParts, FetchResponse, Payload, Phase, Times};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Shared;
use super::connection::Unanswered;
use super::faults;
use super::judge::Names;
use super::pool::{Key, Lease, Pool, Server};
use super::request::Outgoing;
use super::response::{self, Exchange};
use super::slots::Slots;
use crate::secrets::Secrets;

const NO_HEADERS: [(&str, &str); 0] = [];

/// The way out of one agent, with connections of its own, which are closed when it is dropped.
pub struct Outlet {
    shared: Arc<Shared>,
    gate: Arc<Gate>,
    secrets: Arc<Secrets>,
    names: Names,
    pool: Arc<Pool>,
    slots: Slots,
}

impl Outlet {
    pub(super) fn new(shared: Arc<Shared>, gate: Arc<Gate>, secrets: Arc<Secrets>) -> Self {
        let pool = Pool::new(shared.limits.idle, shared.limits.idle_per_agent);
        let names = Names::new(shared.resolver.clone());
        Self { shared, gate, secrets, names, pool, slots: Slots::default() }
    }

    /// Sends a request, on behalf of a message if there is one, and waits for the head of the response. The body of the
    /// response is read from the connection as it is asked for; dropping it, or this future, ends the exchange.
    ///
    /// Must be called where connections shall be driven: they live on the runtime of whoever calls.
    ///
    /// # Errors
    /// [`FetchError`]; each says whether the request was sent.
    pub async fn send(
        &self,
        permit: Permit<Fetch>,
        message: Option<&str>,
    ) -> Result<FetchResponse, FetchError> {
        let redactor = self.secrets.redactor();
        let sent = self.send_unmasked(permit, message).await;
        // What a server says may stand in an error, too.
        sent.map_err(|error| error.map_detail(|detail| redactor.redact_owned(detail)))
    }

    async fn send_unmasked(
        &self,
        permit: Permit<Fetch>,
        message: Option<&str>,
    ) -> Result<FetchResponse, FetchError> {
        let (fetch, terms) = permit.split();
        self.exchanged(fetch.into_parts(), terms, message).await
    }

    /// Posts JSON on behalf of another effect that was allowed, to an address within this reach: no rule of the agent's is
    /// asked, and no secret of its is put in.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) async fn post_json(
        &self,
        url: &str,
        body: String,
        reach: Reach,
        time: Duration,
        response_bytes: u64,
    ) -> Result<FetchResponse, FetchError> {
        let times = Times { total: Some(time), first_byte: Some(time), ..Times::default() };
        let terms = Terms {
            reach,
            request_bytes: body.len() as u64,
            response_bytes,
            rule: None,
            revision: self.gate.revision(),
        };
        // What looks like a reference to a secret is a text here: it is looked for in JSON, which this is only now.
        let payload = Payload::Whole(body.into());
        let mut parts = Fetch::new("POST", url, NO_HEADERS, payload, times)?.into_parts();
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let redactor = self.secrets.redactor();
        let sent = self.exchanged(parts, terms, None).await;
        sent.map_err(|error| error.map_detail(|detail| redactor.redact_owned(detail)))
    }

    async fn exchanged(
        &self,
        parts: FetchParts,
        terms: Terms,
        message: Option<&str>,
    ) -> Result<FetchResponse, FetchError> {
        let limits = &self.shared.limits;
        let times = limits.clamp(parts.times);
        let concurrent = self.gate.grants().limits.concurrent_requests as usize;
        let deadline = Instant::now() + times.total;
        let slot = self.slots.take(concurrent, limits.wait.min(times.total)).await?;
        let mut outgoing = Outgoing::new(parts, &terms, times, &self.secrets)?;
        let host = outgoing.target.host().to_string();

        let exchanged = timeout_at(deadline, self.exchange(&mut outgoing, &terms, message)).await;
        let (response, lease) = exchanged.unwrap_or(Err(FetchError::Timeout {
            phase: Phase::Total,
            limit: times.total,
            sent: Sent::Maybe,
        }))?;
        let exchange = Exchange {
            host,
            limit: terms.response_bytes,
            header_bytes: limits.header_bytes,
            between_bytes: times.between_bytes,
            total: times.total,
            deadline,
            entrusted: outgoing.entrusted,
            redactor: self.secrets.redactor().clone(),
            lease,
            _slot: slot,
        };
        response::incoming(response, exchange)
    }

    /// Sends it over a connection that is there, or else over a new one.
    async fn exchange(
        &self,
        outgoing: &mut Outgoing,
        terms: &Terms,
        message: Option<&str>,
    ) -> Result<(Response<Incoming>, Lease), FetchError> {
        let key = Key { target: Server::of(&outgoing.target), reach: terms.reach, revision: terms.revision };
        while let Some(lease) = self.pool.take(&key).await {
            match self.over(lease, outgoing).await {
                // Closed by the server in the meantime, before it was used.
                Err(Failed::NotSent(_)) => continue,
                Err(Failed::For(error)) => return Err(error),
                Ok(answered) => return Ok(answered),
            }
        }
        let limit = outgoing.times.connect;
        let by = Instant::now() + limit;
        let connecting =
            self.shared.connect(&self.names, &self.gate, &outgoing.target, &terms.reach, message, by);
        let late = FetchError::Timeout { phase: Phase::Connect, limit, sent: Sent::No };
        let connection = timeout_at(by, connecting).await.unwrap_or(Err(late))?;
        let lease = self.pool.lease(key, connection);
        self.over(lease, outgoing).await.map_err(|failed| match failed {
            Failed::NotSent(error) | Failed::For(error) => error,
        })
    }

    /// Sends it over a connection and waits for the head of the response, as long as something moves.
    async fn over(
        &self,
        mut lease: Lease,
        outgoing: &mut Outgoing,
    ) -> Result<(Response<Incoming>, Lease), Failed> {
        let (progress, times) = (outgoing.progress.clone(), outgoing.times);
        let host = outgoing.target.host().to_string();
        let header_bytes = self.shared.limits.header_bytes;
        let flooded = self.count_interim(outgoing);
        progress.touch();
        lease.progress = Some(progress.clone());
        let overdue = async {
            loop {
                let (phase, limit) = match progress.is_sent() {
                    true => (Phase::FirstByte, times.first_byte),
                    false => (Phase::Send, times.between_bytes),
                };
                let until = progress.moved() + limit;
                if until <= Instant::now() {
                    return FetchError::Timeout { phase, limit, sent: Sent::Maybe };
                }
                sleep_until(until).await;
            }
        };
        let answered = tokio::select! {
            biased;
            () = flooded.notified() => {
                let detail = "it says again and again that it is not done yet".to_owned();
                return Err(Failed::For(FetchError::Protocol { host, detail, sent: Sent::Yes }));
            }
            answered = lease.connection.send(outgoing) => answered,
            late = overdue => return Err(Failed::For(late)),
        };
        match answered {
            Ok(response) => Ok((response, lease)),
            Err(Unanswered::NotSent(request, error)) => {
                outgoing.request = *request;
                Err(Failed::NotSent(faults::of_http(&error, &host, header_bytes, Sent::No)))
            }
            Err(Unanswered::Lost(error)) => {
                Err(Failed::For(faults::of_http(&error, &host, header_bytes, Sent::Maybe)))
            }
        }
    }

    /// Tells when there were too many answers that say nothing.
    fn count_interim(&self, outgoing: &mut Outgoing) -> Arc<Notify> {
        let (count, most) = (AtomicUsize::new(0), self.shared.limits.interim);
        let flooded = Arc::new(Notify::new());
        let told = flooded.clone();
        hyper::ext::on_informational(&mut outgoing.request, move |_| {
            if count.fetch_add(1, Ordering::Relaxed) >= most {
                told.notify_one();
            }
        });
        flooded
    }
}

/// Why a connection did not do.
enum Failed {
    /// Another one may: the request is as it was.
    NotSent(FetchError),
    For(FetchError),
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}
