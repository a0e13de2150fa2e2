//! From the crate of an agent to its component, by the author's own cargo.

mod artefact;
mod environment;
mod group;
mod package;
mod said;
mod sources;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

pub(super) use self::environment::clean;
pub(super) use self::group::Group;
use self::package::Package;
pub(super) use self::said::Talk;
pub(super) use self::sources::{Sources, is_cargo_s_own};

/// The only target whose components this host runs.
const TARGET: &str = "wasm32-wasip2";

/// What is to be built, as cargo understands the manifests at this moment.
#[derive(Debug)]
pub(super) struct Plan {
    folder: PathBuf,
    package: Package,
    /// Where its sources are.
    pub(super) sources: Sources,
}

impl Plan {
    /// The crate in `folder`, or the package of that name in its workspace.
    ///
    /// # Errors
    /// [`CargoError`], each with what to do.
    pub(super) async fn read(folder: &Path, package: Option<&str>) -> Result<Self, CargoError> {
        if !folder.join("Cargo.toml").is_file() {
            return Err(CargoError::NoCrate { folder: folder.to_owned() });
        }
        let output = cargo(folder)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .stderr(Stdio::piped())
            .output()
            .await
            .map_err(no_cargo)?;
        if !output.status.success() {
            return Err(CargoError::Unreadable {
                folder: folder.to_owned(),
                reason: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        let (package, sources) = package::choose(&output.stdout, folder, package)?;
        Ok(Self { folder: folder.to_owned(), package, sources })
    }

    /// Builds it, and says where the component is. Dropping the future stops cargo and all that it has started.
    ///
    /// # Errors
    /// [`CargoError`], each with what to do.
    pub(super) async fn build(&self, talk: Talk) -> Result<PathBuf, CargoError> {
        let package = &self.package;
        let mut command = cargo(&self.folder);
        command
            .args(["build", "--release", "--target", TARGET, "--lib"])
            .args(["--message-format", "json-render-diagnostics", "--package", &package.id])
            .args(talk.flags())
            .stdout(Stdio::piped())
            .stderr(talk.stderr());
        tracing::debug!("cargo build --release --target {TARGET} --package {}", package.name);
        let mut cargo = Group::spawn(&mut command).map_err(no_cargo)?;
        let (stdout, stderr) = (cargo.child().stdout.take(), cargo.child().stderr.take());
        let messages = async {
            let mut messages = Vec::new();
            if let Some(mut stdout) = stdout {
                stdout.read_to_end(&mut messages).await?;
            }
            Ok::<_, io::Error>(messages)
        };
        let (messages, said) = tokio::join!(messages, talk.listen(stderr));
        let status = cargo.wait().await.map_err(no_cargo)?;
        if !status.success() {
            let name = package.name.clone();
            return Err(match has_target(&self.folder).await {
                true => CargoError::Failed { package: name, said },
                false => CargoError::NoTarget { package: name },
            });
        }
        artefact::component(&messages.map_err(no_cargo)?, &package.id)
            .ok_or_else(|| CargoError::NotAComponent { package: package.name.clone() })
    }

    /// The package.
    pub(super) fn name(&self) -> &str {
        &self.package.name
    }
}

/// Whether the standard library of the target is there, for the toolchain that the crate wants.
async fn has_target(folder: &Path) -> bool {
    let mut rustc = Command::new("rustc");
    environment::clean(&mut rustc);
    let asked = rustc
        .current_dir(folder)
        .args(["--print", "target-libdir", "--target", TARGET])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    match asked {
        Ok(output) if output.status.success() => {
            Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
        }
        // A rustc that knows no such target at all.
        Ok(_) => false,
        // Then the target is not what is missing.
        Err(_) => true,
    }
}

fn cargo(folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    environment::clean(&mut command);
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn no_cargo(source: io::Error) -> CargoError {
    CargoError::NoCargo { source }
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub(super) enum CargoError {
    /// No `Cargo.toml`.
    #[error("{} holds no Cargo.toml; give the folder of an agent's crate, or a .wasm file", folder.display())]
    NoCrate {
        /// The folder.
        folder: PathBuf,
    },
    /// Cargo cannot be run.
    #[error(
        "cannot run cargo: {source}; install Rust from https://rustup.rs, or give a .wasm file that is built"
    )]
    NoCargo {
        /// What the system said.
        source: io::Error,
    },
    /// Cargo does not understand the manifest.
    #[error("cargo cannot read the crate in {}: {}; correct its Cargo.toml", folder.display(), cause(reason))]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// What cargo said.
        reason: String,
    },
    /// No package of this name.
    #[error("there is no package {package} here; give one of: {}", known.join(", "))]
    NoPackage {
        /// What was asked for.
        package: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A workspace with several agents.
    #[error("there are several agents here; give one of them with --package: {}", packages.join(", "))]
    Choose {
        /// Their names.
        packages: Vec<String>,
    },
    /// No `cdylib`.
    #[error(
        "{package} does not make a component; give its Cargo.toml the lines `[lib]` and `crate-type = [\"cdylib\"]`"
    )]
    NotAComponent {
        /// The package.
        package: String,
    },
    /// The target's standard library is missing.
    #[error(
        "{package} cannot be built: the target {TARGET} is not installed; run: rustup target add {TARGET}"
    )]
    NoTarget {
        /// The package.
        package: String,
    },
    /// It does not compile.
    #[error("{package} does not build; correct what cargo says above")]
    Failed {
        /// The package.
        package: String,
        /// What cargo said, where that was listened to.
        said: String,
    },
}

impl CargoError {
    /// All that cargo said about it, or what there is to say.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Failed { said, .. } if !said.is_empty() => said.clone(),
            Self::Unreadable { reason, .. } => reason.trim().to_owned(),
            other => other.to_string(),
        }
    }
}

/// What cargo, or rustup in its place, said: the error, and the innermost of its causes.
fn cause(said: &str) -> String {
    let error = said.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or("it gave no reason");
    let innermost = said.rsplit_once("Caused by:").and_then(|(_, causes)| {
        let mut lines = causes.lines().map(str::trim).filter(|line| !line.is_empty());
        // A number of a list of causes, `  0: ...`, says nothing.
        lines.next().map(|line| line.trim_start_matches(|it: char| it.is_ascii_digit() || it == ':').trim())
    });
    let whole = innermost.map_or_else(|| error.to_owned(), |innermost| format!("{error}: {innermost}"));
    super::escape::one_line(&whole, 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_is_brought_to_one_line() {
        for (said, expected) in [
            (
                "error: failed to parse manifest at `/w/Cargo.toml`\n\nCaused by:\n  no targets specified in the manifest\n  \
                 either src/lib.rs must be present\n",
                "failed to parse manifest at `/w/Cargo.toml`: no targets specified in the manifest",
            ),
            (
                "error: rustup could not choose a version of cargo to run\nhelp: run 'rustup default stable'\n",
                "rustup could not choose a version of cargo to run",
            ),
            ("error: a\n\nCaused by:\n  b\n\nCaused by:\n  c\n", "a: c"),
            ("", "it gave no reason"),
        ] {
            assert_eq!(cause(said), expected);
        }
    }
}
