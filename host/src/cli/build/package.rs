//! Which package of a workspace is the agent, and where its sources are.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::CargoError;
use super::sources::Sources;

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
pub(super) fn choose(
    metadata: &[u8],
    folder: &Path,
    wanted: Option<&str>,
) -> Result<(Package, Sources), CargoError> {
    let unreadable = |error: serde_json::Error| CargoError::Unreadable {
        folder: folder.to_owned(),
        reason: format!("cargo metadata says {error}"),
    };
    let metadata: Metadata = serde_json::from_slice(metadata).map_err(unreadable)?;
    let packages = &metadata.packages;
    let chosen = match wanted {
        Some(wanted) => packages
            .iter()
            .find(|it| it.name == wanted)
            .ok_or_else(|| CargoError::NoPackage { package: wanted.to_owned(), known: names(packages) })?,
        None => match packages.iter().find(|it| is_same(&it.manifest_path, &folder.join("Cargo.toml"))) {
            Some(package) => package,
            None => only_agent(packages, folder)?,
        },
    };
    match chosen.makes_component() {
        true => {
            let package = Package { name: chosen.name.clone(), id: chosen.id.clone() };
            Ok((package, metadata.sources(chosen)))
        }
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
    workspace_root: Option<PathBuf>,
    target_directory: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    id: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    #[serde(default)]
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    /// The folder of one that comes from nowhere else.
    path: Option<PathBuf>,
    /// `dev` where only tests use it.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Metadata {
    /// The folders that a package is made of: its own, and those of what it depends on by path. What lies outside the
    /// workspace is not listed, so that of its own dependencies nothing is known.
    fn sources(&self, package: &Listed) -> Sources {
        let mut folders: Vec<&Path> = Vec::new();
        let mut left = vec![package.folder()];
        while let Some(folder) = left.pop() {
            if folders.contains(&folder) {
                continue;
            }
            folders.push(folder);
            let listed = self.packages.iter().filter(|it| it.folder() == folder);
            left.extend(listed.flat_map(|it| &it.dependencies).filter_map(Dependency::built));
        }
        let others = self.packages.iter().map(Listed::folder).filter(|it| !folders.contains(it));
        Sources {
            others: others.map(Path::to_owned).collect(),
            folders: folders.into_iter().map(Path::to_owned).collect(),
            root: self.workspace_root.clone(),
            outputs: self.target_directory.iter().cloned().collect(),
        }
    }
}

impl Dependency {
    fn built(&self) -> Option<&Path> {
        self.path.as_deref().filter(|_| self.kind.as_deref() != Some("dev"))
    }
}

impl Listed {
    fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

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
            let chosen = chosen.as_ref().map(|(it, _)| it.name.as_str()).map_err(ToString::to_string);
            assert_eq!(chosen, expected.map_err(str::to_owned), "{case}");
        }
        let empty = metadata(&[("lib", "/w/lib", "lib"), ("zoo", "/w/zoo", "example")]);
        assert!(matches!(choose(&empty, Path::new("/w"), None), Err(CargoError::NotAComponent { .. })));
        assert!(matches!(choose(b"{", Path::new("/w"), None), Err(CargoError::Unreadable { .. })));
    }

    #[test]
    fn an_agent_is_made_of_its_own_folder_and_of_what_it_depends_on_by_path() {
        let package = |name: &str, dependencies: serde_json::Value| {
            serde_json::json!({
                "name": name, "id": name, "manifest_path": format!("/w/{name}/Cargo.toml"),
                "targets": [{"kind": ["cdylib"]}], "dependencies": dependencies,
            })
        };
        let metadata = serde_json::json!({
            "workspace_root": "/w",
            "target_directory": "/w/out",
            "packages": [
                package("agent", serde_json::json!([
                    {"name": "near", "kind": null, "path": "/w/near"},
                    {"name": "sdk", "kind": null, "path": "/elsewhere/sdk"},
                    {"name": "tested", "kind": "dev", "path": "/w/tested"},
                    {"name": "serde", "kind": null},
                ])),
                // A circle, as one of a build dependency and its user may be.
                package("near", serde_json::json!([
                    {"name": "far", "kind": "build", "path": "/w/far"},
                    {"name": "agent", "kind": null, "path": "/w/agent"},
                ])),
                package("far", serde_json::json!([])),
                package("tested", serde_json::json!([])),
            ],
        });
        let metadata = serde_json::to_vec(&metadata).unwrap();
        let (_, mut sources) = choose(&metadata, Path::new("/w/agent"), None).unwrap();
        sources.folders.sort();
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(sources.folders, paths(&["/elsewhere/sdk", "/w/agent", "/w/far", "/w/near"]));
        assert_eq!(sources.others, paths(&["/w/tested"]));
        assert_eq!((sources.root, sources.outputs), (Some("/w".into()), paths(&["/w/out"])));
    }
}
