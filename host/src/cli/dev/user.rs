//! The user of the local platform: what a page or a curl would say to it.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use molecule_host::platform::{
    HttpTransport, InvalidTransport, Limits, Transport, TransportError, TransportSettings,
};
use molecule_protocol::create::{CreateRequest, CreateResponse};
use molecule_protocol::{
    ActivityPage, ActivityQuery, ActivityReport, BearerToken, ErrorBody, Inbound, Message, PlatformUrl, Role,
    RpcRequest, Workspace, WorkspaceId, activity,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

/// What one request may take. A page of the log may hold twenty messages of a MiB each.
const LIMITS: Limits =
    Limits { deadline: Duration::from_secs(30), body: 64 * 1024 * 1024, idle: Duration::from_secs(60) };
/// Rows in one page of the log.
const PAGE: u32 = 20;

/// Speaks to the local platform without any identity, which there is the user and the operator.
pub(super) struct User {
    platform: PlatformUrl,
    http: HttpTransport,
}

impl User {
    pub(super) fn new(platform: PlatformUrl) -> Result<Self, UserError> {
        Ok(Self { platform, http: HttpTransport::new(&TransportSettings::default())? })
    }

    pub(super) fn platform(&self) -> &PlatformUrl {
        &self.platform
    }

    /// The workspaces of a name.
    pub(super) async fn workspaces_named(&self, name: &str) -> Result<Vec<WorkspaceId>, UserError> {
        let all: Vec<Workspace> = self.get(self.platform.segments(["workspaces"])).await?;
        Ok(all.into_iter().filter(|it| it.name == name).filter_map(|it| it.id.parse().ok()).collect())
    }

    /// Makes a workspace for an agent that runs outside the platform.
    pub(super) async fn create_workspace(&self, name: &str) -> Result<(WorkspaceId, BearerToken), UserError> {
        let url = self.platform.segments(["workspaces"]);
        let request =
            CreateRequest { name: name.to_owned(), external: Some(true), ..CreateRequest::default() };
        let created: CreateResponse = self.post(url.clone(), &request).await?;
        let token = created.connection.and_then(|connection| connection.auth_token);
        match (created.id.parse(), token) {
            (Ok(id), Some(token)) => Ok((id, token)),
            _ => Err(UserError::strange(url, "it names no workspace, or gives no token for it")),
        }
    }

    /// Sends a text to a workspace, as a message of this id.
    pub(super) async fn say(&self, workspace: WorkspaceId, id: &str, text: &str) -> Result<(), UserError> {
        let url = self.platform.segments(["workspaces", &workspace.to_string(), "a2a"]);
        let call = RpcRequest::message_send(id, &Message::text_of(Role::User, id, text));
        self.exchange(Method::POST, url, body(&call)).await.map(drop)
    }

    /// Writes into a workspace's log what there is to say about it.
    pub(super) async fn report(
        &self,
        workspace: WorkspaceId,
        report: &ActivityReport,
    ) -> Result<(), UserError> {
        let url = self.platform.segments(["workspaces", &workspace.to_string(), "activity"]);
        self.exchange(Method::POST, url, body(report)).await.map(drop)
    }

    /// The newest row of a workspace's log: what comes after it is news.
    pub(super) async fn newest(&self, workspace: WorkspaceId) -> Result<Option<String>, UserError> {
        let query = ActivityQuery { limit: Some(1), ..ActivityQuery::default() };
        let page = self.log(workspace, &query).await?;
        Ok(page.oldest_first().pop().map(|row| row.id))
    }

    /// What a workspace has said to its user since the row `seen`, oldest first, and the row to go on from.
    pub(super) async fn heard(
        &self,
        workspace: WorkspaceId,
        seen: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), UserError> {
        let (mut heard, mut seen) = (Vec::new(), seen);
        loop {
            let query = ActivityQuery {
                activity_type: Some(activity::A2A_RECEIVE.to_owned()),
                // Without a row to go on from the answer is the newest rows, which are all there are.
                limit: Some(if seen.is_some() { PAGE } else { activity::MAX_LIMIT }),
                since_id: seen.clone(),
                ..ActivityQuery::default()
            };
            let rows = self.log(workspace, &query).await?.oldest_first();
            let Some(last) = rows.last() else { return Ok((heard, seen)) };
            seen = Some(last.id.clone());
            heard.extend(rows.iter().filter_map(|row| match row.inbound(&workspace) {
                Inbound::Echo(text) => Some(text),
                _ => None,
            }));
        }
    }

    /// The ids of the messages that were sent to a workspace, oldest first.
    #[cfg(test)]
    pub(super) async fn sent(&self, workspace: WorkspaceId) -> Vec<String> {
        let rows = self.log(workspace, &ActivityQuery::default()).await.unwrap().oldest_first();
        let messages = rows.iter().filter_map(|row| match row.inbound(&workspace) {
            Inbound::Message(message) => message.message.message_id,
            _ => None,
        });
        messages.collect()
    }

    /// Lets a workspace say something to its user.
    #[cfg(test)]
    pub(super) async fn hear(&self, workspace: WorkspaceId, text: &str) {
        let url = self.platform.segments(["workspaces", &workspace.to_string(), "notify"]);
        self.exchange(Method::POST, url, body(&serde_json::json!({ "message": text }))).await.unwrap();
    }

    async fn log(&self, workspace: WorkspaceId, query: &ActivityQuery) -> Result<ActivityPage, UserError> {
        let mut url = self.platform.segments(["workspaces", &workspace.to_string(), "activity"]);
        url.set_query(Some(&query.to_query()));
        let body = self.exchange(Method::GET, url.clone(), Bytes::new()).await?;
        ActivityPage::read(&body).map_err(|error| UserError::strange(url, &error.to_string()))
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, UserError> {
        let body = self.exchange(Method::GET, url.clone(), Bytes::new()).await?;
        serde_json::from_slice(&body).map_err(|error| UserError::strange(url, &error.to_string()))
    }

    async fn post<T: DeserializeOwned>(&self, url: Url, request: &impl Serialize) -> Result<T, UserError> {
        let body = self.exchange(Method::POST, url.clone(), body(request)).await?;
        serde_json::from_slice(&body).map_err(|error| UserError::strange(url, &error.to_string()))
    }

    async fn exchange(&self, method: Method, url: Url, body: Bytes) -> Result<Bytes, UserError> {
        let request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| UserError::strange(url.clone(), &error.to_string()))?;
        let path = url.path().to_owned();
        let answer = self
            .http
            .send(request, LIMITS)
            .await
            .map_err(|source| UserError::Lost { path: path.clone(), source })?;
        match answer.status() {
            status if status.is_success() => Ok(answer.into_body()),
            status => Err(UserError::Refused {
                path,
                status: status.as_u16(),
                text: serde_json::from_slice::<ErrorBody>(answer.body())
                    .map_or_else(|_| "no reason given".to_owned(), |body| body.error),
            }),
        }
    }
}

fn body(request: &impl Serialize) -> Bytes {
    // What is sent here is made of texts and numbers, which always can be written.
    serde_json::to_vec(request).unwrap_or_default().into()
}

/// The local platform did not do what its user asked.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum UserError {
    /// No client.
    #[error(transparent)]
    Client(#[from] InvalidTransport),
    /// No answer.
    #[error("the local platform does not answer at {path}: {source}; start again")]
    Lost {
        /// What was asked.
        path: String,
        /// What happened.
        source: TransportError,
    },
    /// A refusal.
    #[error(
        "the local platform refuses {path} with {status} ({text}); if you changed the workspace there, change it back"
    )]
    Refused {
        /// What was asked.
        path: String,
        /// The HTTP status.
        status: u16,
        /// Its words.
        text: String,
    },
    /// An answer that is none.
    #[error(
        "the local platform's answer at {path} makes no sense ({why}); this is a defect, please report it"
    )]
    Strange {
        /// What was asked.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

impl UserError {
    fn strange(url: Url, why: &str) -> Self {
        Self::Strange { path: url.path().to_owned(), why: why.to_owned() }
    }
}
