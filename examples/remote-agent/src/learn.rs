//! Plugins: folders of skills that the agent installs and reads.

use molecule_guest::plugins::{self, SetupOutcome};
use molecule_guest::{Context, Error, Outcome, Result, Skill, log, workspace};

/// What is installed, whoever installed it.
pub async fn plugins() -> Result<Outcome> {
    let plugins = plugins::list().await.context("I could not list my plugins")?;
    if plugins.is_empty() {
        return Ok("I have no plugins. Say: install <plugin>".into());
    }
    let lines = plugins.iter().map(|plugin| {
        let skills: Vec<_> = plugin.skills.iter().map(|skill| skill.name.as_str()).collect();
        let skills = if skills.is_empty() { "no skills".to_owned() } else { skills.join(", ") };
        format!("- {} {}: {skills}", plugin.name, plugin.version.as_deref().unwrap_or(""))
    });
    Ok(lines.collect::<Vec<_>>().join("\n").into())
}

/// Installs a plugin, from the platform itself or from where the user says. The host downloads, checks and unpacks; if
/// any of that fails, the version that is there stays.
pub async fn install(plugin: &str, source: Option<&str>) -> Result<Outcome> {
    log::info!(plugin = plugin, "installing");
    let install = plugins::install(plugin);
    let install = match source {
        Some(source) => install.source(source),
        None => install,
    };
    match install.await {
        Ok(installed) => {
            for warning in &installed.warnings {
                log::warn!(plugin = plugin, "{warning}");
            }
            announce().await;
            let version = installed.plugin.version.as_deref().unwrap_or("without a version");
            let setup = match installed.setup {
                SetupOutcome::Absent | SetupOutcome::Succeeded => String::new(),
                SetupOutcome::Skipped(why) | SetupOutcome::Failed(why) => format!(" But {why}."),
            };
            Ok(format!("I have {plugin} {version} now.{setup}").into())
        }
        Err(Error::Denied(denial)) => {
            let how = denial.grant.map(|grant| format!(" My operator can allow it with: {grant}"));
            Ok(Outcome::rejected(format!("I may not install {plugin}.{}", how.unwrap_or_default())))
        }
        Err(error) => Ok(Outcome::failed(format!("I could not install {plugin}: {error}"))),
    }
}

/// Tells the platform of the skills that it has learned: its card, and one more for each. That it could not must not look
/// as if the plugin were not there.
async fn announce() {
    let announced = async {
        let card = plugins::list().await?.iter().flat_map(|plugin| &plugin.skills).fold(
            crate::card(),
            |card, skill| {
                let description = skill.description.as_deref().unwrap_or_default();
                card.skill(Skill::new(&skill.name, &skill.name).description(description))
            },
        );
        workspace::register(card).await
    };
    if let Err(error) = announced.await {
        log::warn!("nobody knows yet what I have learned: {error}");
    }
}

/// Reads a skill and answers with its text.
pub async fn skill(plugin: &str, name: &str) -> Result<Outcome> {
    let plugins = plugins::list().await.context("I could not list my plugins")?;
    let Some(plugin) = plugins.iter().find(|known| known.name == plugin) else {
        return Ok(Outcome::rejected(format!("I have no plugin {plugin}. Say: install {plugin}")));
    };
    let Some(skill) = plugin.skill(name) else {
        let known: Vec<_> = plugin.skills.iter().map(|skill| skill.name.as_str()).collect();
        return Ok(Outcome::rejected(format!(
            "{} has no skill {name}, but: {}",
            plugin.name,
            known.join(", ")
        )));
    };
    let text = skill.read().with_context(|| format!("I could not read {}", skill.path))?;
    Ok(text.into())
}
