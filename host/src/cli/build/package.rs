//! Which package of a workspace is the agent.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::CargoError;

/// A package that makes a component.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Package {
    /// Its name, for people.
    pub(super) name: String,
    /// What cargo calls it: two packages of a workspace cannot be mixed up by it.
    pub(super) id: String,
}

/// Chooses from what `cargo metadata --no-deps` says: the package of that name; else the one whose manifest lies in
/// `folder`; else the only one that makes a component.
pub(super) fn choose(metadata: &[u8], folder: &Path, wanted: Option<&str>) -> Result<Package, CargoError> {
    let unreadable = |error: serde_json::Error| CargoError::Unreadable {
        folder: folder.to_owned(),
        reason: format!("cargo metadata says {error}"),
    };
    let Metadata { packages } = serde_json::from_slice(metadata).map_err(unreadable)?;
    let chosen = match wanted {
        Some(wanted) => packages
            .iter()
            .find(|it| it.name == wanted)
            .ok_or_else(|| CargoError::NoPackage { package: wanted.to_owned(), known: names(&packages) })?,
        None => match packages.iter().find(|it| is_same(&it.manifest_path, &folder.join("Cargo.toml"))) {
            Some(package) => package,
            None => only_agent(&packages, folder)?,
        },
    };
    match chosen.makes_component() {
        true => Ok(Package { name: chosen.name.clone(), id: chosen.id.clone() }),
        false => Err(CargoError::NotAComponent { package: chosen.name.clone() }),
    }
}

fn only_agent<'a>(packages: &'a [Listed], folder: &Path) -> Result<&'a Listed, CargoError> {
    let mut agents = packages.iter().filter(|it| it.makes_component());
    match (agents.next(), agents.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => {
            Err(CargoError::NotAComponent { package: format!("the workspace in {}", folder.display()) })
        }
        (Some(_), Some(_)) => {
            Err(CargoError::Choose { packages: names(packages.iter().filter(|it| it.makes_component())) })
        }
    }
}

fn names<'a>(packages: impl IntoIterator<Item = &'a Listed>) -> Vec<String> {
    packages.into_iter().map(|it| it.name.clone()).collect()
}

/// Cargo has resolved links in its paths; the folder that was typed may hold some.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().ok().is_some_and(|one| other.canonicalize().ok() == Some(one))
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    id: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Listed {
    /// True if its library is a `cdylib`. One among its examples does not count: nobody could say which.
    fn makes_component(&self) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "cdylib"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(packages: &[(&str, &str, &str)]) -> Vec<u8> {
        let packages: Vec<_> = packages
            .iter()
            .map(|(name, folder, kind)| {
                serde_json::json!({
                    "name": name,
                    "id": format!("path+file://{folder}#{name}@0.1.0"),
                    "manifest_path": format!("{folder}/Cargo.toml"),
                    "targets": [{"kind": [kind], "crate_types": [kind], "name": name}],
                })
            })
            .collect();
        serde_json::to_vec(&serde_json::json!({"packages": packages, "version": 1})).unwrap()
    }

    #[test]
    fn the_package_is_the_named_one_or_that_of_the_folder_or_the_only_one() {
        let two = metadata(&[
            ("echo", "/w/echo", "cdylib"),
            ("walk", "/w/walk", "cdylib"),
            ("lib", "/w/lib", "lib"),
        ]);
        let one = metadata(&[("echo", "/w/echo", "cdylib"), ("lib", "/w/lib", "lib")]);
        for (case, metadata, folder, wanted, expected) in [
            ("by name", &two, "/w", Some("walk"), Ok("walk")),
            ("by folder", &two, "/w/echo", None, Ok("echo")),
            ("by name, in another's folder", &two, "/w/echo", Some("walk"), Ok("walk")),
            ("the only one", &one, "/w", None, Ok("echo")),
            (
                "several",
                &two,
                "/w",
                None,
                Err("there are several agents here; give one of them with --package: echo, walk"),
            ),
            (
                "unknown",
                &two,
                "/w",
                Some("x"),
                Err("there is no package x here; give one of: echo, walk, lib"),
            ),
            (
                "no component",
                &two,
                "/w/lib",
                None,
                Err(
                    "lib does not make a component; give its Cargo.toml the lines `[lib]` and `crate-type = [\"cdylib\"]`",
                ),
            ),
        ] {
            let chosen = choose(metadata, Path::new(folder), wanted);
            let chosen = chosen.as_ref().map(|it| it.name.as_str()).map_err(ToString::to_string);
            assert_eq!(chosen, expected.map_err(str::to_owned), "{case}");
        }
        let empty = metadata(&[("lib", "/w/lib", "lib"), ("zoo", "/w/zoo", "example")]);
        assert!(matches!(choose(&empty, Path::new("/w"), None), Err(CargoError::NotAComponent { .. })));
        assert!(matches!(choose(b"{", Path::new("/w"), None), Err(CargoError::Unreadable { .. })));
    }
}
