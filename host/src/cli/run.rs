//! `molecule-host agent.wasm`: one agent on a platform that is there, until it ends.

use std::time::Duration;

use molecule_host::{Ended, Host, Running};

use super::banner::Banner;
use super::board::{Board, Stage};
use super::console::Console;
use super::control;
use super::failure::{Exit, Failure, of_end};
use super::load::load;
use super::report::{self, Who};
use super::settings::RunSettings;
use super::signals::Signals;

/// Runs the agent until it ends or a signal stops it.
///
/// # Errors
/// Whatever ends it but a signal.
pub(super) async fn run(settings: RunSettings, console: Console, signals: Signals) -> Result<(), Failure> {
    let RunSettings { component, state_dir, spec } = settings;
    let host = signals.or_stop(Host::builder().state_dir(&state_dir).build()).await?;
    let agent = signals.or_stop(load(&host, &component)).await?;
    tracing::info!("connecting to {} as workspace {}", spec.platform_url, spec.workspace_id);
    let (banner, grace) = (Banner::new(&agent, &component, &spec, &state_dir), spec.shutdown_grace);
    let (board, workspace) = (Board::default(), spec.workspace_id);
    let running = signals.or_stop(host.start(&agent, spec)).await?;
    let stage = Stage::Running(running.clone());
    let recent = board.put(running.name(), workspace, agent.component.digest(), stage);
    let log = tokio::spawn(report::follow(running.events(), Who::only(running.name()), Some(recent)));
    let _control = control::serve(&state_dir, board);
    console.banner(&banner);
    let ended = tokio::select! {
        ended = running.ended() => ended,
        () = signals.first() => stop(&running, grace).await,
    };
    drop(running);
    report::drained(log).await;
    finish(ended)
}

/// Stops an agent, and says that it does.
pub(super) async fn stop(running: &Running, grace: Duration) -> Ended {
    tracing::info!("stopping; what is in hand gets {grace:?} to end (Ctrl-C again stops at once)");
    running.stop(grace).await
}

/// An end that was asked for is none that has to be explained.
pub(super) fn finish(ended: Ended) -> Result<(), Failure> {
    match of_end(&ended) {
        Exit::Done => Ok(()),
        _ => Err(Failure::Ended(ended)),
    }
}
