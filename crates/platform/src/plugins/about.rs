//! What plugins say of themselves, for the lists.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk::is_folder_name;
use super::within;

const MAX_YAML: u64 = 256 * 1024;

/// What a plugin says of itself in `plugin.yaml`. A member that is not there is `null`, or empty.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct About {
    /// That of its folder: the one under which it is downloaded.
    name: String,
    version: String,
    description: String,
    author: String,
    tags: Option<Vec<String>>,
    skills: Option<Vec<String>>,
    runtimes: Option<Vec<String>>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    supported_on_runtime: Option<bool>,
}

impl About {
    /// True if it names that runtime, or none at all; `-` and `_` are the same.
    pub(crate) fn runs_on(&self, runtime: &str) -> bool {
        let plain = |name: &str| name.replace('-', "_");
        let runtimes = self.runtimes.as_deref().unwrap_or_default();
        runtimes.is_empty() || runtimes.iter().any(|known| plain(known) == plain(runtime))
    }

    /// With a word on whether it runs there.
    pub(crate) fn judged_for(self, runtime: &str) -> Self {
        Self { supported_on_runtime: Some(self.runs_on(runtime)), ..self }
    }
}

/// Those in the folders of `base`, by name. A folder that nobody could download from is left out.
pub(super) fn all(base: &Path) -> Vec<About> {
    let Ok(base) = super::real_base(base) else { return Vec::new() };
    let entries = match base.read_dir() {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(path = %base.display(), %error, "the plugins cannot be listed");
            return Vec::new();
        }
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| is_folder_name(name)).collect();
    names.sort_unstable();
    names.into_iter().filter_map(|name| of(&base, name)).collect()
}

fn of(base: &Path, name: String) -> Option<About> {
    let folder = within(base, &base.join(&name)).ok().flatten().filter(|folder| folder.is_dir())?;
    let manifest = within(base, &folder.join("plugin.yaml")).ok().flatten().filter(|file| file.is_file());
    let about = manifest.and_then(|manifest| read(&manifest)).unwrap_or_default();
    Some(About { name, ..about })
}

fn read(manifest: &Path) -> Option<About> {
    let mut text = String::new();
    let read = File::open(manifest).and_then(|file| file.take(MAX_YAML).read_to_string(&mut text));
    let about = match read {
        Ok(_) => serde_saphyr::from_str(&text).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    about
        .inspect_err(
            |error| tracing::warn!(path = %manifest.display(), %error, "a plugin's facts cannot be read"),
        )
        .ok()
}
