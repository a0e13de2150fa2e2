//! What an agent does with plugins, and what is done for it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use molecule_gate::Permit;
use molecule_plugin::Pin;
use molecule_runtime::wit::plugins as wit;
use molecule_runtime::wit::{Error, Failure, Sent};
use molecule_runtime::{InstallPlugin, OpenPlugin, PLUGINS_PATH, RemovePlugin};
use tokio::runtime::Handle;

use super::context::Context;
use super::errors;
use crate::events::Event;
use crate::plugins::{
    Digest, InstallRequest, Installed, InvalidDigest, InvalidName, InvalidPlugin, Plugin, PluginError,
    PluginRef, Progress, Refusal, SetupOutcome,
};

/// Installs what the operator wants to be there, before the agent starts. What fails is said; the agent runs without it,
/// or with the version that is there.
pub(super) async fn at_start(context: &Arc<Context>) {
    for plugin in &context.spec.plugins.at_start {
        let request = InstallRequest::new(plugin.clone());
        if let Err(error) = install_as(context, request).await {
            context.say(Event::Trouble(error.to_string()));
        }
    }
}

pub(super) async fn install(
    context: &Arc<Context>,
    permit: Permit<InstallPlugin>,
    message: Option<String>,
) -> Result<wit::Installed, Error> {
    let InstallPlugin { name, source, setup, sha256 } = permit.into_act();
    let name = name.parse().map_err(|error: InvalidName| Error::Invalid(error.to_string()))?;
    let source = source.parse().map_err(|error: InvalidPlugin| Error::Invalid(error.to_string()))?;
    let sha256 = sha256.map(|it| it.parse::<Digest>()).transpose();
    let sha256 = sha256.map_err(|error: InvalidDigest| Error::Invalid(error.to_string()))?;
    let mut request = InstallRequest::new(PluginRef { name, source });
    request.setup = setup.map(Into::into);
    request.sha256 = sha256;
    tracing::debug!(message, plugin = %request.plugin, "the agent installs a plugin");
    match install_as(context, request).await {
        Ok(installed) => Ok(of_installed(installed)),
        Err(error) => Err(of_error(error)),
    }
}

/// Installs, and tells of it.
async fn install_as(context: &Arc<Context>, request: InstallRequest) -> Result<Installed, PluginError> {
    let name = request.plugin.name.to_string();
    let (teller, plugin) = (context.clone(), name.clone());
    let observe = move |progress| {
        let line = match progress {
            Progress::Setup(line) => format!("setup.sh: {line}"),
            Progress::Again(why) => format!("{why} (trying again)"),
            Progress::Waiting(Some(process)) => {
                format!("waiting for process {process}, which installs it too")
            }
            Progress::Waiting(None) => "waiting for another install of it".to_owned(),
            Progress::Unpacking { .. } => return,
        };
        teller.say(Event::Plugin { name: plugin.clone(), line });
    };
    let installed = context.plugins.install(request, observe).await?;
    context.say(Event::Plugin { name: name.clone(), line: installed.to_string() });
    for warning in &installed.warnings {
        context.say(Event::Trouble(format!("plugin {name}: {warning}; see what is missing from it")));
    }
    Ok(installed)
}

pub(super) async fn list(context: &Context) -> Result<Vec<wit::Plugin>, Error> {
    let plugins = context.plugins.list().await.map_err(of_error)?;
    Ok(plugins.into_iter().map(of_plugin).collect())
}

pub(super) async fn remove(context: &Context, permit: Permit<RemovePlugin>) -> Result<(), Error> {
    let name = permit.into_act().name;
    let name = name.parse().map_err(|error: InvalidName| Error::Invalid(error.to_string()))?;
    context.plugins.remove(&name).await.map_err(of_error)?;
    context.say(Event::Plugin { name: name.to_string(), line: "removed by the agent".to_owned() });
    Ok(())
}

/// The folder of all plugins, for a new instance: where there is one, or the agent may make it so.
pub(super) fn folder(context: &Context) -> Option<PathBuf> {
    let wanted = !context.gate.grants().plugins.is_empty();
    context.plugins.root(wanted).unwrap_or_else(|error| {
        context.say(Event::Trouble(format!("the agent sees no plugins: {error}")));
        None
    })
}

/// The folder of one plugin, kept in this version.
pub(super) fn open(context: &Context, threads: &Handle, name: &str) -> io::Result<Option<OpenPlugin>> {
    // What cannot be the name of a plugin is none.
    let Ok(name) = name.parse() else { return Ok(None) };
    let Some(pin) = context.plugins.pin(&name)? else { return Ok(None) };
    let folder = pin.dir().try_clone()?.into_std_file();
    Ok(Some(OpenPlugin { folder, kept: Box::new(Kept { pin: Some(pin), threads: threads.clone() }) }))
}

/// A version that somebody reads. Its end may be that of all its files, which holds up no guest: it comes on another thread.
struct Kept {
    pin: Option<Pin>,
    threads: Handle,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(pin) = self.pin.take() {
            self.threads.spawn_blocking(move || drop(pin));
        }
    }
}

fn of_plugin(plugin: Plugin) -> wit::Plugin {
    let place = |path: &str| format!("{PLUGINS_PATH}/{}/{path}", plugin.name);
    wit::Plugin {
        skills: plugin
            .skills
            .iter()
            .map(|skill| wit::Skill {
                name: skill.name.clone(),
                description: skill.description.clone(),
                path: place(&skill.path),
            })
            .collect(),
        rules: plugin.rules.iter().map(|rule| place(rule)).collect(),
        name: plugin.name.to_string(),
        version: plugin.version,
        description: plugin.description,
        source: plugin.source,
        installed_at: plugin.installed_at,
        verified: plugin.verified,
        sha256: plugin.sha256,
    }
}

fn of_installed(installed: Installed) -> wit::Installed {
    wit::Installed {
        setup: match installed.setup {
            SetupOutcome::Absent => wit::SetupOutcome::Absent,
            SetupOutcome::Skipped(why) => wit::SetupOutcome::Skipped(why),
            SetupOutcome::Succeeded(_) => wit::SetupOutcome::Succeeded,
            SetupOutcome::Failed(how) => wit::SetupOutcome::Failed(how),
        },
        plugin: of_plugin(installed.plugin),
        warnings: installed.warnings,
    }
}

fn of_error(error: PluginError) -> Error {
    let message = error.to_string();
    match error {
        PluginError::Platform { error, .. } => errors::of_platform(&error),
        PluginError::Absent { .. } => Error::NotFound(message),
        PluginError::Refused { refusal, .. } if matches!(*refusal, Refusal::OverLimit { .. }) => {
            Error::TooLarge(message)
        }
        error if error.is_refusal() => Error::Invalid(message),
        _ => Error::Unavailable(Failure { message, sent: Sent::Maybe }),
    }
}
