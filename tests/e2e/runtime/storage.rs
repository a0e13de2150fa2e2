//! The folder of an agent, and its quota.

use std::fs;

use molecule_gate::{Gate, Grants};
use molecule_tests::guests;
use tempfile::TempDir;

use super::fixture::{Running, agent};

const KIB: usize = 1024;

/// An agent that may keep 64 KiB.
async fn keeper(folder: &TempDir) -> Running {
    let grants = Grants { storage_bytes: Some("64KiB".parse().unwrap()), ..Grants::default() };
    agent(guests::FILES).granted(grants).storage(folder.path()).start().await
}

#[tokio::test]
async fn without_a_grant_there_is_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let running =
        agent(guests::FILES).gate(Gate::new(Grants::default())).storage(folder.path()).start().await;
    assert_eq!(
        running.ask("write /data/a 1\nlist /data\nusage").await,
        "error NotFound\nerror NotFound\nnone"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_an_agent_keeps_is_there_for_its_next_instance_and_is_in_its_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let running = keeper(&folder).await;
    let answer = running.ask("mkdir /data/notes\nwrite /data/notes/a 5\nappend /data/notes/a 7\nusage").await;
    assert_eq!(answer, format!("ok\nok\nok\n{} of {}", 12 * KIB, 64 * KIB));
    running.gone().await;
    assert_eq!(fs::read(folder.path().join("notes/a")).unwrap().len(), 12);
    let next = keeper(&folder).await;
    assert_eq!(next.ask("read /data/notes/a\nlist /data").await, "ok 12\nok notes");
}

/// Each way to make a folder grow. Take the gate out of one of them and its row fails. What fails in a stream is `EIO` to
/// wasi-libc, whatever the host says.
#[tokio::test]
async fn nothing_grows_beyond_the_quota() {
    for (way, last) in [
        // A file takes 4 KiB beside its content: this one all there is.
        ("write /data/full 61440\nwrite /data/a 1", "error no space"),
        ("write /data/full 61440\nappend /data/full 1", "error io"),
        ("write /data/full 61440\nresize /data/full 61441", "error no space"),
        ("write /data/full 61440\nmkdir /data/b", "error no space"),
        ("write /data/full 61440\nlink /data/full /data/other", "error no space"),
        ("pwrite /data/full 61440\npwrite /data/full 61441", "error no space"),
        ("write /data/full 61440\nsymlink full /data/other", "error no space"),
        ("write /data/full 61440\nresize /data/new 0", "error no space"),
        ("write /data/full 61441", "error io"),
        ("resize /data/sparse 1000000000000", "error no space"),
        ("keep /data/k\nmore 61440\nmore 1", "error io"),
        // Writing over what is there takes no more.
        ("write /data/full 61440\nwrite /data/full 61440", "ok"),
        ("write /data/full 61440\nresize /data/full 10\nwrite /data/a 40000", "ok"),
        ("write /data/full 61440\nremove /data/full\nwrite /data/a 61440", "ok"),
        // What was deleted and is still open has not gone.
        ("keep /data/k\nmore 50000\nremove /data/k\nwrite /data/a 50000", "error io"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let answer = keeper(&folder).await.ask(way).await;
        assert_eq!(answer.lines().last(), Some(last), "{way}: {answer}");
        let there: u64 =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert!(there <= 64 * KIB as u64, "{way}: {there} bytes are there");
    }
}

#[tokio::test]
async fn a_write_that_is_denied_says_how_much_would_be_needed() {
    let folder = tempfile::tempdir().unwrap();
    let running = keeper(&folder).await;
    assert_eq!(running.ask("write /data/a 61441").await, "error io");
    let receipts = running.gate.receipts().latest();
    let denied = receipts.iter().find(|receipt| receipt.denied.is_some()).unwrap();
    assert_eq!(
        (denied.denied, denied.message.as_deref()),
        (Some("storage-quota"), Some("write /data/a 61441"))
    );
    let grant = denied.grant.as_deref().unwrap().strip_prefix("--allow-storage ").unwrap();
    let grants = Grants { storage_bytes: Some(grant.parse().unwrap()), ..Grants::default() };
    let with = agent(guests::FILES).granted(grants).storage(folder.path()).start().await;
    assert_eq!(with.ask("write /data/a 61441").await, "ok");
}

#[tokio::test]
async fn a_way_out_of_the_folder_is_none() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("out")).unwrap();
    let running = keeper(&folder).await;
    for command in [
        "read /data/out/secret",
        "write /data/out/new 1",
        "read /data/../etc/passwd",
        "write /data/../new 1",
        "link /data/out/secret /data/mine",
        "read /etc/passwd",
    ] {
        let answer = running.ask(command).await;
        assert!(answer.starts_with("error "), "{command}: {answer}");
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

/// The count may be too high; a receipt of a denial for it would have an operator grant what is not needed.
#[tokio::test]
async fn what_is_allowed_after_a_second_look_was_never_denied() {
    let folder = tempfile::tempdir().unwrap();
    let running = keeper(&folder).await;
    let answer = running.ask("write /data/full 61440\nremove /data/full\nwrite /data/a 61440").await;
    assert_eq!(answer, "ok\nok\nok");
    let denied: Vec<_> =
        running.gate.receipts().latest().into_iter().filter(|receipt| receipt.denied.is_some()).collect();
    assert!(denied.is_empty(), "{denied:#?}");
}
