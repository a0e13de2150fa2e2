//! Plugins that a platform has to offer.

use serde::{Deserialize, Serialize};

use crate::json::{self, Json};

/// A plugin, as the platform lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PluginInfo {
    /// The name under which it is downloaded.
    pub name: String,
    /// Its version; empty where it says none.
    pub version: String,
    /// What it is for.
    pub description: String,
    /// Who made it.
    pub author: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The skills in it.
    pub skills: Vec<String>,
    /// What it is made for; anything where that is empty.
    pub runtimes: Vec<String>,
    /// Whether that is what the workspace runs on, where the platform says.
    pub supported_on_runtime: Option<bool>,
}

impl PluginInfo {
    /// Reads one; `None` where it has no name. Other members of a wrong type count as absent.
    pub fn read(value: &Json) -> Option<Self> {
        let members = value.as_object()?;
        let text = |name: &str| members.get(name).and_then(Json::as_text).unwrap_or_default();
        let words = |name: &str| {
            let list = members.get(name).and_then(Json::as_list).unwrap_or_default();
            list.iter().filter_map(Json::as_text).collect()
        };
        Some(Self {
            name: Some(text("name")).filter(|name| !name.is_empty())?,
            version: text("version"),
            description: text("description"),
            author: text("author"),
            tags: words("tags"),
            skills: words("skills"),
            runtimes: words("runtimes"),
            supported_on_runtime: members.get("supported_on_runtime").and_then(|it| it.get().parse().ok()),
        })
    }

    /// Reads a list of them; what is none is left out. `None` where the body is no list.
    pub fn read_list(body: &[u8]) -> Option<Vec<Self>> {
        json::read_list(body, Self::read)
    }
}

/// `GET /plugins/sources`: from where the platform can fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct PluginSources {
    /// The schemes of sources, such as `github`.
    #[serde(default)]
    pub schemes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_may_be_null_and_what_has_no_name_is_none() {
        let body = br#"[{"name":"dev","version":"1","tags":null,"skills":["a",3],"supported_on_runtime":false},{"version":"2"},7]"#;
        let plugins = PluginInfo::read_list(body).unwrap();
        assert_eq!(plugins.len(), 1);
        let PluginInfo { name, version, skills, tags, supported_on_runtime, .. } = &plugins[0];
        assert_eq!((name.as_str(), version.as_str(), *supported_on_runtime), ("dev", "1", Some(false)));
        assert_eq!((skills.as_slice(), tags.as_slice()), (["a".to_owned()].as_slice(), [].as_slice()));
        assert_eq!(PluginInfo::read_list(b"{}"), None);
    }
}
