//! Whom a script can reach.

use std::io::{ErrorKind, Read};
use std::net::TcpListener;

use crate::fixture::Plugin;

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo hello >&3"))
}

/// Fails without the filter and without Landlock's rules on ports: either alone is enough.
#[test]
fn no_connection_arrives() {
    let (listener, script) = listen();
    listener.set_nonblocking(true).unwrap();
    let ran = Plugin::new(&script).run();
    assert!(ran.text().contains("Operation not permitted"), "{}", ran.text());
    assert_eq!(ran.line(), "setup.sh failed with exit code 1");
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn with_the_network_a_connection_arrives() {
    let (listener, script) = listen();
    let mut plugin = Plugin::new(&script);
    plugin.network = true;
    let ran = plugin.run();
    assert_eq!(ran.line(), "setup.sh succeeded", "{}", ran.text());
    let mut said = String::new();
    listener.accept().unwrap().0.read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello\n");
}

#[test]
fn with_the_network_no_other_sockets_are_to_be_had() {
    let script = "./probe --ignored --exact system_calls::makes_system_calls --nocapture --test-threads=1";
    let mut plugin = Plugin::new(script).with_probe();
    plugin.network = true;
    let ran = plugin.run();
    for (name, error) in [("inet", 0), ("unix", libc::EPERM), ("netlink", libc::EPERM)] {
        assert!(ran.text().contains(&format!("call socket {name}: {error}\n")), "{}", ran.text());
    }
    assert!(
        ran.text().contains(&format!("call socketpair of datagrams: {}\n", libc::EPERM)),
        "{}",
        ran.text()
    );
}
