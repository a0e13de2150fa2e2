//! Pulls the secrets of the workspace: at the start, every hour, and when it is told to. The platform tells nobody that
//! they changed.

use std::collections::HashSet;
use std::sync::Arc;

use molecule_gate::Grant;

use super::context::Context;
use crate::events::Event;
use crate::platform::{PlatformError, PlatformFault};

/// What could not be read the last time. It is said once, until it is well again.
#[derive(Default)]
pub(super) struct Troubles(HashSet<String>);

/// Pulls again and again until it is dropped; the first time is [`pull`]'s.
pub(super) async fn run(context: Arc<Context>, mut troubles: Troubles) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(context.spec.intervals.secrets) => {}
            () = context.pull_secrets.notified() => {}
        }
        context.accepted().await;
        pull(&context, &mut troubles).await;
    }
}

/// Reads the operator's own, and pulls those of the platform where some may be used. What fails leaves the old values in
/// place.
pub(super) async fn pull(context: &Context, troubles: &mut Troubles) {
    let unreadable = context.secrets.read().await;
    let mut found: Vec<(String, String)> =
        unreadable.iter().map(ToString::to_string).map(|words| (words.clone(), words)).collect();
    let grants = context.gate.grants();
    // What no grant names is not asked for, nor held.
    if (!grants.secrets.is_empty() || !grants.reveal.is_empty())
        && let Err(error) = pull_platform(context).await
    {
        // Its words may be others each time.
        let words = format!("{UNREAD}: {error} (the old values stay; trying again later)");
        found.push((UNREAD.to_owned(), words));
    }
    let before = std::mem::replace(&mut troubles.0, found.iter().map(|(what, _)| what.clone()).collect());
    for (_, words) in found.into_iter().filter(|(what, _)| !before.contains(what)) {
        context.say(Event::Trouble(words));
    }
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
    if let Err(error) = pull_platform(context).await {
        context.say(Event::Trouble(format!("{UNREAD}: {error} (the agent goes on without)")));
    }
}

const UNREAD: &str = "the secrets of the workspace could not be read";

/// A platform that knows of no secrets has none.
async fn pull_platform(context: &Context) -> Result<(), PlatformError> {
    match context.client.secrets().await {
        Ok(secrets) => context.secrets.pulled(secrets),
        Err(PlatformError { fault: PlatformFault::RouteMissing, .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}
