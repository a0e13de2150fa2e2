//! YAML of strangers: small, flat, and no bombs.

use serde::de::DeserializeOwned;

/// Parses one small document; nothing if it is empty. An error says what is wrong, in one line without control characters.
///
/// What aliases expand to is bounded as the rest is, and a key that is there twice is an error: which of them counts
/// depends on the program.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<T>, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 100_000,
            max_nodes: 50_000,
            max_depth: 64,
            max_documents: 1,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 100,
            max_recorded_anchor_events: 10_000,
            max_recorded_anchor_bytes: 1024 * 1024,
            max_total_scalar_bytes: 1024 * 1024,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 16,
        },
    };
    serde_saphyr::from_slice_with_options(bytes, options).map_err(|error| {
        let text = error.without_snippet().to_string();
        let harmless = |c: char| if c.is_control() { ' ' } else { c };
        text.chars().take(300).map(harmless).collect()
    })
}
