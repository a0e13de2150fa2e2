//! `molecule:agent@0.1.0` is frozen.
#![allow(missing_docs)]

use std::fmt::Write as _;
use std::fs;

use sha2::{Digest, Sha256};

/// What `sha256sum *.wit` says in `wit/0.1.0`.
const PINNED: &str = "\
33f12cdd60ec5f97f09e69352d75b7902941fd68d75800b75b30398838d92f4e  callbacks.wit
c373e96e36af877ebf715fd37c3d92cf101aa07a8c7ff185bf4909fc85333250  imports.wit
87becf73d2765f8208b4865b58a968c54cb6ea07543e3bc350018e74b5a49a3c  types.wit
c87c15785579c44a93f96de9704fef4471ad8e8b7fa5a7c69469af9bbd9c1a4e  world.wit
";

/// Agents are built against these files and run for years without being built again: a host that reads another record,
/// another case or another function than the agent wrote does not link it, or worse, misreads it.
#[test]
fn the_contract_0_1_0_is_as_it_was_published() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/0.1.0");
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut sums = String::new();
    for name in names {
        let digest = Sha256::digest(fs::read(format!("{folder}/{name}")).unwrap());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(sums, "{hex}  {name}").unwrap();
    }
    assert!(
        sums == PINNED,
        "a file of wit/0.1.0 has changed, and that version of the contract is frozen.\n\
         Put it back: git checkout wit/0.1.0\n\
         What is new goes into a folder of its own: copy wit/0.1.0 to wit/0.2.0, raise the version in its package line, change \
         it there, and let the host link both.\n\
         Only where nothing but the words of a comment has changed, this is what PINNED should say:\n{sums}"
    );
}
