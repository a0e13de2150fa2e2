//! An install against `tar -xzf`, in one run and on one disk: wall time, processor time, peak memory.
//!
//! ```sh
//! cargo bench -p molecule-plugin --bench install
//! ```
//!
//! An install is more than tar does: it judges and hashes what it unpacks, makes it durable, and swaps it in. So tar is
//! measured twice, alone and with a `sync` of its file system behind it. The budget is 1.3 times tar alone.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints what it measured, and ends where it cannot measure"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use molecule_plugin::archive::{Limits, extract};
use molecule_plugin::facts::Facts;
use molecule_plugin::manifest::manifest_hash;
use molecule_plugin::{Record, Shelf};

/// Runs of each kind, one after the other, so that what the machine does beside concerns all of them.
const ROUNDS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, verb, archive, folder] = arguments.as_slice()
        && verb == "install"
    {
        install(Path::new(archive), Path::new(folder));
        return;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    println!("{ROUNDS} rounds each, medians; in {}", folder.path().display());
    for (files, bytes) in [(5_000, 95_000_000), (200, 1_000_000)] {
        compare(folder.path(), files, bytes);
    }
}

/// What is measured of one run.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    wall: Duration,
    cpu: Duration,
    memory_kib: u64,
}

fn compare(folder: &Path, files: usize, bytes: usize) {
    let archive = folder.join("plugin.tar.gz");
    pack(&archive, files, bytes);
    let length = archive.metadata().expect("an archive").len();
    println!("\n{} MB in {files} files, {:.1} MB compressed", bytes / 1_000_000, length as f64 / 1e6);
    let mut runs: [Vec<Run>; 3] = Default::default();
    for round in 0..ROUNDS {
        let place = |kind: &str| folder.join(format!("{kind}-{round}"));
        runs[0].push(tar(&archive, &place("tar"), ""));
        runs[1].push(tar(&archive, &place("synced"), "; sync -f ."));
        runs[2].push(ours(&archive, &place("ours")));
        for kind in ["tar", "synced", "ours"] {
            fs::remove_dir_all(place(kind)).expect("a folder that can be removed");
        }
    }
    let [alone, synced, install] = runs.map(median);
    for (what, run) in [("tar -xzf", alone), ("tar -xzf; sync", synced), ("install", install)] {
        let memory = if run.memory_kib == 0 {
            "-".to_owned()
        } else {
            format!("{:.1} MiB", run.memory_kib as f64 / 1024.0)
        };
        println!("  {what:<15} {:>9.1?} wall  {:>9.1?} cpu  {memory:>9} peak", run.wall, run.cpu);
    }
    let ratio = |of: Run| install.wall.as_secs_f64() / of.wall.as_secs_f64();
    println!("  install takes {:.2} of tar, and {:.2} of tar with sync", ratio(alone), ratio(synced));
}

/// The median of each.
fn median(runs: Vec<Run>) -> Run {
    fn of<T: Ord + Copy>(runs: &[Run], what: impl Fn(&Run) -> T) -> T {
        let mut all: Vec<T> = runs.iter().map(what).collect();
        all.sort_unstable();
        all[all.len() / 2]
    }
    Run {
        wall: of(&runs, |run| run.wall),
        cpu: of(&runs, |run| run.cpu),
        memory_kib: of(&runs, |run| run.memory_kib),
    }
}

/// tar, in a process of its own; the shell's `times` says what it took of the processor.
fn tar(archive: &Path, folder: &Path, then: &str) -> Run {
    fs::create_dir(folder).expect("a folder");
    let script = format!("tar -xzf \"$0\"{then}; times");
    let began = Instant::now();
    let mut command = Command::new("bash");
    let output = command.args(["-c", &script]).arg(archive).current_dir(folder).output().expect("bash runs");
    let wall = began.elapsed();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let children = text.lines().nth(1).expect("the times of the shell's children");
    let cpu = children.split_whitespace().map(minutes).sum();
    Run { wall, cpu, memory_kib: 0 }
}

/// `1m2.345s`.
fn minutes(text: &str) -> Duration {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m').expect("minutes");
    Duration::from_secs_f64(
        minutes.parse::<f64>().expect("a number") * 60.0 + seconds.parse::<f64>().expect("a number"),
    )
}

/// An install, in a process of its own, which says what it took.
fn ours(archive: &Path, folder: &Path) -> Run {
    let began = Instant::now();
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let output = command
        .arg("install")
        .args([archive, folder])
        .stderr(Stdio::inherit())
        .output()
        .expect("this program runs");
    let wall = began.elapsed();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let [memory_kib, ticks] = numbers.as_slice() else { panic!("{text}") };
    Run { wall, cpu: Duration::from_millis(ticks * 10), memory_kib: *memory_kib }
}

fn install(archive: &Path, folder: &Path) {
    fs::create_dir(folder).expect("a folder");
    let shelf = Shelf::open(&folder.join("plugins")).expect("a shelf");
    let lock = shelf.try_lock(&"dev".parse().expect("a name")).expect("nobody else");
    let staging = lock.stage().expect("a staging folder");
    let limits = Limits::default();
    let archive = File::open(archive).expect("an archive");
    let extracted = extract(archive, staging.dir(), &limits, &mut |_| {}).expect("an archive that is good");
    let facts = Facts::read(staging.dir()).expect("a plugin.yaml").unwrap_or_default();
    let hash = manifest_hash(extracted.files.iter().map(|file| (file.path.as_str(), file.digest)));
    facts.verify(hash).expect("a plugin that is as it says");
    let record = Record {
        source: "local://dev".to_owned(),
        installed_at: "2026-11-26T05:00:00Z".to_owned(),
        manifest_sha256: Some(hash.to_string()),
        verified: false,
        archive_sha256: extracted.digest.to_string(),
        setup: None,
    };
    staging.commit(record).expect("room for it");
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let stat = fs::read_to_string("/proc/self/stat").expect("procfs");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    // User and system time, in hundredths of a second.
    let ticks: u64 = [11, 12].map(|at: usize| fields[at].parse::<u64>().expect("a number")).iter().sum();
    println!("{} {ticks}", peak.trim().trim_end_matches(" kB"));
}

/// An archive as the platform makes it, of files that compress about as well as text does.
fn pack(path: &PathBuf, files: usize, bytes: usize) {
    let mut tar =
        tar::Builder::new(GzEncoder::new(File::create(path).expect("a file"), Compression::default()));
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"abcdefgh ijklmno"[(state >> 60) as usize]
    };
    for index in 0..files {
        let content: Vec<u8> = (0..bytes / files).map(|_| letter()).collect();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let name = format!("skills/{:02}/file-{index}.md", index % 50);
        tar.append_data(&mut header, name, content.as_slice()).expect("room for it");
    }
    tar.into_inner().expect("room for it").finish().expect("room for it");
}
