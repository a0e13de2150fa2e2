use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use molecule_protocol::proxy::{self, ProxyAnswer};
use molecule_protocol::{BearerToken, Timestamp};
use serde::Serialize;
use tokio::time::Instant;
use url::Url;

use super::answer::{Answer, Asked};
use super::error::{PlatformError, PlatformFault};
use super::network::Network;
use super::pace::Pace;
use super::request::{self, Call, Identity, Lane};
use super::retry::{self, Outcome, Repeat};
use super::transport::{BodyStream, Limits, Lost, Transport, TransportError};
use crate::random;
use crate::token::Credentials;

/// Bytes of a refusal that are read where a success would be read as it comes.
const REFUSAL: usize = 64 * 1024;

/// Speaks to the platform for one workspace. Cheap to clone; clones share everything.
///
/// Every method is one call of the platform's API. What may be repeated without harm is repeated (up to 3 times, see
/// [`RetryPolicy`](super::RetryPolicy)); what may not is sent once, and the error says by
/// [`delivery`](PlatformError::delivery) whether it may have arrived. Nothing is cached.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    identity: Identity,
    credentials: Credentials,
    network: Network,
    pace: Pace,
}

impl Client {
    /// A client over a network that it shares with others. Sends nothing yet.
    pub fn new(network: &Network, identity: Identity, credentials: Credentials) -> Self {
        let pace = network.paces.of(&identity.platform.origin());
        Self(Arc::new(Inner { identity, credentials, network: network.clone(), pace }))
    }

    /// Who it speaks for.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Its secrets.
    pub fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// The pace at which the platform is asked, shared with all clients of that platform.
    pub fn pace(&self) -> &Pace {
        &self.0.pace
    }

    /// The URL of a route of the own workspace.
    pub(super) fn own(&self, route: &[&str]) -> Url {
        let own = self.0.identity.workspace.to_string();
        self.0.identity.platform.segments(["workspaces", &own].into_iter().chain(route.iter().copied()))
    }

    /// A POST of JSON to a route.
    pub(super) fn post(
        &self,
        route: &[&str],
        repeat: Repeat,
        body: &impl Serialize,
    ) -> Result<Call, PlatformError> {
        let call = Call::post(self.0.identity.platform.segments(route.iter().copied()), repeat);
        match serde_json::to_string(body) {
            Ok(text) => Ok(call.with_json(text)),
            Err(error) => Err(self.refused(&call, PlatformFault::Invalid(error.to_string()))),
        }
    }

    /// What stands between the parts of a form, and in none of them.
    pub(super) fn boundary(&self) -> String {
        format!("molecule-{}", random::message_id(&self.0.network.random))
    }

    /// The error of a call that is over before it, or after all of it, was sent.
    pub(super) fn refused(&self, call: &Call, fault: PlatformFault) -> PlatformError {
        self.asked(call, 0, Duration::ZERO).failed(fault)
    }

    fn asked(&self, call: &Call, attempts: u32, elapsed: Duration) -> Asked {
        Asked {
            call: call.clone(),
            attempts,
            elapsed,
            had_token: false,
            credentials: self.0.credentials.clone(),
        }
    }

    /// Sends a call as often as the table of retries says, and returns the last answer, whatever its status.
    pub(super) async fn exchange(&self, call: Call) -> Result<Answer, PlatformError> {
        let started = Instant::now();
        let mut attempts = 0;
        let mut renewed = false;
        loop {
            match call.lane {
                Lane::Polling => self.0.pace.turn().await,
                Lane::Heartbeat => self.0.pace.count(),
                Lane::Asked => {
                    if let Err(wait) = self.0.pace.soon().await {
                        let fault = PlatformFault::RateLimited { retry_after: Some(wait) };
                        return Err(self.asked(&call, attempts, started.elapsed()).failed(fault));
                    }
                }
            }
            attempts += 1;
            let token = self.0.credentials.token();
            let asked = || Asked {
                had_token: call.bearer && token.is_some(),
                ..self.asked(&call, attempts, started.elapsed())
            };
            let request = match request::build(&self.0.identity, &call, token.as_ref()) {
                Ok(request) => request,
                Err(fault) => return Err(asked().failed(fault)),
            };
            let transport = match call.lane {
                Lane::Heartbeat => &self.0.network.heartbeats,
                Lane::Asked | Lane::Polling => &self.0.network.transport,
            };
            let outcome = match call.streamed {
                true => opened(transport.as_ref(), request, call.limits).await,
                false => {
                    let answer = transport.send(request, call.limits).await;
                    answer.map(|answer| answer.map(|body| (body, None)))
                }
            };
            tracing::debug!(
                workspace = %self.0.identity.workspace, %call, attempts, elapsed = ?started.elapsed(),
                status = outcome.as_ref().ok().map(|answer| answer.status().as_u16()),
                error = outcome.as_ref().err().map(tracing::field::display),
                "asked the platform"
            );
            let answered = outcome.map(|answer| {
                let (parts, (body, rest)) = answer.into_parts();
                let (status, headers) = (parts.status, parts.headers);
                Answer { status, headers, body, rest, at: self.now(), asked: asked() }
            });
            if let Ok(answer) = &answered {
                self.heed(answer);
                // The token may have been replaced underneath: by another task while this was under way, or in its file.
                // Refused requests were not acted on, so any may go again.
                if answer.status == 401 && call.bearer && !renewed && self.has_other_token(&token).await {
                    renewed = true;
                    continue;
                }
            }
            match self.delay(&call, &answered, attempts) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return answered.map_err(|error| asked().failed(self.fault(&call, error))),
            }
        }
    }

    /// Whether there is another token than the one that was refused, also by what its file says now.
    async fn has_other_token(&self, refused: &Option<BearerToken>) -> bool {
        if self.0.credentials.token() != *refused {
            return true;
        }
        let credentials = self.0.credentials.clone();
        // What is wrong with the file is said by whoever looks into the refusal. Several that are refused at once may all
        // read it: whoever comes second finds it in use already.
        let _ = tokio::task::spawn_blocking(move || credentials.reload()).await;
        self.0.credentials.token() != *refused
    }

    fn now(&self) -> Timestamp {
        Timestamp::try_from(self.0.network.clock.now()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The delay before the call is sent again; `None` if it is not.
    fn delay(
        &self,
        call: &Call,
        answered: &Result<Answer, TransportError>,
        attempts: u32,
    ) -> Option<Duration> {
        let message = match (call.repeat, answered) {
            (Repeat::Message, Ok(answer)) => {
                match proxy::classify(answer.status.as_u16(), answer.content_type(), &answer.body) {
                    ProxyAnswer::Failed(failure) => Some(failure),
                    _ => None,
                }
            }
            _ => None,
        };
        let outcome = match answered {
            Err(error) => Outcome::Failed(error),
            Ok(answer) => Outcome::Answered {
                status: answer.status.as_u16(),
                retry_after: answer.retry_after(),
                message: message.as_ref(),
            },
        };
        let network = &self.0.network;
        network.retries.next(retry::decide(call.repeat, &outcome), attempts, random::unit(&network.random))
    }

    /// Takes note of what an answer says about how fast the platform may be asked.
    fn heed(&self, answer: &Answer) {
        self.0.pace.learn(answer.rate_limit());
        if answer.status == 429 {
            const UNSAID: Duration = Duration::from_secs(1);
            self.0.pace.pause(answer.retry_after().unwrap_or(UNSAID));
        }
    }

    fn fault(&self, call: &Call, error: TransportError) -> PlatformFault {
        match (error, call.if_lost) {
            (TransportError::Unknown(Lost::NotHttp(_)), _) if !self.0.identity.platform.is_encrypted() => {
                PlatformFault::HttpToHttps
            }
            (error @ TransportError::Unknown(_), Some(advice)) => {
                PlatformFault::Lost { what: error.to_string(), advice }
            }
            (error, _) => error.into(),
        }
    }
}

/// Sends a request whose answer is read as it comes, if it is a success; one that is none is read at once, as far as
/// anybody would.
async fn opened(
    transport: &dyn Transport,
    request: http::Request<Bytes>,
    limits: Limits,
) -> Result<http::Response<(Bytes, Option<BodyStream>)>, TransportError> {
    let (parts, mut body) = transport.open(request, limits).await?.into_parts();
    if parts.status.is_success() {
        return Ok(http::Response::from_parts(parts, (Bytes::new(), Some(body))));
    }
    let mut said = BytesMut::new();
    while let Some(piece) = body.next().await {
        said.extend_from_slice(&piece?);
        if said.len() > REFUSAL {
            break;
        }
    }
    Ok(http::Response::from_parts(parts, (said.freeze(), None)))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("identity", &self.0.identity)
            .field("credentials", &self.0.credentials)
            .finish_non_exhaustive()
    }
}
