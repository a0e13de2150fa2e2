//! What is compiled once is loaded after that, as long as it is what this host compiled.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use molecule_runtime::{AotStore, Limits, Runtime};
use molecule_tests::guests;
use tempfile::TempDir;

use super::fixture::soon;

/// Bytes of the tag in front of an artefact.
const TAG: usize = 32;

/// A folder whose store has one artefact.
async fn filled() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    load(dir.path()).await;
    let artefact = artefacts(dir.path()).pop().expect("an artefact");
    (dir, artefact)
}

fn artefacts(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
}

/// Loads a component as another process with the same store would, and sees that it works.
async fn load(dir: &Path) {
    load_with(&Runtime::new(Some(AotStore::open(dir, AotStore::MAX_BYTES).unwrap())).unwrap()).await;
}

async fn load_with(runtime: &Runtime) {
    let component = soon(runtime.load(fs::read(guests::FIRST_CONTRACT).unwrap())).await.unwrap();
    let card = soon(runtime.describe(&component, Limits::default())).await.unwrap();
    assert_eq!(card.name, "first-contract");
}

/// A file that is written anew is another one.
fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// Native code as wasmtime makes it, without our tag.
pub(super) async fn precompiled() -> Vec<u8> {
    let (_dir, artefact) = filled().await;
    fs::read(artefact).unwrap().split_off(TAG)
}

#[tokio::test]
async fn the_second_start_compiles_nothing() {
    let (dir, artefact) = filled().await;
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    File::options().append(true).open(&artefact).unwrap().set_modified(long_ago).unwrap();
    let before = inode(&artefact);
    load(dir.path()).await;
    assert_eq!(inode(&artefact), before, "it was written anew");
    assert!(fs::metadata(&artefact).unwrap().modified().unwrap() > long_ago, "it was not used");
}

#[tokio::test]
async fn a_damaged_artefact_is_compiled_again() {
    let (dir, artefact) = filled().await;
    let good = fs::read(&artefact).unwrap();
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let cases = [
        ("its tag", changed(0)),
        ("its middle", changed(good.len() / 2)),
        ("its end", changed(good.len() - 1)),
        ("cut short", good[..good.len() / 2].to_vec()),
        ("nothing", Vec::new()),
    ];
    for (what, bytes) in cases {
        fs::write(&artefact, bytes).unwrap();
        load(dir.path()).await;
        assert!(fs::read(&artefact).unwrap() == good, "{what}");
    }
}

/// Native code that somebody else made could do anything.
#[tokio::test]
async fn an_artefact_of_another_key_is_not_taken() {
    let (dir, artefact) = filled().await;
    let (_other, foreign) = filled().await;
    assert_eq!(artefact.file_name(), foreign.file_name());
    fs::copy(&foreign, &artefact).unwrap();
    let before = inode(&artefact);
    load(dir.path()).await;
    assert_ne!(inode(&artefact), before, "it was taken");
}

#[tokio::test]
async fn without_a_place_to_keep_it_a_component_still_loads() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("aot");
    let store = AotStore::open(&path, AotStore::MAX_BYTES).unwrap();
    let runtime = Runtime::new(Some(store)).unwrap();
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "in the way").unwrap();
    load_with(&runtime).await;
}
