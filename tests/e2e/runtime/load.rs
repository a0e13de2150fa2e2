//! What is an agent, and what each thing that is none is told.

use molecule_runtime::wit::Level;
use molecule_runtime::{Limits, LoadError, Runtime};
use molecule_tests::guests;

use super::fixture::{agent, runtime, soon};

async fn refused(bytes: Vec<u8>) -> LoadError {
    let error = soon(runtime().load(bytes)).await.expect_err("no agent");
    let line = error.to_string();
    assert!(!line.contains('\n'), "one line, not {line:?}");
    error
}

fn read(guest: &str) -> Vec<u8> {
    std::fs::read(guest).unwrap()
}

#[tokio::test]
async fn what_is_not_webassembly_is_told_how_to_build_one() {
    for bytes in [b"#!/bin/sh\necho hello\n".to_vec(), Vec::new(), b"\0asm".to_vec()] {
        let error = refused(bytes).await;
        assert!(matches!(error, LoadError::NotWasm { .. }), "{error:?}");
        assert!(error.to_string().contains("cargo build --release --target wasm32-wasip2"), "{error}");
    }
}

#[tokio::test]
async fn a_core_module_is_told_the_right_target() {
    let error = refused(b"\0asm\x01\0\0\0".to_vec()).await;
    assert!(matches!(error, LoadError::CoreModule), "{error:?}");
    assert!(error.to_string().contains("wasm32-wasip2"), "{error}");
}

#[tokio::test]
async fn a_component_of_another_world_is_told_what_it_lacks() {
    let error = refused(read(guests::OTHER_WORLD)).await;
    assert!(matches!(error, LoadError::OtherWorld { .. }), "{error:?}");
    assert!(error.to_string().contains("it does not export molecule:agent/describe"), "{error}");
}

#[tokio::test]
async fn a_component_of_a_newer_contract_is_told_both_versions() {
    let error = refused(read(guests::NEWER_CONTRACT)).await;
    let LoadError::NewerContract { found, known } = &error else { panic!("{error:?}") };
    assert_eq!((found.as_str(), known.as_str()), ("0.2.0", "0.1.0"));
    assert!(error.to_string().ends_with("update molecule-host"), "{error}");
}

#[tokio::test]
async fn an_agent_that_needs_what_no_host_has_is_told_what_that_is() {
    let error = refused(read(guests::UNKNOWN_IMPORT)).await;
    assert!(matches!(error, LoadError::OtherWorld { .. }), "{error:?}");
    assert!(error.to_string().contains("it imports example:elsewhere/thing@1.0.0"), "{error}");
}

/// Native code from outside would run with the rights of the host.
#[tokio::test]
async fn precompiled_code_is_never_taken_from_outside() {
    let error = refused(super::store::precompiled().await).await;
    assert!(matches!(error, LoadError::Precompiled), "{error:?}");
    assert!(error.to_string().contains("give the .wasm component"), "{error}");
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let mut bytes = vec![0; 256 * 1024 * 1024 + 1];
    bytes[..8].copy_from_slice(b"\0asm\x0d\0\x01\0");
    let error = refused(bytes).await;
    assert!(matches!(error, LoadError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_component_that_was_cut_short_is_called_damaged() {
    let whole = read(guests::FIRST_CONTRACT);
    for part in 1..64 {
        let error = refused(whole[..whole.len() * part / 64].to_vec()).await;
        assert!(matches!(error, LoadError::Invalid { .. }), "{part}/64: {error:?}");
    }
}

/// Loads and describes, or says why not: whatever the bytes, nothing in the host panics.
#[tokio::test]
async fn bytes_that_were_changed_at_random_are_an_error_at_worst() {
    let whole = read(guests::FIRST_CONTRACT);
    // Nothing is kept: each is another component.
    let runtime = Runtime::new(None).unwrap();
    let mut damaged = 0;
    for round in 0..32 {
        let mut bytes = whole.clone();
        // Behind the eight bytes of the header, which have tests of their own, and most of all where the code is.
        let mut random = Random(round);
        for _ in 0..4 {
            let at = 8 + random.below(whole.len() / 4);
            bytes[at] ^= 1 << random.below(8);
        }
        let loaded = soon(runtime.load(bytes)).await;
        let described = match &loaded {
            Ok(component) => soon(runtime.describe(component, Limits::default())).await.err(),
            Err(_) => None,
        };
        let error = loaded.err().or(described);
        assert!(!matches!(error, Some(LoadError::Host { .. })), "round {round}: {error:?}");
        damaged += usize::from(error.is_some());
    }
    assert!(damaged > 0, "every change went unnoticed");
}

/// SplitMix64: the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

#[tokio::test]
async fn an_agent_of_the_first_contract_still_loads_and_answers() {
    let component = super::fixture::component(guests::FIRST_CONTRACT).await;
    let card = runtime().describe(&component, Limits::default()).await.unwrap();
    assert_eq!(card.name, "first-contract");
    let mut running = agent(guests::FIRST_CONTRACT).start().await;
    assert_eq!(running.ask("still here?").await, "still here?");
    // It has no other callback, which is no fault.
    soon(running.actor.pause()).await;
    soon(running.actor.resume()).await;
    assert!(running.all_lines().iter().all(|line| line.level != Level::Error));
}

#[tokio::test]
async fn a_component_is_known_by_its_bytes() {
    let component = super::fixture::component(guests::FIRST_CONTRACT).await;
    let again = runtime().load(read(guests::FIRST_CONTRACT)).await.unwrap();
    assert_eq!(component.digest(), again.digest());
    assert_ne!(component.digest(), super::fixture::component(guests::ECHO).await.digest());
}
