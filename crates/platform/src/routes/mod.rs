//! The routes, a file for each group. To add a group, add a file with a `routes` function and a line below.

use axum::Router;

use crate::app::App;

mod a2a;
mod access;
mod activity;
mod approvals;
mod budget;
mod checkpoints;
mod connection;
mod create;
mod delegations;
mod delete;
mod feed;
mod health;
mod heartbeat;
mod instructions;
mod lifecycle;
mod memories;
mod memory;
mod notify;
mod org;
mod page;
mod plugins;
mod register;
mod schedules;
mod search;
mod secrets;
mod socket;
mod state;
mod stream;
mod tokens;
mod uploads;
mod workspaces;

pub(crate) fn all() -> Router<App> {
    Router::new()
        .merge(a2a::routes())
        .merge(access::routes())
        .merge(activity::routes())
        .merge(approvals::routes())
        .merge(budget::routes())
        .merge(checkpoints::routes())
        .merge(connection::routes())
        .merge(create::routes())
        .merge(delegations::routes())
        .merge(delete::routes())
        .merge(feed::routes())
        .merge(health::routes())
        .merge(heartbeat::routes())
        .merge(instructions::routes())
        .merge(lifecycle::routes())
        .merge(memories::routes())
        .merge(memory::routes())
        .merge(notify::routes())
        .merge(org::routes())
        .merge(page::routes())
        .merge(plugins::routes())
        .merge(register::routes())
        .merge(schedules::routes())
        .merge(search::routes())
        .merge(secrets::routes())
        .merge(socket::routes())
        .merge(state::routes())
        .merge(stream::routes())
        .merge(tokens::routes())
        .merge(uploads::routes())
        .merge(workspaces::routes())
}
