//! From the crate of an agent to its component, by the author's own cargo.

mod artefact;
mod environment;
mod package;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use self::package::Package;

/// The only target whose components this host runs.
const TARGET: &str = "wasm32-wasip2";

/// Builds the crate in `folder`, or the package of that name in its workspace, and says where the component is.
///
/// Cargo talks to the person itself, on standard error. Dropping the future stops it.
///
/// # Errors
/// [`CargoError`], each with what to do.
pub(super) async fn build(folder: &Path, package: Option<&str>) -> Result<PathBuf, CargoError> {
    if !folder.join("Cargo.toml").is_file() {
        return Err(CargoError::NoCrate { folder: folder.to_owned() });
    }
    let package = choose(folder, package).await?;
    tracing::info!("building {} (cargo build --release --target {TARGET})", package.name);
    let output = cargo(folder)
        .args(["build", "--release", "--target", TARGET, "--lib"])
        .args(["--message-format", "json-render-diagnostics", "--package", &package.id])
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(no_cargo)?
        .wait_with_output()
        .await
        .map_err(no_cargo)?;
    if !output.status.success() {
        return Err(match has_target(folder).await {
            true => CargoError::Failed { package: package.name },
            false => CargoError::NoTarget { package: package.name },
        });
    }
    artefact::component(&output.stdout, &package.id)
        .ok_or(CargoError::NotAComponent { package: package.name })
}

async fn choose(folder: &Path, wanted: Option<&str>) -> Result<Package, CargoError> {
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
    package::choose(&output.stdout, folder, wanted)
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
    },
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
