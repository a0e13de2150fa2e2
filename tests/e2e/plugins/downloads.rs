//! Archives that come as bad networks and bad servers send them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use molecule_tests::plugins;
use molecule_tests::scripted::{Received, Reply, Scripted};
use molecule_tests::world::World;

use super::{command_at, left};

/// The archive of a plugin, as the platform makes it.
async fn archive(world: &World, of: &molecule_tests::canvas::Workspace) -> Vec<u8> {
    plugins::write(&world.plugins().join("dev"), "dev", "1", &[("a.md", &"one two three ".repeat(2000))]);
    world.download(of, "plugins/dev/download").await
}

fn is_download(request: &Received) -> bool {
    request.target.contains("/download")
}

/// HTTP with this head and this body, and then the end of the connection.
fn raw(head: &str, body: &[u8]) -> Reply {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/gzip\r\n{head}connection: close\r\n\r\n");
    Reply::Raw([head.as_bytes(), body].concat())
}

/// What is told apart, how often it is asked for, and how it ends.
#[tokio::test]
async fn a_length_that_lies_one_that_is_missing_and_a_body_that_stops_short_are_told_apart() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let whole = archive(&world, &alice).await;
    let (half, length) = (whole[..whole.len() / 2].to_vec(), whole.len());
    let chunked = |body: &[u8], end: &str| {
        let mut text = format!("{:x}\r\n", body.len()).into_bytes();
        text.extend_from_slice(body);
        text.extend_from_slice(format!("\r\n{end}").as_bytes());
        text
    };
    let stopped = format!("broke off after {} bytes of {length}", half.len());
    let table = [
        ("whole", raw(&format!("content-length: {length}\r\n"), &whole), 1, 0, "dev 1 from local://dev"),
        ("no length", raw("", &whole), 1, 0, "dev 1 from local://dev"),
        ("stops short", raw(&format!("content-length: {length}\r\n"), &half), 3, 6, stopped.as_str()),
        (
            "a length that is too small",
            raw(&format!("content-length: {}\r\n", half.len()), &whole),
            1,
            7,
            "it was built short",
        ),
        ("cut, and no length", raw("", &half), 3, 7, "the platform had not said how long it is"),
        (
            "chunks that break",
            raw("transfer-encoding: chunked\r\n", &chunked(&half, "")),
            3,
            6,
            "broke off after",
        ),
        (
            "chunks that end too early",
            raw("transfer-encoding: chunked\r\n", &chunked(&half, "0\r\n\r\n")),
            3,
            7,
            "had not said how long",
        ),
        ("more than is taken", raw("content-length: 999999999999\r\n", &whole), 1, 7, "over the limit"),
    ];
    for (what, reply, asked, code, words) in table {
        let server = Scripted::answering(move |_| reply.clone()).await;
        let ended = command_at(&server.url(), &world, &alice, &["install", "dev"]).run().await;
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.code, Some(code), "{what}: {said}");
        assert!(said.contains(words), "{what}: {said}");
        assert_eq!(server.received().len(), asked, "{what}: {said}");
    }
    assert_eq!(left(&world, &alice).0, ["dev"], "an upgrade that fails leaves what was there");
}

#[tokio::test]
async fn a_download_that_is_cut_is_begun_again_and_a_platform_in_trouble_is_asked_again() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let whole = archive(&world, &alice).await;
    let platform = world.address();
    let looks = Arc::new(AtomicUsize::new(0));
    let (seen, length) = (looks.clone(), whole.len());
    let front = Scripted::answering(move |request| match is_download(request) {
        true => match seen.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::json(502, r#"{"error":"failed to fetch plugin from local"}"#),
            1 => raw(&format!("content-length: {length}\r\n"), &whole[..100]),
            _ => Reply::PassOn(platform),
        },
        false => Reply::PassOn(platform),
    })
    .await;
    let ended = command_at(&front.url(), &world, &alice, &["install", "dev"]).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("broke off after 100 bytes") && ended.stderr.contains("trying again"),
        "{}",
        ended.stderr
    );
    assert_eq!(looks.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_page_in_the_place_of_an_archive_is_not_the_plugins_fault() {
    let world = World::new().await;
    let alice = world.create("alice").await;
    let server = Scripted::answering(|_| Reply::html(200)).await;
    let ended = command_at(&server.url(), &world, &alice, &["install", "dev"]).run().await;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("where an archive was expected"), "{}", ended.stderr);
}
