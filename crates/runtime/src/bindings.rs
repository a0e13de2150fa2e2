//! The host's side of `molecule:agent`, generated from `wit/`.
#![allow(missing_docs, unreachable_pub, dead_code, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../../wit/0.1.0",
    world: "agent",
    // `store`: an import sees its store, which is how a call is attributed to its message.
    imports: { default: store | trappable },
    exports: { default: async | store },
    additional_derives: [PartialEq],
});
