//! The kept inputs of the fuzz targets, on stable.
//!
//! A new one is found with `cargo +nightly fuzz run extract` (or `manifest_hash`) in this crate.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub)]
mod bodies;

fn replay(target: &str, body: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for input in fs::read_dir(corpus).expect("a corpus") {
        let path = input.expect("an entry").path();
        // A panic says which it was, since what is printed is shown of a test that fails.
        eprintln!("{}", path.display());
        body(&fs::read(path).expect("an input"));
        inputs += 1;
    }
    assert!(inputs >= 10, "{inputs} inputs: the corpus is gone");
}

#[test]
fn no_kept_archive_breaks_out() {
    replay("extract", bodies::extract);
}

#[test]
fn every_kept_list_hashes_as_json_does() {
    replay("manifest_hash", bodies::manifest_hash);
}
