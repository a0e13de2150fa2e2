//! Reaches for the machine through WASI and answers with what came of it, one line each: `<what>: ok ..` or
//! `<what>: error ..`. The message is the address to connect to, such as `127.0.0.1:8080`.

use std::fmt::Debug;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::{env, fs, io};

use molecule_guest::{Agent, Card, Message, Outcome, Result};

#[derive(Default)]
struct WasiReach;

impl Agent for WasiReach {
    fn describe() -> Card {
        zoo::card("wasi-reach")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let address = message.text();
        let names =
            |entries: fs::ReadDir| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
        let lines = [
            line("env", Ok(env::vars_os().collect::<Vec<_>>())),
            line("args", Ok(env::args_os().collect::<Vec<_>>())),
            line("fs-list", fs::read_dir("/").and_then(names)),
            line("fs-list-here", fs::read_dir(".").and_then(names)),
            line("fs-read", fs::read("/etc/hostname")),
            line("fs-write", fs::write("/tmp/from-a-guest", "x")),
            line("fs-create-here", fs::File::create("from-a-guest").map(drop)),
            line("dns", "localhost:80".to_socket_addrs().map(Iterator::collect::<Vec<_>>)),
            line("tcp-connect", TcpStream::connect(&address).map(drop)),
            line("tcp-listen", TcpListener::bind("127.0.0.1:0").map(drop)),
            line("udp-bind", UdpSocket::bind("127.0.0.1:0").map(drop)),
        ];
        Ok(lines.join("\n").into())
    }
}

fn line<T: Debug>(what: &str, result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{what}: ok {value:?}"),
        Err(error) => format!("{what}: error {error}"),
    }
}

molecule_guest::export!(WasiReach);
