//! The host's side of `molecule:agent`, generated from `wit/`.
#![allow(missing_docs, unreachable_pub, dead_code, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../../wit/0.1.0",
    world: "agent",
    // `store`: an import sees its store, which is how a call is attributed to its message.
    imports: { default: store | trappable },
    exports: { default: async | store },
    additional_derives: [PartialEq],
    with: { "molecule:agent/http": self::requests::molecule::agent::http },
});

/// What holds resources, which cannot be compared.
mod requests {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1.0",
        interfaces: "import molecule:agent/http@0.1.0;",
        imports: { default: store | trappable },
        with: {
            "molecule:agent/types": super::molecule::agent::types,
            "molecule:agent/http.body": crate::imports::Body,
            "molecule:agent/http.pipe-writer": crate::imports::PipeWriter,
            "molecule:agent/http.pipe-end": crate::imports::PipeEnd,
        },
    });
}
