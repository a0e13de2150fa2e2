//! The host's side.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::{Answer, Envelope, MAX_LINE, Request, SOCKET, VERSION, Versioned};
use crate::cli::board::Board;

/// How long a request may take to arrive.
const REQUEST: Duration = Duration::from_secs(5);
/// How long an answer's line may take to be read.
const READ: Duration = Duration::from_secs(30);
/// Connections at once.
const CONNECTIONS: usize = 64;

/// Answers an operator's commands until it is dropped, and then takes its socket away.
#[derive(Debug)]
pub(crate) struct Control {
    task: JoinHandle<()>,
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        // One that stays is taken for what it is by the next host.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Opens the socket in this state folder. A host without one runs as well: what keeps it from being opened is said.
pub(crate) fn serve(state_dir: &Path, board: Board) -> Option<Control> {
    match bind(state_dir) {
        Ok((listener, path)) => Some(Control { task: tokio::spawn(accept(listener, board)), path }),
        Err(error) => {
            tracing::warn!(
                "no control socket in {}: {error}; ps, logs and inbox retry will not reach this host",
                state_dir.display()
            );
            None
        }
    }
}

fn bind(state_dir: &Path) -> io::Result<(UnixListener, PathBuf)> {
    // One process at a time: between a look at a socket and its removal another one could have taken its place.
    let _turn = turn(state_dir)?;
    sweep(state_dir)?;
    let first = state_dir.join(SOCKET);
    let path = match first.try_exists()? {
        false => first,
        true => state_dir.join(format!("control-{}.sock", std::process::id())),
    };
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok((listener, path))
}

fn turn(state_dir: &Path) -> io::Result<File> {
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(state_dir.join("control.lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// Removes sockets that nobody listens on any more.
fn sweep(state_dir: &Path) -> io::Result<()> {
    for path in super::client::sockets(state_dir)? {
        let refused = std::os::unix::net::UnixStream::connect(&path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if refused && path.symlink_metadata().is_ok_and(|it| it.file_type().is_socket()) {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

async fn accept(listener: UnixListener, board: Board) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(turn) = connections.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // No file descriptor left, most likely: it comes back.
                tracing::debug!("the control socket takes no connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let board = board.clone();
        tokio::spawn(async move {
            if is_ours(&stream) {
                // Whoever has hung up wants no answer.
                let _ = converse(stream, &board).await;
            }
            drop(turn);
        });
    }
}

/// Whether it is this user, or root, who asks.
fn is_ours(stream: &UnixStream) -> bool {
    let ours = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == ours || peer.uid() == 0)
}

async fn converse(stream: UnixStream, board: &Board) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(reader).take(MAX_LINE as u64);
    tokio::time::timeout(REQUEST, reader.read_until(b'\n', &mut line)).await??;
    match read(&line) {
        Ok(Request::Logs { agent, follow }) => {
            let Some(recent) = board.recent(&agent) else {
                return send(&mut writer, &no_agent(&agent)).await;
            };
            let mut next = 0;
            loop {
                let closed = recent.is_closed();
                let (lines, then) = recent.since(next);
                next = then;
                for line in lines {
                    send(&mut writer, &Answer::ok(line)).await?;
                }
                if !follow || closed {
                    return Ok(());
                }
                let mut hung_up = [0];
                tokio::select! {
                    () = recent.reached(next) => {}
                    _ = reader.read(&mut hung_up) => return Ok(()),
                }
            }
        }
        Ok(request) => send(&mut writer, &answer(request, board).await).await,
        Err(error) => send(&mut writer, &Answer::error(error)).await,
    }
}

fn read(line: &[u8]) -> Result<Request, String> {
    let Versioned { v } = serde_json::from_slice(line).map_err(|error| {
        format!("this is no request: {error}; see the documentation of the control socket")
    })?;
    if v != VERSION {
        return Err(format!(
            "this host speaks version {VERSION} of the control protocol, not {v}; use the molecule-host that it was started with"
        ));
    }
    let envelope: Envelope = serde_json::from_slice(line)
        .map_err(|error| format!("this host does not know that request: {error}; update the host"))?;
    Ok(envelope.request)
}

async fn answer(request: Request, board: &Board) -> Answer {
    let (workspace, key, again) = match request {
        Request::Ps => return Answer::ok(board.rows()),
        Request::Logs { agent, .. } => return no_agent(&agent),
        Request::Retry { workspace, key } => (workspace, key, true),
        Request::Drop { workspace, key } => (workspace, key, false),
    };
    let Some(running) = board.running(workspace) else {
        return Answer::unknown(format!("workspace {workspace} does not run here; try again in a moment"));
    };
    let done = if again { running.retry(key).await } else { running.discard(key).await };
    match done {
        Ok(()) => Answer::ok(()),
        Err(error) => Answer::error(error.to_string()),
    }
}

fn no_agent(agent: &str) -> Answer {
    Answer::unknown(format!("there is no agent {agent}; molecule-host ps shows which there are"))
}

async fn send(writer: &mut (impl AsyncWriteExt + Unpin), answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    tokio::time::timeout(READ, writer.write_all(&line)).await?
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[tokio::test]
    async fn the_socket_is_for_its_owner_only_and_a_stale_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let stale = folder.path().join(SOCKET);
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        assert!(stale.exists());

        let first = serve(folder.path(), Board::default()).unwrap();
        assert_eq!(first.path, stale);
        assert_eq!(std::fs::metadata(&stale).unwrap().mode() & 0o777, 0o600);
        // Another process in the same folder.
        let second = serve(folder.path(), Board::default()).unwrap();
        assert_eq!(second.path, folder.path().join(format!("control-{}.sock", std::process::id())));
        drop((first, second));
        assert_eq!(super::super::client::sockets(folder.path()).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_request_of_another_version_and_nonsense_are_answered_with_what_to_do() {
        for (line, words) in [
            (r#"{"v":2,"verb":"dance"}"#, "speaks version 1 of the control protocol, not 2; use"),
            (r#"{"v":1,"verb":"dance"}"#, "does not know that request"),
            ("hello", "this is no request"),
            ("", "this is no request"),
        ] {
            let error = read(line.as_bytes()).unwrap_err();
            assert!(error.contains(words) && error.contains("; "), "{error}");
        }
        assert_eq!(read(br#"{"v":1,"verb":"ps","more":1}"#), Ok(Request::Ps));
    }
}
