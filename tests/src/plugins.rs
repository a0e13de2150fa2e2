//! Plugins as their authors make them.

#![allow(
    clippy::expect_used,
    reason = "a fixture: what it does not expect is the fault of the test, which then fails"
)]

use std::path::Path;

use molecule_host::plugins::hash_folder;

/// Writes a plugin that declares its hash, and no file that it had before.
pub fn write(folder: &Path, name: &str, version: &str, files: &[(&str, &str)]) {
    write_unverified(folder, name, version, files);
    let hash = hash_folder(folder).expect("a folder");
    let yaml = format!("name: {name}\nversion: {version:?}\nsha256: {hash}\n");
    std::fs::write(folder.join("plugin.yaml"), yaml).expect("a file");
}

/// The same without a hash.
pub fn write_unverified(folder: &Path, name: &str, version: &str, files: &[(&str, &str)]) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).expect("a folder that can be removed");
    }
    std::fs::create_dir_all(folder).expect("a folder");
    for (path, content) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }
    std::fs::write(folder.join("plugin.yaml"), format!("name: {name}\nversion: {version:?}\n"))
        .expect("a file");
}
