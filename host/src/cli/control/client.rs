//! The operator's side.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{Answer, Envelope, MAX_LINE, Request, VERSION};

/// How long a host may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// The hosts that run on a state folder.
#[derive(Debug)]
pub(crate) struct Client {
    state_dir: PathBuf,
}

/// Why a host did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// There is none.
    #[error("no host runs on {}; start one, or give its --state-dir", state_dir.display())]
    NoHost {
        /// The folder.
        state_dir: PathBuf,
    },
    /// Somebody else's folder or socket.
    #[error(
        "{} belongs to another user; run this as that one, or give the --state-dir of a host of your own",
        path.display()
    )]
    Foreign {
        /// The folder, or the socket in it.
        path: PathBuf,
    },
    /// It does not have what was asked for; its words.
    #[error("{0}")]
    Unknown(String),
    /// It cannot; its words.
    #[error("{0}")]
    Refused(String),
    /// It does not answer, or not in these terms.
    #[error("the host on {} does not answer: {source}; see its log", socket.display())]
    Silent {
        /// Its socket.
        socket: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

impl Client {
    /// The hosts on this folder.
    pub(crate) fn new(state_dir: PathBuf) -> Self {
        Self { state_dir }
    }

    /// Asks every host, and gives back what all of them answered.
    ///
    /// # Errors
    /// Where there is none, or one does not answer.
    pub(crate) fn ask_all<T: DeserializeOwned>(&self, request: &Request) -> Result<Vec<T>, ControlError> {
        let mut answers = Vec::new();
        for (socket, stream) in self.connect()? {
            let mut answer = None;
            converse(&socket, stream, request, &mut |it| answer = Some(it))?;
            answers.extend(answer);
        }
        Ok(answers)
    }

    /// Asks the host that has what is asked for, and takes its answers until it has no more.
    ///
    /// # Errors
    /// Where none has it, or it does not answer.
    pub(crate) fn ask_one<T: DeserializeOwned>(
        &self,
        request: &Request,
        mut take: impl FnMut(T),
    ) -> Result<(), ControlError> {
        let mut unknown = ControlError::NoHost { state_dir: self.state_dir.clone() };
        for (socket, stream) in self.connect()? {
            match converse(&socket, stream, request, &mut take) {
                Err(ControlError::Unknown(words)) => unknown = ControlError::Unknown(words),
                done => return done,
            }
        }
        Err(unknown)
    }

    fn connect(&self) -> Result<Vec<(PathBuf, UnixStream)>, ControlError> {
        let mut none = ControlError::NoHost { state_dir: self.state_dir.clone() };
        let mut connected = Vec::new();
        let found = sockets(&self.state_dir).unwrap_or_else(|error| {
            none = absent(&error, &self.state_dir, &self.state_dir);
            Vec::new()
        });
        for socket in found {
            match UnixStream::connect(&socket) {
                Ok(stream) => connected.push((socket, stream)),
                // A host that was killed leaves its socket behind.
                Err(error) if matches!(none, ControlError::NoHost { .. }) => {
                    none = absent(&error, &socket, &self.state_dir);
                }
                Err(_) => {}
            }
        }
        if connected.is_empty() { Err(none) } else { Ok(connected) }
    }
}

/// Why there is no host, from what the system said of the folder or of a socket.
fn absent(error: &io::Error, path: &Path, state_dir: &Path) -> ControlError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => ControlError::Foreign { path: path.to_owned() },
        _ => ControlError::NoHost { state_dir: state_dir.to_owned() },
    }
}

/// The sockets in a state folder, whether somebody listens or not.
pub(super) fn sockets(state_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let is_socket = |name: &str| name.starts_with("control") && name.ends_with(".sock");
    let mut sockets = Vec::new();
    for entry in std::fs::read_dir(state_dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_socket) {
            sockets.push(entry.path());
        }
    }
    sockets.sort();
    Ok(sockets)
}

fn converse<T: DeserializeOwned>(
    socket: &Path,
    stream: UnixStream,
    request: &Request,
    take: &mut impl FnMut(T),
) -> Result<(), ControlError> {
    let silent = |source| ControlError::Silent { socket: socket.to_owned(), source };
    let follows = matches!(request, Request::Logs { follow: true, .. });
    let waits = (!follows).then_some(ANSWER);
    stream.set_read_timeout(waits).map_err(silent)?;
    let envelope = Envelope { v: VERSION, request: request.clone() };
    let mut line = serde_json::to_vec(&envelope).map_err(|error| silent(error.into()))?;
    line.push(b'\n');
    (&stream).write_all(&line).map_err(silent)?;
    let mut reader = BufReader::new(&stream);
    let mut answered = false;
    loop {
        let mut line = Vec::new();
        // A table of thousands of agents is long; the host is ours.
        let most = 64 * MAX_LINE as u64;
        if (&mut reader).take(most).read_until(b'\n', &mut line).map_err(silent)? == 0 {
            let logs = matches!(request, Request::Logs { .. });
            return match answered || logs {
                true => Ok(()),
                false => Err(silent(io::ErrorKind::UnexpectedEof.into())),
            };
        }
        let answer: Answer = serde_json::from_slice(&line).map_err(|error| silent(error.into()))?;
        match answer {
            Answer { error: Some(words), unknown: true, .. } => return Err(ControlError::Unknown(words)),
            Answer { error: Some(words), .. } => return Err(ControlError::Refused(words)),
            Answer { ok, .. } => {
                let value = ok.unwrap_or_default();
                take(serde_json::from_value(value).map_err(|error| silent(error.into()))?);
                answered = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_another_user_s_is_not_taken_for_nobody_s() {
        let absent = |kind: io::ErrorKind| absent(&kind.into(), Path::new("s/control.sock"), Path::new("s"));
        let foreign = absent(io::ErrorKind::PermissionDenied).to_string();
        assert!(
            foreign.starts_with("s/control.sock belongs to another user; run this as that one"),
            "{foreign}"
        );
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused] {
            assert!(absent(kind).to_string().starts_with("no host runs on s; "));
        }
    }
}
