//! What the agent does to be seen, and where others are.

use std::sync::PoisonError;

use molecule_gate::Permit;
use molecule_protocol::PeerId;
use molecule_protocol::state::StateAnswer;
use molecule_runtime::wit::peers::Location;
use molecule_runtime::wit::{Error, WorkspaceState};
use molecule_runtime::{Discover, Register};

use super::context::Context;
use super::errors;
use super::kept::unavailable;
use crate::events::Event;

/// Announces the agent again. Not by another registration: that would un-pause a workspace that was paused meanwhile.
pub(super) async fn register(context: &Context, permit: Permit<Register>) -> Result<(), Error> {
    if let Some(mut card) = permit.into_act().card {
        let redactor = context.redactor();
        let skills = card.skills.iter_mut().flat_map(|skill| {
            [&mut skill.id, &mut skill.name, &mut skill.description].into_iter().chain(&mut skill.tags)
        });
        for text in [&mut card.name, &mut card.description, &mut card.version].into_iter().chain(skills) {
            *text = redactor.redact_owned(std::mem::take(text));
        }
        // It goes by the name that the operator gave it.
        let card = super::wire_card(&context.name, &card);
        *context.card.lock().unwrap_or_else(PoisonError::into_inner) = card;
    }
    context.client.update_card(&context.card()).await.map_err(|error| errors::of_platform(&error))
}

pub(super) async fn heartbeat(context: &Context) -> Result<(), Error> {
    let beat = context.vitals.heartbeat(context.redactor());
    context.client.heartbeat(beat).await.map_err(|error| errors::of_platform(&error))?;
    context.say(Event::Heartbeat);
    Ok(())
}

pub(super) async fn state(context: &Context) -> Result<WorkspaceState, Error> {
    match context.client.state().await.map_err(|error| errors::of_platform(&error))? {
        StateAnswer::Running(status) => Ok(WorkspaceState { status: status.to_string(), paused: false }),
        StateAnswer::Paused => Ok(WorkspaceState { status: "paused".to_owned(), paused: true }),
        StateAnswer::Removed => Err(Error::NotFound("the workspace was removed".to_owned())),
        StateAnswer::Unauthorized => {
            Err(Error::Unauthorized("the platform refuses the workspace's token".to_owned()))
        }
        StateAnswer::Misrouted => {
            Err(unavailable("something that is not the platform answered for it".to_owned()))
        }
        StateAnswer::Unavailable => {
            Err(unavailable("the platform is in trouble; try again later".to_owned()))
        }
    }
}

pub(super) async fn discover(context: &Context, permit: Permit<Discover>) -> Result<Location, Error> {
    let peer = permit.into_act().peer;
    let id: PeerId = peer.id.parse().map_err(|_| Error::Invalid(format!("{} is no peer", peer.id)))?;
    let found = context.client.discover(&id).await.map_err(|error| errors::of_platform(&error))?;
    Ok(Location { id: found.id, name: found.name, url: Some(found.url).filter(|url| !url.is_empty()) })
}
