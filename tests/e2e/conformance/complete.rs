//! Are all cases there? A case that is lost is noticed here.

use std::collections::BTreeSet;
use std::path::Path;

/// The cases of the platform.
const PLATFORM: &str = "01 02 03 04 05 07 08 09 11 12 13 14 16 17 18 20 22 24 25 30 31 32 34 36 37 38 39 40 42 44 45 47 \
     50 51 53 55 56 57 59 61 63 64 65 67 69 70 80 82 83 84 85 86 87 89 90 91 93 94 95 96 97 99 100 101 104 105";
/// The cases of the host.
const HOST: &str = "01 03 04 05 06 07 09 10 12 13 14 16 17 19 20 21 23 24 26 27 28 31 33 34 35 37 38 39 40 41 43 46 47 48 \
     49 51 52 53 54 55 56 59 60";

/// Cases without a test of their own, and why.
const LEFT_OUT: [(&str, &str); 5] = [
    ("p14", "describes the older platform, which is a fixture: c04_... meets what it says there"),
    ("p90", "the same: c04_with_a_url_... reads a log that ignores conditions"),
    ("c41", "the push listener comes with A2A"),
    ("c43", "the same"),
    ("c56", "the same; that the secret is kept is part of c01_..."),
];

#[test]
fn every_case_has_a_test_or_a_reason() {
    let mut found = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e"), &mut found);
    let ids = |letter: char, numbers: &str| {
        numbers.split_whitespace().map(move |number| format!("{letter}{number}")).collect::<Vec<_>>()
    };
    let all: BTreeSet<String> = ids('p', PLATFORM).into_iter().chain(ids('c', HOST)).collect();
    let left_out: BTreeSet<String> = LEFT_OUT.iter().map(|(id, _)| (*id).to_owned()).collect();
    let lost: Vec<_> = all.iter().filter(|id| !found.contains(*id) && !left_out.contains(*id)).collect();
    assert!(lost.is_empty(), "no test is called by these ids: {lost:?}");
    let both: Vec<_> = left_out.iter().filter(|id| found.contains(*id)).collect();
    assert!(both.is_empty(), "these have a test, and a reason why they have none: {both:?}");
    let of = |letter: char| all.iter().filter(|id| id.starts_with(letter) && found.contains(*id)).count();
    println!(
        "cases with a test: {} of the platform, {} of the host; left out: {LEFT_OUT:?}",
        of('p'),
        of('c')
    );
}

/// The ids that names of functions begin with, in all sources of a folder.
fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let Some((_, name)) = line.split_once("fn ").filter(|(before, _)| before.trim().len() <= 5)
                else {
                    continue;
                };
                found.extend(name.split('_').take_while(|word| is_id(word)).map(str::to_owned));
            }
        }
    }
}

fn is_id(word: &str) -> bool {
    let number = word.strip_prefix(['p', 'c']).unwrap_or_default();
    (2..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}
