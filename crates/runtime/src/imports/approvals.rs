//! `molecule:agent/approvals`.

use wasmtime::component::{Accessor, HasSelf};

use super::act;
use crate::bindings::molecule::agent::approvals::{self, Approval, Request};
use crate::guest::Guest;
use crate::services::{AskApproval, ReadApprovals};
use crate::wit::Error;

impl approvals::Host for Guest {}

impl approvals::HostWithStore<Guest> for HasSelf<Guest> {
    async fn ask(
        accessor: &Accessor<Guest, Self>,
        request: Request,
    ) -> wasmtime::Result<Result<String, Error>> {
        act(accessor, AskApproval { request }, |agent, _, permit| async move {
            agent.services.ask_approval(permit).await
        })
        .await
    }

    async fn get(accessor: &Accessor<Guest, Self>, id: String) -> wasmtime::Result<Result<Approval, Error>> {
        act(accessor, ReadApprovals, |agent, _, permit| async move {
            let approvals = agent.services.approvals(permit).await?;
            let found = approvals.into_iter().find(|approval| approval.id == id);
            found.ok_or_else(|| Error::NotFound(format!("this workspace has asked no question {id}")))
        })
        .await
    }

    async fn list(accessor: &Accessor<Guest, Self>) -> wasmtime::Result<Result<Vec<Approval>, Error>> {
        act(accessor, ReadApprovals, |agent, _, permit| async move { agent.services.approvals(permit).await })
            .await
    }
}
