//! `molecule:agent/messages`.

use wasmtime::component::{Access, Accessor, HasSelf, Resource};
use wasmtime_wasi::WasiView;

use super::http::Body;
use super::{Import, act};
use crate::bindings::molecule::agent::messages::{self, Attachment, Entry, HistoryQuery, Update};
use crate::guest::Guest;
use crate::services::{Notify, OpenFile, Progress, ReadHistory};
use crate::wit::{Content, Error};

impl messages::Host for Guest {}

impl messages::HostWithStore<Guest> for HasSelf<Guest> {
    async fn notify(
        accessor: &Accessor<Guest, Self>,
        content: Content,
    ) -> wasmtime::Result<Result<(), Error>> {
        act(accessor, Notify { content }, |agent, call, permit| async move {
            agent.services.notify(permit, &call).await
        })
        .await
    }

    async fn open(
        accessor: &Accessor<Guest, Self>,
        uri: String,
    ) -> wasmtime::Result<Result<(Attachment, Resource<Body>), Error>> {
        let opened = act(accessor, OpenFile { uri }, |agent, _, permit| async move {
            agent.services.open_file(permit).await
        })
        .await?;
        match opened {
            Ok((attachment, body)) => {
                let body = accessor.with(|mut access| access.get().ctx().table.push(Body::new(body)))?;
                Ok(Ok((attachment, body)))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn history(
        accessor: &Accessor<Guest, Self>,
        query: HistoryQuery,
    ) -> wasmtime::Result<Result<Vec<Entry>, Error>> {
        act(accessor, ReadHistory { query }, |agent, _, permit| async move {
            agent.services.history(permit).await
        })
        .await
    }

    async fn progress(
        accessor: &Accessor<Guest, Self>,
        update: Update,
    ) -> wasmtime::Result<Result<(), Error>> {
        act(accessor, Progress { update }, |agent, call, permit| async move {
            let Progress { update } = permit.into_act();
            agent.services.progress(&update, &call);
            call.tell(update)
        })
        .await
    }

    fn is_canceled(host: Access<'_, Guest, Self>) -> wasmtime::Result<bool> {
        Ok(Import::enter(host)?.call.canceled.is_cancelled())
    }
}
