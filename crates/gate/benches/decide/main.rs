//! What a decision costs: time, and allocations.
//!
//! `cargo bench -p molecule-gate`. `judged` is the judgment alone, `passed` with its permit and its receipt, `denied` with
//! its denial, `parsed` what it costs to read a request before. The rule that matches is the last one. The budget of a
//! decision is 2 µs, and the judgment may not allocate.

#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, unreachable_pub, unsafe_code)]

mod counting;

use std::hint::black_box;
use std::time::Instant;

use molecule_gate::{Act, Effect, Gate, Grants, SecretPlace, SecretUse, Target};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Batches, of which the fastest counts: others may be busy on the same machine.
const BATCHES: u32 = 40;
const TIMES: u32 = 2_000;
const URL: &str = "https://api.example.com/v1/chat/completions?stream=true";

struct Request {
    target: Target,
    bytes: usize,
    secrets: Vec<SecretUse>,
}

impl Act for &Request {
    fn effect(&self) -> Effect<'_> {
        Effect::Fetch { target: &self.target, bytes: self.bytes, secrets: &self.secrets }
    }
}

fn main() {
    println!("{:>6} {:>10} {:>10} {:>12}", "rules", "what", "ns", "allocations");
    for rules in [1, 10, 100] {
        let gate = gate(rules);
        let key = SecretUse { name: "KEY".parse().expect("a name"), place: SecretPlace::Header };
        let target = Target::parse("POST", URL).expect("a target");
        let request = Request { target, bytes: 1000, secrets: vec![key] };
        let large = Request { target: request.target.clone(), bytes: 1 << 30, secrets: vec![] };
        measure(rules, "judged", || assert!(gate.allows(&(&request).effect())));
        measure(rules, "passed", || assert!(black_box(gate.pass(&request, None)).is_ok()));
        measure(rules, "denied", || assert!(black_box(gate.pass(&large, None)).is_err()));
    }
    measure(0, "parsed", || assert!(black_box(Target::parse("POST", black_box(URL))).is_ok()));
}

/// The last of so many rules is for the request; the others are for its host, too, and for other paths.
fn gate(rules: usize) -> Gate {
    let mut grants = Grants::default();
    for other in 1..rules {
        let rule = format!("POST https://api.example.com/v1/chat/*/items/{other}");
        grants.net.push(rule.parse().expect("a rule"));
    }
    grants.net.push("POST https://api.example.com/v1/** per-minute=4000000000".parse().expect("a rule"));
    grants.secrets.push("KEY@api.example.com".parse().expect("a grant"));
    grants.limits.requests_per_minute = u32::MAX;
    Gate::new(grants)
}

fn measure(rules: usize, what: &str, work: impl Fn()) {
    // The ring of receipts is full, and all is warm.
    (0..1000).for_each(|_| work());
    let batch = |_| {
        let start = Instant::now();
        (0..TIMES).for_each(|_| work());
        start.elapsed().as_nanos() / u128::from(TIMES)
    };
    let nanoseconds = (0..BATCHES).map(batch).min().unwrap_or_default();
    let allocations = counting::allocations(|| (0..TIMES).for_each(|_| work()));
    println!("{rules:>6} {what:>10} {nanoseconds:>10} {:>12.1}", allocations as f64 / f64::from(TIMES));
}
