//! Random numbers that can be had again.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a fixture: a seed that is no number is an error of whoever set it"
)]

/// SplitMix64, of a seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Of `MOLECULE_SEED`, or of a seed of its own. Prints which.
    pub fn new() -> Self {
        let seed = match std::env::var("MOLECULE_SEED") {
            Ok(seed) => seed.parse().expect("MOLECULE_SEED is a number"),
            Err(_) => uuid::Uuid::new_v4().as_u64_pair().0 >> 32,
        };
        println!("MOLECULE_SEED={seed}");
        Self(seed)
    }

    /// Of this seed.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 up to, but not including, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0) % end
    }

    /// One of these, taken out.
    pub fn draw<T>(&mut self, from: &mut Vec<T>) -> T {
        let at = self.below(from.len() as u64);
        from.swap_remove(usize::try_from(at).expect("an index"))
    }
}

impl Default for Dice {
    fn default() -> Self {
        Self::new()
    }
}

/// The step that makes one number of SplitMix64 out of its state.
pub fn mix(state: u64) -> u64 {
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
