//! From a file to an agent, and what a person sees meanwhile.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use molecule_host::runtime::Limits;
use molecule_host::{Host, LoadedAgent};
use tokio::time::Instant;

use super::failure::Failure;
use super::settings::UsageError;

/// What takes longer is said to be under way.
const QUICK: Duration = Duration::from_secs(1);

/// Reads a component, compiles it where that has not been done before, and asks it who it is.
///
/// # Errors
/// The file cannot be read, or is no agent.
pub(super) async fn load(host: &Host, path: &Path, limits: &Limits) -> Result<LoadedAgent, Failure> {
    load_bytes(host, path, read(path).await?, limits).await
}

/// Reads a component.
///
/// # Errors
/// The file cannot be read.
pub(super) async fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.is_dir() {
        let path = path.display();
        return Err(UsageError(format!(
            "{path} is a folder; build and run it with: molecule-host dev {path}"
        ))
        .into());
    }
    let unreadable = |source| Failure::Read { path: path.to_owned(), source };
    tracing::debug!("reading {}", path.display());
    // Not on a thread of the runtime's: it may be a pipe that nobody writes to.
    let read = tokio::task::spawn_blocking({
        let path = path.to_owned();
        move || std::fs::read(path)
    });
    read.await.map_err(std::io::Error::other).and_then(|it| it).map_err(unreadable)
}

/// Compiles a component that was read from this file.
///
/// # Errors
/// It is no agent.
pub(super) async fn load_bytes(
    host: &Host,
    path: &Path,
    bytes: Vec<u8>,
    limits: &Limits,
) -> Result<LoadedAgent, Failure> {
    let what = format!("{} ({})", path.file_name().unwrap_or(path.as_os_str()).display(), size(bytes.len()));
    let began = Instant::now();
    let loaded = announced(&what, host.load_within(bytes, limits.clone())).await;
    let agent = loaded.map_err(|source| Failure::Load { path: path.to_owned(), source })?;
    let took = began.elapsed();
    match agent.component.was_kept() {
        true => tracing::info!("took {what} from the compile cache in {took:.0?}"),
        false => tracing::info!("compiled {what} in {took:.1?}"),
    }
    Ok(agent)
}

/// Says that it is compiling once that is worth a line.
async fn announced<T>(what: &str, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match tokio::time::timeout(QUICK, &mut work).await {
        Ok(done) => done,
        Err(_) => {
            tracing::info!("compiling {what} ...");
            work.await
        }
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1000 => format!("{bytes} bytes"),
        1000..1_000_000 => format!("{} KB", bytes.div_ceil(1000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, expected) in
            [(0, "0 bytes"), (999, "999 bytes"), (475_000, "475 KB"), (19_940_000, "19.9 MB")]
        {
            assert_eq!(size(bytes), expected);
        }
    }
}
