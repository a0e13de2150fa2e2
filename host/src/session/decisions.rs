//! Reports what the gate decides to the workspace's own log, where its operator sees it on the platform.
//!
//! A courtesy: at the pace of polling, never tried again, and never more than some thirty rows a minute. What an agent
//! does faster than that is in the counts of its [status](crate::Status) alone.

use std::sync::Arc;
use std::time::Duration;

use molecule_gate::{Kind, Receipt};
use molecule_protocol::{ActivityReport, Json};
use tokio::time::Instant;

use super::context::Context;
use crate::secrets::Redactor;

/// Between two looks at what was decided; each earns one row.
const EVERY: Duration = Duration::from_secs(2);
/// Rows that may be saved up.
const SAVED: usize = 30;

/// Reports until it is dropped. Sleeps as long as nothing is decided.
pub(super) async fn run(context: Arc<Context>) {
    let (mut told, mut rows, mut earned) = (0, SAVED, Instant::now());
    loop {
        context.decided.notified().await;
        tokio::time::sleep(EVERY).await;
        context.accepted().await;
        let passed = earned.elapsed().as_secs() / EVERY.as_secs();
        rows = usize::try_from(passed).map_or(SAVED, |more| rows.saturating_add(more)).min(SAVED);
        earned = Instant::now();
        let mut news = context.gate.receipts().latest();
        news.retain(|receipt| receipt.number > told && is_worth_a_row(receipt));
        told = news.last().map_or(told, |receipt| receipt.number);
        for (receipt, times) in folded(&news).into_iter().take(rows) {
            rows -= 1;
            if let Err(error) = context.client.report(&report(receipt, times, context.redactor())).await {
                tracing::debug!("a decision of the gate was not reported: {error}");
            }
        }
    }
}

/// What was denied; whom the agent may and does call, what it may and does ask for, and which secrets it has seen. Answers
/// speak for themselves.
pub(super) fn is_worth_a_row(receipt: &Receipt) -> bool {
    receipt.denied.is_some() || matches!(receipt.kind, Kind::CallPeer | Kind::Fetch | Kind::RevealSecret)
}

/// Each decision once, and how often it was made.
fn folded(receipts: &[Receipt]) -> Vec<(&Receipt, usize)> {
    let same = |one: &Receipt, other: &Receipt| {
        (one.kind, &one.target, one.denied) == (other.kind, &other.target, other.denied)
    };
    let mut folded: Vec<(&Receipt, usize)> = Vec::new();
    for receipt in receipts {
        match folded.iter_mut().find(|(known, _)| same(known, receipt)) {
            Some((_, times)) => *times += 1,
            None => folded.push((receipt, 1)),
        }
    }
    folded
}

fn report(receipt: &Receipt, times: usize, redactor: &Redactor) -> ActivityReport {
    let (effect, target) = (receipt.kind.name(), redactor.redact(&receipt.target));
    let word = if receipt.denied.is_some() { "denied" } else { "granted" };
    let often = if times > 1 { format!(", {times} times") } else { String::new() };
    let metadata = serde_json::json!({
        "effect": effect, "target": target, "rule": receipt.denied,
        "grant": receipt.grant.as_deref().map(|grant| redactor.redact(grant)),
    });
    ActivityReport {
        activity_type: "agent_log".to_owned(),
        method: Some("gate".to_owned()),
        summary: Some(format!("{word}: {effect} {target}{often}")),
        status: Some(if receipt.denied.is_some() { "denied" } else { "ok" }.to_owned()),
        metadata: Json::of(&metadata).ok(),
        ..ActivityReport::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(number: u64, target: &str, denied: Option<&'static str>) -> Receipt {
        Receipt {
            number,
            kind: Kind::CallPeer,
            target: target.to_owned(),
            bytes: 0,
            message: None,
            denied,
            grant: denied.map(|_| "--allow-peer bob".to_owned()),
            reason: None,
        }
    }

    #[test]
    fn what_is_granted_is_worth_a_row_where_it_reaches_somebody() {
        for kind in Kind::ALL {
            let reaches = matches!(kind, Kind::CallPeer | Kind::Fetch | Kind::RevealSecret);
            assert_eq!(is_worth_a_row(&Receipt { kind, ..receipt(1, "x", None) }), reaches, "{kind:?}");
            assert!(is_worth_a_row(&Receipt { kind, ..receipt(1, "x", Some("rule")) }), "{kind:?}");
        }
    }

    #[test]
    fn the_same_decision_is_one_row() {
        let receipts =
            [receipt(1, "bob", Some("peer")), receipt(2, "eve", None), receipt(3, "bob", Some("peer"))];
        let rows: Vec<_> = folded(&receipts)
            .into_iter()
            .map(|(it, times)| report(it, times, &Redactor::default()))
            .collect();
        let summaries: Vec<_> = rows.iter().filter_map(|row| row.summary.as_deref()).collect();
        assert_eq!(summaries, ["denied: peers.call bob, 2 times", "granted: peers.call eve"]);
    }
}
