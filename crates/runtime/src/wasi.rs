//! WASI 0.2 as agents have it: wasmtime's, with the gate in front of whatever has an effect.
//!
//! Memory, clocks and randomness are wasmtime's alone. What reaches further is linked a second time, over the first:
//! [`files`] keep to a quota, [`plugins`] are of one version each, [`sockets`] are denied, and [`http`] goes the way of `molecule:agent/http`.

mod files;
mod http;
mod plugins;
mod sockets;

use wasmtime::component::Linker;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{FsError, FsResult};

pub(crate) use http::Outgoing;
pub(crate) use plugins::identity;

use crate::guest::Guest;

/// The version of WASI that wasmtime links; an agent that was built for an older 0.2 is given this one.
macro_rules! wasi {
    ($interface:literal) => {
        concat!("wasi:", $interface, "@0.2.12")
    };
}
use wasi;

/// Links WASI 0.2.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    files::link(linker)?;
    plugins::link(linker)?;
    sockets::link(linker)?;
    http::link(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// What a function of WASI on files returns: a value, or why there is none.
type Returned<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

fn returned<T>(result: FsResult<T>) -> Returned<T> {
    match result {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

fn trap(error: wasmtime::Error) -> FsError {
    FsError::trap(error)
}
