//! Acts on secrets.

use molecule_gate::{Act, Effect, SecretName};

/// Hands the value of a secret to the agent.
#[derive(Debug)]
pub struct Reveal {
    /// Which one.
    pub name: SecretName,
}

impl Act for Reveal {
    fn effect(&self) -> Effect<'_> {
        Effect::RevealSecret { name: self.name.as_str() }
    }
}
