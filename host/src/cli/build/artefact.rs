//! What cargo says it has made.

use std::path::PathBuf;

use serde::Deserialize;

/// The component of a package, from the messages of `cargo build --message-format json`, one a line. Lines that are
/// none, such as what a build script prints, are passed over.
pub(super) fn component(messages: &[u8], package_id: &str) -> Option<PathBuf> {
    let made =
        messages.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Made>(line).ok());
    made.filter(|made| made.reason == "compiler-artifact" && made.package_id == package_id)
        .filter(|made| made.target.kind.iter().any(|kind| kind == "cdylib"))
        .flat_map(|made| made.filenames)
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

/// A message, as far as it matters here.
#[derive(Deserialize)]
struct Made {
    reason: String,
    package_id: String,
    target: Target,
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As cargo 1.95 writes them, shortened.
    const MESSAGES: &str = r#"
{"reason":"compiler-artifact","package_id":"registry+x#cfg-if@1.0.0","target":{"kind":["lib"],"crate_types":["lib"],"name":"cfg_if"},"filenames":["/t/libcfg_if.rlib"],"fresh":true}
{"reason":"build-script-executed","package_id":"registry+x#serde@1.0.0","linked_libs":[]}
hello from a macro
{"reason":"compiler-artifact","package_id":"path+file:///w/dep#0.1.0","target":{"kind":["cdylib"],"name":"dep"},"filenames":["/t/dep.wasm"],"fresh":false}
{"reason":"compiler-artifact","package_id":"path+file:///w/echo#0.1.0","target":{"kind":["custom-build"],"name":"build-script-build"},"filenames":["/t/build-script-build.wasm"],"fresh":false}
{"reason":"compiler-artifact","package_id":"path+file:///w/echo#0.1.0","target":{"kind":["cdylib","rlib"],"name":"echo"},"filenames":["/t/libecho.rlib","/t/echo.wasm"],"fresh":false}
{"reason":"build-finished","success":true}
"#;

    #[test]
    fn the_component_is_that_of_the_package_and_not_of_a_dependency() {
        let found = |id| component(MESSAGES.as_bytes(), id);
        assert_eq!(found("path+file:///w/echo#0.1.0"), Some("/t/echo.wasm".into()));
        assert_eq!(found("path+file:///w/dep#0.1.0"), Some("/t/dep.wasm".into()));
        assert_eq!(found("registry+x#cfg-if@1.0.0"), None);
        assert_eq!(component(b"", "x"), None);
    }
}
