//! Pulls the secrets of the workspace: at the start, every hour, and when it is told to. The platform tells nobody that
//! they changed.

use std::sync::Arc;
use std::time::Duration;

use molecule_gate::Grant;

use super::context::Context;
use crate::events::Event;
use crate::platform::{PlatformError, PlatformFault};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(3600);

/// Pulls again and again until it is dropped; the first time is [`pull`]'s.
pub(super) async fn run(context: Arc<Context>, mut troubled: bool) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = context.pull_secrets.notified() => {}
        }
        context.accepted().await;
        troubled = pull(&context, troubled).await;
    }
}

/// Reads the operator's own, and pulls those of the platform where some may be used. What fails leaves the old values in
/// place and is said once, until all is well again. True if something failed.
pub(super) async fn pull(context: &Context, troubled: bool) -> bool {
    let own = context.secrets.clone();
    // On a thread of its own: a file may be a pipe that nobody writes to.
    let unreadable = tokio::task::spawn_blocking(move || own.read()).await.unwrap_or_default();
    let mut troubles: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
    let grants = context.gate.grants();
    // What no grant names is not asked for, nor held.
    if !grants.secrets.is_empty() || !grants.reveal.is_empty() {
        match context.client.secrets().await {
            Ok(secrets) => context.secrets.pulled(secrets),
            Err(PlatformError { fault: PlatformFault::RouteMissing, .. }) => {}
            Err(error) => troubles.push(format!(
                "the secrets of the workspace could not be read: {error} (the old values stay; trying again in an hour)"
            )),
        }
    }
    let failed = !troubles.is_empty();
    if !troubled {
        for trouble in troubles {
            context.say(Event::Trouble(trouble));
        }
    }
    failed
}

/// Pulls those of the platform where one of these grants is for a secret that has no value yet: before there was a grant
/// none was asked for.
pub(super) async fn pull_for(context: &Context, grants: &[Grant]) {
    let wanted = |grant: &Grant| match grant {
        Grant::Secret(secret) => !context.secrets.holds(secret.name()),
        Grant::Reveal(name) => !context.secrets.holds(name),
        _ => false,
    };
    if !grants.iter().any(wanted) {
        return;
    }
    match context.client.secrets().await {
        Ok(secrets) => context.secrets.pulled(secrets),
        Err(PlatformError { fault: PlatformFault::RouteMissing, .. }) => {}
        Err(error) => context.say(Event::Trouble(format!(
            "the secrets of the workspace could not be read: {error} (the agent goes on without)"
        ))),
    }
}
