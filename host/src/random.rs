//! Where a host takes random numbers from.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// A source of random numbers: any of the 64 bits may be set. It spreads retries and heartbeats, and names messages, so
/// that two hosts must not draw the same numbers. Nothing secret depends on it.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The system's randomness.
pub(crate) fn system() -> Random {
    // Without it numbers are still different ones, which is all that is asked of them.
    Arc::new(|| getrandom::u64().unwrap_or_else(|_| RandomState::new().hash_one(std::process::id())))
}

/// A number from 0 up to, but not including, 1.
pub(crate) fn unit(random: &Random) -> f64 {
    // As many bits as the number has.
    (random() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A new id for a message.
pub(crate) fn message_id(random: &Random) -> String {
    let bits = u128::from(random()) << 64 | u128::from(random());
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_below_one_and_ids_are_uuids() {
        let always = |number: u64| -> Random { Arc::new(move || number) };
        assert_eq!(unit(&always(0)), 0.0);
        assert!((0.99..1.0).contains(&unit(&always(u64::MAX))));
        assert_eq!(message_id(&always(0)), "00000000-0000-4000-8000-000000000000");
        assert_ne!(message_id(&system()), message_id(&system()));
    }
}
