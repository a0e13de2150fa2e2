//! The host's side of `molecule:agent`, generated from `wit/`.
#![allow(missing_docs, unreachable_pub, clippy::all)]
wasmtime::component::bindgen!({
    path: "../../wit/0.1.0",
    world: "agent",
    imports: { default: store | trappable },
    exports: { default: async | store },
    additional_derives: [PartialEq],
});
