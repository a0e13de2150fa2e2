//! A component that has been found to be an agent.

use std::sync::Arc;

use wasmtime::component::InstancePre;
use wasmtime::{Engine, Precompiled};

use crate::bindings::exports::molecule::agent as exports;
use crate::guest::Guest;

/// The contract's package, and the version that this host speaks.
const PACKAGE: &str = "molecule:agent";
const VERSION: (u64, u64, u64) = (0, 1, 0);

/// An agent's component, compiled and linked, ready for instances. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) callbacks: Callbacks,
    digest: String,
    was_kept: bool,
}

/// Where each callback is, for those that the agent has.
pub(crate) struct Callbacks {
    pub(crate) describe: exports::describe::GuestIndices,
    pub(crate) on_start: Option<exports::on_start::GuestIndices>,
    pub(crate) on_message: Option<exports::on_message::GuestIndices>,
    pub(crate) on_tick: Option<exports::on_tick::GuestIndices>,
    pub(crate) on_pause: Option<exports::on_pause::GuestIndices>,
    pub(crate) on_resume: Option<exports::on_resume::GuestIndices>,
    pub(crate) on_stop: Option<exports::on_stop::GuestIndices>,
}

impl Component {
    pub(crate) fn new(pre: InstancePre<Guest>, digest: String, was_kept: bool) -> Result<Self, LoadError> {
        let callbacks = Callbacks {
            describe: exports::describe::GuestIndices::new(&pre).map_err(|_| LoadError::OtherWorld {
                detail: format!("it does not export {PACKAGE}/describe"),
            })?,
            on_start: exports::on_start::GuestIndices::new(&pre).ok(),
            on_message: exports::on_message::GuestIndices::new(&pre).ok(),
            on_tick: exports::on_tick::GuestIndices::new(&pre).ok(),
            on_pause: exports::on_pause::GuestIndices::new(&pre).ok(),
            on_resume: exports::on_resume::GuestIndices::new(&pre).ok(),
            on_stop: exports::on_stop::GuestIndices::new(&pre).ok(),
        };
        Ok(Self { inner: Arc::new(Inner { pre, callbacks, digest, was_kept }) })
    }

    /// BLAKE3 of the component's bytes, in hexadecimal: what it is, whatever its file is called.
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// True if it came from the [`AotStore`](crate::AotStore), and nothing had to be compiled.
    pub fn was_kept(&self) -> bool {
        self.inner.was_kept
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").field("digest", &self.inner.digest).finish_non_exhaustive()
    }
}

/// Why a file is not an agent that this host can run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not WebAssembly at all.
    #[error(
        "this is not WebAssembly (it starts with {start}); build the agent with `cargo build --release --target wasm32-wasip2`"
    )]
    NotWasm {
        /// Its first bytes, for a person.
        start: String,
    },
    /// A module of core WebAssembly, not a component.
    #[error(
        "this is a core WebAssembly module, not a component; build it for the target wasm32-wasip2 (not wasm32-wasip1 or wasm32-unknown-unknown)"
    )]
    CoreModule,
    /// Native code that some wasmtime compiled.
    #[error(
        "this is precompiled native code; give the .wasm component that it was made from, which is compiled here"
    )]
    Precompiled,
    /// Larger than a component may be.
    #[error("this component has {bytes} bytes; at most {max} are accepted")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// WebAssembly that does not validate or cannot be compiled.
    #[error("this component is damaged or uses a WebAssembly feature that this host does not have: {detail}")]
    Invalid {
        /// What is wrong with it.
        detail: String,
    },
    /// A component that is no agent.
    #[error(
        "this component is not a Molecule agent: {detail}; an agent is built with molecule-guest or against wit/ of molecule-host"
    )]
    OtherWorld {
        /// How that was seen.
        detail: String,
    },
    /// An agent of a contract that this host does not speak.
    #[error(
        "this agent was built for {PACKAGE}@{found}; this host speaks {PACKAGE}@{known}: update molecule-host"
    )]
    NewerContract {
        /// The version it asks for.
        found: String,
        /// The version that this host speaks.
        known: String,
    },
    /// Its `describe` died or did not return.
    #[error("the agent's describe failed: {detail}")]
    Describe {
        /// How.
        detail: String,
    },
    /// The host itself failed.
    #[error("the agent could not be loaded: {detail}")]
    Host {
        /// How.
        detail: String,
    },
}

/// Largest component that is accepted; a Python agent has some 20 MB.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// Tells what is wrong with bytes that cannot be a component, before anything is compiled.
pub(crate) fn check_bytes(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > MAX_BYTES {
        return Err(LoadError::TooLarge { bytes: bytes.len(), max: MAX_BYTES });
    }
    if matches!(Engine::detect_precompiled(bytes), Some(Precompiled::Module | Precompiled::Component)) {
        return Err(LoadError::Precompiled);
    }
    match bytes.get(..8) {
        // Magic, version, layer.
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', _, _, 0, 0]) => Err(LoadError::CoreModule),
        _ if bytes.is_empty() => Err(LoadError::NotWasm { start: "nothing: it is empty".to_owned() }),
        _ => {
            let start = bytes.get(..bytes.len().min(8)).unwrap_or_default();
            Err(LoadError::NotWasm { start: format!("\"{}\"", start.escape_ascii()) })
        }
    }
}

/// Tells an agent from other components by what it imports and exports.
pub(crate) fn check_world(
    component: &wasmtime::component::Component,
    engine: &Engine,
) -> Result<(), LoadError> {
    let ty = component.component_type();
    let imports: Vec<String> = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let exports: Vec<String> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    for name in imports.iter().chain(&exports) {
        if let Some((_, version)) = contract(name)
            && !speaks(version)
        {
            let (major, minor, patch) = VERSION;
            return Err(LoadError::NewerContract {
                found: version.to_owned(),
                known: format!("{major}.{minor}.{patch}"),
            });
        }
    }
    if !exports.iter().any(|name| contract(name).is_some_and(|(interface, _)| interface == "describe")) {
        return Err(LoadError::OtherWorld { detail: format!("it does not export {PACKAGE}/describe") });
    }
    if let Some(name) = imports.iter().find(|name| !name.starts_with("wasi:") && contract(name).is_none()) {
        return Err(LoadError::OtherWorld {
            detail: format!("it imports {name}, which this host does not have"),
        });
    }
    Ok(())
}

/// Interface and version of a name of the contract, `molecule:agent/on-start@0.1.0`.
fn contract(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(PACKAGE)?.strip_prefix('/')?.split_once('@')
}

/// Whether a version is one that this host speaks: compatible in the sense of semver, and not newer.
fn speaks(version: &str) -> bool {
    let mut parts = version.splitn(3, '.').map(str::parse::<u64>);
    let (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    (major, minor) == (VERSION.0, VERSION.1) && patch <= VERSION.2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_component_are_told_apart() {
        let says = |bytes: &[u8]| check_bytes(bytes).map_err(|error| error.to_string());
        assert!(says(b"\0asm\x0d\0\x01\0").is_ok());
        for (bytes, expected) in [
            (&b""[..], "empty"),
            (b"#!/bin/sh\n", "not WebAssembly (it starts with \"#!/bin/s\")"),
            (b"\x7fELF\x02\x01\x01\0", "not WebAssembly"),
            (b"\0asm", "not WebAssembly"),
            (b"\0asm\x01\0\0\0", "core WebAssembly module"),
            (b"(component)", "not WebAssembly"),
        ] {
            let error = says(bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn versions_of_the_contract_are_told_apart() {
        for (version, expected) in [
            ("0.1.0", true),
            ("0.1.1", false),
            ("0.2.0", false),
            ("1.0.0", false),
            ("0.1", false),
            ("x", false),
        ] {
            assert_eq!(speaks(version), expected, "{version}");
        }
        assert_eq!(contract("molecule:agent/on-start@0.1.0"), Some(("on-start", "0.1.0")));
        assert_eq!(contract("wasi:cli/environment@0.2.0"), None);
        assert_eq!(contract("molecule:agents/x@0.1.0"), None);
    }
}
