//! WASI is there, and gives nothing.

use std::io::ErrorKind;
use std::net::TcpListener;

use molecule_tests::guests;

use super::fixture::agent;

/// Grant any of it in the store's `WasiCtx` and this fails.
#[tokio::test]
async fn nothing_of_the_machine_can_be_reached() {
    // Somebody who would answer.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let running = agent(guests::WASI_REACH).start().await;
    let answer = running.ask(&listener.local_addr().unwrap().to_string()).await;
    let expected = [
        "env: ok []",
        "args: ok []",
        "fs-list: error ",
        "fs-list-here: error ",
        "fs-read: error ",
        "fs-write: error ",
        "fs-create-here: error ",
        "dns: error ",
        "tcp-connect: error ",
        "tcp-listen: error ",
        "udp-bind: error ",
    ];
    assert_eq!(answer.lines().count(), expected.len(), "{answer}");
    for (line, expected) in answer.lines().zip(expected) {
        assert!(line.starts_with(expected), "{line} is not {expected}");
    }
    let receipts = running.gate.receipts().latest();
    let mut denied: Vec<_> =
        receipts.iter().map(|receipt| (receipt.target.as_str(), receipt.denied)).collect();
    denied.dedup();
    let sockets = ["name look-up", "tcp", "udp"].map(|what| (what, Some("socket")));
    assert_eq!(denied, sockets, "each attempt leaves its receipt");
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "somebody called");
}
