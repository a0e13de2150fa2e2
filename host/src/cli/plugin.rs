//! `molecule-host plugin`: the plugins of a workspace.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use molecule_host::plugins::{
    self, InstallRequest, Plugin, PluginError, PluginName, PluginRef, PluginSettings, Plugins, Progress,
};
use molecule_host::state_dir::StateDir;
use molecule_host::{BuildError, Host};
use serde_json::json;

use super::args::{InstallArgs, PluginAction, PluginArgs, PluginSettingArgs};
use super::console::Console;
use super::escape::one_line;
use super::failure::Failure;
use super::settings::{self, Environment, UsageError};
use super::signals::{Hangup, Signals};
use super::table::table;

/// Does what is said, one plugin after the other.
///
/// # Errors
/// The first that fails; those before it are done.
pub(super) fn plugin(args: PluginArgs, environment: &Environment, console: Console) -> Result<(), Failure> {
    match args.action {
        Some(PluginAction::Install) => install(args, environment, console),
        Some(PluginAction::List) | None => list(args, environment, console),
        Some(PluginAction::Available) => available(args, environment, console),
        Some(PluginAction::Remove) => remove(args, environment, console),
        Some(PluginAction::Hash) => hash(&args, console),
        Some(PluginAction::Verify) => verify(&args, console),
    }
}

/// Changes what was said about the plugins of an agent, and leaves the rest as it is.
pub(super) fn say(settings: &mut PluginSettings, args: PluginSettingArgs) {
    self::settings(settings, &args.how);
    settings.at_start = args.plugin;
}

/// The same about installs.
fn settings(settings: &mut PluginSettings, args: &InstallArgs) {
    settings.setup = args.setup.unwrap_or(settings.setup);
    settings.setup_network = args.setup_net.unwrap_or(settings.setup_network);
    settings.setup_limits.time = args.setup_timeout.unwrap_or(settings.setup_limits.time);
    settings.allow_unverified = args.allow_unverified.unwrap_or(settings.allow_unverified);
    let limits = &mut settings.limits;
    if let Some(archive) = args.max_plugin_archive {
        limits.compressed_bytes = archive.bytes();
    }
    if let Some(files) = args.max_plugin_files {
        (limits.unpacked_bytes, limits.file_bytes) = (files.bytes(), files.bytes());
    }
    limits.entries = args.max_plugin_entries.map_or(limits.entries, u64::from);
}

fn install(args: PluginArgs, environment: &Environment, console: Console) -> Result<(), Failure> {
    let wrong = |text: &str| Failure::Usage(UsageError(text.to_owned()));
    let PluginArgs { what, sha256, report_install, answers, how, platform, identity, state, .. } = args;
    let json = answers.json;
    let plugins: Vec<PluginRef> = what
        .iter()
        .map(|plugin| plugin.parse().map_err(|error| wrong(&format!("{error}"))))
        .collect::<Result<_, _>>()?;
    match plugins.len() {
        0 => {
            return Err(wrong(
                "no plugin is named; give one, as in: molecule-host plugin install molecule-dev",
            ));
        }
        1 => {}
        _ if sha256.is_some() => {
            return Err(wrong("--sha256 is the digest of one archive; install one plugin with it"));
        }
        _ => {}
    }
    let mut spec = settings::connection(platform, &identity, environment)?;
    self::settings(&mut spec.plugins, &how);
    spec.plugins.report = report_install;
    let state_dir = settings::state_dir(state, environment)?;
    super::on_threads(Hangup::Stops, |signals: Signals| async move {
        let host = signals.or_stop(Host::builder().state_dir(&state_dir).build()).await?;
        let shelf = signals.or_stop(Plugins::open(&host, spec)).await?;
        for plugin in plugins {
            let mut request = InstallRequest::new(plugin.clone());
            request.sha256 = sha256;
            let line = Line::new(json);
            let installed = shelf.install(request, line.of(&plugin.name));
            // Dropped at the first signal, it leaves nothing behind.
            let installed = tokio::select! {
                biased;
                () = signals.first() => return Err(Failure::Stopped),
                installed = installed => installed,
            };
            line.clear();
            let installed = installed?;
            match json {
                true => console.json(&installed)?,
                false => {
                    for warning in &installed.warnings {
                        line.say(&format!("warning: {warning}"));
                    }
                    console.answer(&installed.to_string())?;
                }
            }
        }
        Ok(())
    })
}

/// What the platform has to offer.
fn available(args: PluginArgs, environment: &Environment, console: Console) -> Result<(), Failure> {
    let json = args.answers.json;
    let spec = settings::connection(args.platform, &args.identity, environment)?;
    let state_dir = settings::state_dir(args.state, environment)?;
    super::on_threads(Hangup::Stops, |signals: Signals| async move {
        let host = signals.or_stop(Host::builder().state_dir(&state_dir).build()).await?;
        let shelf = signals.or_stop(Plugins::open(&host, spec)).await?;
        let (plugins, schemes) = signals.or_stop(shelf.available()).await?;
        if json {
            return plugins.iter().try_for_each(|plugin| console.json(plugin));
        }
        let cell = |text: &str| one_line(if text.is_empty() { "-" } else { text }, 200);
        let rows: Vec<Vec<String>> =
            plugins.iter().map(|it| vec![cell(&it.name), cell(&it.version), cell(&it.description)]).collect();
        match rows.is_empty() {
            true => console.answer("the platform keeps no plugins of its own")?,
            false => console.answer(&table(&["NAME", "VERSION", "DESCRIPTION"], &rows))?,
        }
        let others = schemes.iter().filter(|scheme| *scheme != "local").map(|scheme| format!("{scheme}://"));
        let others = one_line(&others.collect::<Vec<_>>().join(", "), 200);
        if others.is_empty() { Ok(()) } else { console.answer(&format!("it fetches from {others} as well")) }
    })
}

/// The plugins of the workspace that is named, without a platform.
fn local(args: &PluginArgs, environment: &Environment) -> Result<Plugins, Failure> {
    let workspace = settings::workspace(&args.identity, environment)?;
    let state_dir = settings::state_dir(args.state.clone(), environment)?;
    let folder = StateDir::open(state_dir).and_then(|state_dir| state_dir.workspace(workspace));
    let folder = folder.map_err(|error| Failure::Host(BuildError::from(error)))?;
    Ok(Plugins::in_folder(folder.plugins()))
}

fn list(args: PluginArgs, environment: &Environment, console: Console) -> Result<(), Failure> {
    let plugins = local(&args, environment)?;
    let plugins = on_one_thread(async { plugins.list().await })?;
    if args.answers.json {
        return plugins.iter().try_for_each(|plugin| console.json(plugin));
    }
    if plugins.is_empty() {
        return console.answer("no plugin is installed");
    }
    let rows: Vec<Vec<String>> = plugins.into_iter().map(row).collect();
    console.answer(&table(&["NAME", "VERSION", "VERIFIED", "SETUP", "INSTALLED", "SOURCE"], &rows))
}

fn row(plugin: Plugin) -> Vec<String> {
    let or_dash = |text: Option<String>| one_line(text.as_deref().unwrap_or("-"), 200);
    vec![
        plugin.name.to_string(),
        or_dash(plugin.version),
        if plugin.verified { "yes" } else { "no" }.to_owned(),
        or_dash(plugin.setup),
        or_dash(plugin.installed_at),
        or_dash(plugin.source),
    ]
}

fn remove(args: PluginArgs, environment: &Environment, console: Console) -> Result<(), Failure> {
    let wrong = |text: String| Failure::Usage(UsageError(text));
    if args.what.is_empty() {
        return Err(wrong("no plugin is named; molecule-host plugin list shows which there are".to_owned()));
    }
    let names: Vec<PluginName> = args
        .what
        .iter()
        .map(|name| name.parse().map_err(|error| wrong(format!("{error}"))))
        .collect::<Result<_, _>>()?;
    let plugins = local(&args, environment)?;
    for name in names {
        on_one_thread(async { plugins.remove(&name).await })?;
        match args.answers.json {
            true => console.json(&json!({ "removed": name.as_str() }))?,
            false => console.answer(&format!("removed {name}"))?,
        }
    }
    Ok(())
}

fn folder(args: &PluginArgs) -> Result<std::path::PathBuf, Failure> {
    args.folder().ok_or_else(|| {
        Failure::Usage(UsageError(
            "one folder is to be named; give that of a plugin, where its plugin.yaml is".to_owned(),
        ))
    })
}

fn hash(args: &PluginArgs, console: Console) -> Result<(), Failure> {
    let digest = plugins::hash_folder(&folder(args)?).map_err(plugins::Rejected::from)?;
    match args.answers.json {
        true => console.json(&json!({ "sha256": digest.to_string() })),
        false => console.answer(&digest.to_string()),
    }
}

fn verify(args: &PluginArgs, console: Console) -> Result<(), Failure> {
    let (digest, declared) = plugins::verify_folder(&folder(args)?)?;
    match args.answers.json {
        true => console.json(&json!({ "sha256": digest.to_string(), "declared": declared })),
        false if declared => {
            console.answer(&format!("verified: its files have the sha256 {digest} that it declares"))
        }
        false => console.answer(&format!("it declares no sha256; that of its files is {digest}")),
    }
}

fn on_one_thread<T>(work: impl Future<Output = Result<T, PluginError>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(Failure::System)?.block_on(work)?)
}

/// The line at which a person sees how far it is, where one looks.
#[derive(Debug, Clone, Copy)]
struct Line {
    watched: bool,
    /// Whether what is worth a line of its own is said.
    talks: bool,
}

impl Line {
    fn new(json: bool) -> Self {
        Self { watched: !json && io::stderr().is_terminal(), talks: !json }
    }

    /// Shows the progress of one plugin, ten times a second at most.
    fn of(self, name: &PluginName) -> impl Fn(Progress) + Send + Sync + 'static {
        const BETWEEN: Duration = Duration::from_millis(100);
        let (name, last) = (name.clone(), std::sync::Mutex::new(None::<Instant>));
        move |progress| match progress {
            Progress::Unpacking { received, length, entries, .. } if self.watched => {
                let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if last.is_none_or(|last| last.elapsed() >= BETWEEN) {
                    *last = Some(Instant::now());
                    let of = length.map(|length| format!(" of {length}")).unwrap_or_default();
                    self.draw(&format!("{name}: {received}{of} bytes, {entries} entries"));
                }
            }
            Progress::Waiting(Some(process)) => {
                self.say(&format!("{name}: waiting for process {process}, which installs or removes it"));
            }
            Progress::Waiting(None) => {
                self.say(&format!("{name}: waiting for whoever installs or removes it"))
            }
            Progress::Again(why) => self.say(&format!("{why} (trying again)")),
            Progress::Setup(line) => self.say(&format!("{name} setup.sh: {line}")),
            _ => {}
        }
    }

    /// A line that stays.
    fn say(self, text: &str) {
        if self.talks {
            self.clear();
            // Where nobody reads it, there is nobody to tell.
            let _ = writeln!(io::stderr().lock(), "{}", one_line(text, 2000));
        }
    }

    fn draw(self, text: &str) {
        let _ = write!(io::stderr().lock(), "\r\x1b[K{text}");
    }

    fn clear(self) {
        if self.watched {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}
