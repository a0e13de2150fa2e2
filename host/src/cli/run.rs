//! `molecule-host agent.wasm`: one agent on a platform that is there, until it ends.

use std::time::Duration;

use molecule_host::{Ended, Host, Running};

use super::banner::Banner;
use super::board::Board;
use super::console::Console;
use super::control;
use super::failure::{Exit, Failure, of_end};
use super::files;
use super::limits::with_stack;
use super::load::load;
use super::metrics;
use super::prompt::Person;
use super::report::{self, Who};
use super::service::Service;
use super::settings::{Repolicy, RunSettings};
use super::signals::{Signals, hangups};

/// Its only life in this process.
const ONLY: u64 = 1;

/// Runs the agent until it ends or a signal stops it.
///
/// # Errors
/// Whatever ends it but a signal.
pub(super) async fn run(
    settings: RunSettings,
    console: Console,
    signals: Signals,
    service: Service,
) -> Result<(), Failure> {
    let RunSettings { component, state_dir, stack_bytes, egress, metrics, mut spec, policy, prompt } =
        settings;
    let mut hangups = hangups().map_err(Failure::System)?;
    files::raise(1);
    let builder = with_stack(Host::builder().state_dir(&state_dir).egress(egress), stack_bytes);
    let host = signals.or_stop(builder.build()).await?;
    let agent = signals.or_stop(load(&host, &component, &spec.limits)).await?;
    tracing::info!("connecting to {} as workspace {}", spec.platform_url, spec.workspace_id);
    let (banner, grace) = (Banner::new(&agent, &component, &spec, &state_dir), spec.shutdown_grace);
    let (board, workspace) = (Board::default(), spec.workspace_id);
    let named = spec.name.iter().chain([&agent.card.name]).find(|name| !name.trim().is_empty());
    let label = named.cloned().unwrap_or_else(|| workspace.to_string());
    let recent = board.put(&label, ONLY, workspace, agent.component.digest());
    let _control = control::serve(&state_dir, board.clone());
    let _metrics = metrics::serve(metrics, board.clone()).await?;
    if let Some(prompt) = prompt.prompt(Person::Terminal) {
        spec.appeals = Some(prompt);
    }
    let log = tokio::spawn(report::follow(spec.events.subscribe(), Who::only(), Some(recent)));
    let running = match signals.or_stop(host.start(&agent, spec)).await {
        Ok(running) => running,
        Err(failure) => {
            report::drained(log).await;
            return Err(failure);
        }
    };
    board.runs(&label, ONLY, agent.component.digest(), running.clone());
    console.banner(&banner);
    service.ready();
    let ended = loop {
        tokio::select! {
            biased;
            ended = running.ended() => break ended,
            () = signals.first() => {
                service.stopping();
                break stop(&running, grace).await;
            }
            Some(()) = hangups.recv() => look_again(&running, policy.as_ref()),
        }
    };
    drop(running);
    report::drained(log).await;
    finish(ended)
}

/// Has the secrets pulled, and reads the policy file again, if there is one.
fn look_again(running: &Running, policy: Option<&Repolicy>) {
    running.pull_secrets();
    tracing::info!("secrets are pulled again");
    let Some(policy) = policy else { return };
    match policy.read().map(|grants| running.set_grants(grants)) {
        Ok(true) => tracing::info!("the policy has changed; its grants hold from now on"),
        Ok(false) => tracing::info!("the policy is the same as before"),
        Err(error) => tracing::error!("the grants stay as they are: {error}"),
    }
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
