//! What the service manager wants to know (`sd_notify(3)`): that the host is ready, that it stops, and now and then that
//! it lives. A datagram each, to the socket that `NOTIFY_SOCKET` names; nothing where there is none.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::settings::{Environment, UsageError};

/// The service manager, if there is one.
#[derive(Debug, Clone, Default)]
pub(super) struct Service {
    socket: Option<PathBuf>,
    /// How often it wants to hear.
    watchdog: Option<Duration>,
}

impl Service {
    /// As the variables say.
    ///
    /// # Errors
    /// Variables that make no sense.
    pub(super) fn new(environment: &Environment) -> Result<Self, UsageError> {
        let number = |name: &str| -> Result<Option<u64>, UsageError> {
            let wrong = |_| UsageError(format!("{name} is no number; unset it, or leave it to systemd"));
            environment.text(name)?.map(|text| text.parse()).transpose().map_err(wrong)
        };
        let is_ours = number("WATCHDOG_PID")?.is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC")?.filter(|usec| is_ours && *usec > 0);
        let watchdog = watchdog.map(Duration::from_micros);
        Ok(Self { socket: environment.path("NOTIFY_SOCKET"), watchdog })
    }

    /// The host does its work from now on. Must be called within a tokio runtime: the watchdog hears of it as long as that
    /// takes turns.
    pub(super) fn ready(&self) {
        self.notify("READY=1");
        if let (Some(every), Some(_)) = (self.watchdog, &self.socket) {
            let service = self.clone();
            tokio::spawn(async move {
                let mut turns = tokio::time::interval(every / 2);
                loop {
                    turns.tick().await;
                    service.notify("WATCHDOG=1");
                }
            });
        }
    }

    /// It stops.
    pub(super) fn stopping(&self) {
        self.notify("STOPPING=1");
    }

    fn notify(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = send(socket, state)
        {
            tracing::debug!("the service manager does not hear {state}: {error}");
        }
    }
}

fn send(socket: &Path, state: &str) -> std::io::Result<()> {
    let datagram = UnixDatagram::unbound()?;
    datagram.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.to_str().and_then(|it| it.strip_prefix('@')) {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return datagram.send_to_addr(state.as_bytes(), &address).map(drop);
    }
    datagram.send_to(state.as_bytes(), socket).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(variables: &'static [(&str, &str)]) -> Result<Service, UsageError> {
        let find =
            |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).into());
        Service::new(&Environment::new(find))
    }

    #[test]
    fn the_watchdog_is_whose_process_it_names() {
        let usec = |variables| service(variables).unwrap().watchdog.map(|it| it.as_micros());
        assert_eq!(usec(&[]), None);
        assert_eq!(usec(&[("WATCHDOG_USEC", "3000000")]), Some(3_000_000));
        assert_eq!(usec(&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "1")]), None);
        assert_eq!(usec(&[("WATCHDOG_USEC", "0")]), None);
        let wrong = service(&[("WATCHDOG_USEC", "soon")]).unwrap_err().to_string();
        assert_eq!(wrong, "WATCHDOG_USEC is no number; unset it, or leave it to systemd");
    }

    #[test]
    fn a_datagram_says_it_also_to_an_abstract_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut heard = [0; 64];
        send(&path, "READY=1").unwrap();
        let length = manager.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1");

        #[cfg(target_os = "linux")]
        {
            use std::os::linux::net::SocketAddrExt;
            let name = format!("molecule-test-{}", std::process::id());
            let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
            let manager = UnixDatagram::bind_addr(&address).unwrap();
            send(Path::new(&format!("@{name}")), "STOPPING=1").unwrap();
            let length = manager.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"STOPPING=1");
        }
    }
}
