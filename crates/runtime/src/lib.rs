//! Runs agents: WebAssembly components on wasmtime, one actor each.
mod bindings;
