//! Sockets and name look-ups, which some languages import without being asked: each attempt is denied, and leaves its
//! receipt. An agent's way out is `http`, where the host knows what is asked of whom.

use molecule_gate::{Act, Effect};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::ResolveAddressStream;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, Network};
use wasmtime_wasi::p2::{TcpSocket, UdpSocket};

use super::wasi;
use crate::guest::{Guest, caller};

/// Opens a socket, or looks up a name.
#[derive(Debug)]
struct OpenSocket(&'static str);

impl Act for OpenSocket {
    fn effect(&self) -> Effect<'_> {
        Effect::Socket { what: self.0 }
    }
}

/// Links over what wasmtime linked, which would refuse as well and tell nobody.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker
        .instance(wasi!("sockets/tcp-create-socket"))?
        .func_wrap("create-tcp-socket", |store, (_,): (IpAddressFamily,)| {
            denied::<Resource<TcpSocket>>(store, "tcp")
        })?;
    linker
        .instance(wasi!("sockets/udp-create-socket"))?
        .func_wrap("create-udp-socket", |store, (_,): (IpAddressFamily,)| {
            denied::<Resource<UdpSocket>>(store, "udp")
        })?;
    linker.instance(wasi!("sockets/ip-name-lookup"))?.func_wrap(
        "resolve-addresses",
        |store, (_, _): (Resource<Network>, String)| {
            denied::<Resource<ResolveAddressStream>>(store, "name look-up")
        },
    )
}

fn denied<T>(
    store: StoreContextMut<'_, Guest>,
    what: &'static str,
) -> wasmtime::Result<(Result<T, ErrorCode>,)> {
    let (agent, call) = caller(store)?;
    let message = call.as_ref().and_then(|call| call.message.as_deref());
    // Of no gate is this ever allowed; were it, there would still be no socket behind it.
    let _ = agent.gate.pass(OpenSocket(what), message);
    Ok((Err(ErrorCode::AccessDenied),))
}
