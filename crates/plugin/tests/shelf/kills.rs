//! Deaths at random instants of an upgrade. The seed is printed; `MOLECULE_SEED` sets it.

use std::time::{Duration, SystemTime};

use crate::child::{Act, Process};
use crate::{State, install, installed};

/// An upgrade takes a few of these, so that a process lives through one or several.
const LIFE: u64 = 60_000;

#[test]
fn whenever_a_process_is_killed_one_version_is_whole_and_nothing_else_is_left() {
    let rounds = std::env::var("MOLECULE_ROUNDS").map_or(20, |rounds| rounds.parse().expect("a number"));
    let mut dice = Dice::new();
    let state = State::new();
    install(&state.open(), 1);
    let mut versions = 0;
    for round in 1..=rounds {
        let process = Process::ready(&state, Act::Upgrade);
        std::thread::sleep(Duration::from_micros(dice.below(LIFE)));
        process.kill();
        let shelf = state.open();
        let version = installed(&shelf).expect("one is always there");
        versions += version - 1;
        state.assert_clean(&format!("after death {round}"));
        install(&shelf, 1);
        assert_eq!(installed(&shelf), Some(1), "and it can be used");
    }
    println!("{rounds} deaths, {versions} upgrades between them");
}

/// Random numbers that can be had again.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos().into();
        let seed =
            std::env::var("MOLECULE_SEED").map_or_else(|_| now(), |seed| seed.parse().expect("a number"));
        println!("MOLECULE_SEED={seed}");
        Self(seed)
    }

    /// From 0 up to, but not including, `end`. SplitMix64.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}
