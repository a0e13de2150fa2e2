//! What a script reads and writes.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use crate::fixture::Plugin;

#[test]
fn a_good_script_writes_into_its_folder_and_succeeds() {
    let plugin = Plugin::new(
        "set -e
         mkdir -p data/deep; echo one > data/deep/file; mv data/deep/file data/moved; cat data/moved
         ln -s data/moved link; sed s/one/two/ data/moved > new; mv new data/moved; cat link
         echo home > ~/file; cat ~/file; tmp=$(mktemp); echo tmp > $tmp; cat $tmp; mkfifo $TMPDIR/fifo
         cat <(echo substituted); seq 3 | sort -r | head -1; pwd",
    );
    let ran = plugin.run();
    assert_eq!(ran.line(), "setup.sh succeeded", "{}", ran.text());
    assert!(ran.outcome.succeeded() && !ran.outcome.truncated && !ran.outcome.undead);
    let folder = plugin.folder.path().canonicalize().unwrap();
    assert_eq!(ran.text(), format!("one\ntwo\nhome\ntmp\nsubstituted\n3\n{}\n", folder.display()));
    assert_eq!(fs::read_to_string(plugin.path("data/moved")).unwrap(), "two\n");
}

#[test]
fn its_environment_is_path_and_a_home_of_its_own_which_is_gone_afterwards() {
    let ran =
        Plugin::new("unset PWD OLDPWD SHLVL _; export -p; echo $HOME; read -r line || echo no input").run();
    let text = ran.text();
    let names: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("declare -x ")?.split('=').next()).collect();
    assert_eq!(names, ["HOME", "PATH", "TMPDIR"], "{text}");
    let home = text.lines().find(|line| line.starts_with('/')).unwrap();
    assert!(PathBuf::from(home).starts_with(std::env::temp_dir()), "{home}");
    assert!(!PathBuf::from(home).exists());
    assert!(text.ends_with("no input\n"), "{text}");
}

/// Fails without the Landlock domain.
#[test]
fn what_lies_outside_is_not_read() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("token");
    fs::write(&secret, "s3cret").unwrap();
    let (secret, outside) = (secret.display(), outside.path().display());
    let home = std::env::home_dir().unwrap();
    let tries = [
        format!("cat {secret}"),
        format!("ln -s {secret} link; cat link"),
        format!("ln {secret} hard; cat hard"),
        format!("cp -r {outside} copy; cat copy/token"),
        format!("mv {secret} moved; cat moved"),
        format!("bash {secret}"),
        format!("cd {outside} && cat token"),
        format!("ls {outside}"),
        format!("ls {}", home.display()),
        "ls /".into(),
        "ls ..".into(),
        "cat /etc/passwd".into(),
        "cat /proc/1/environ".into(),
        "cat /proc/self/environ".into(),
        format!("cat /proc/{}/environ", std::process::id()),
        format!("ls /proc/{}/fd/", std::process::id()),
        format!("ls /proc/{}/{}/", std::process::id(), "root"),
        "ls /proc".into(),
        "cat /dev/kmsg".into(),
        "cat /dev/tty".into(),
    ];
    for attempt in tries {
        let ran = Plugin::new(&attempt).run();
        assert!(!ran.outcome.succeeded(), "{attempt}: {}", ran.text());
        let why =
            ["Permission denied", "Operation not permitted", "Invalid cross-device link", "No such device"];
        assert!(why.iter().any(|why| ran.text().contains(why)), "{attempt}: {}", ran.text());
        assert!(!ran.text().contains("s3cret"), "{attempt}: {}", ran.text());
        assert_eq!(ran.line(), format!("setup.sh failed with exit code {}", code(&ran)), "{attempt}");
    }
}

fn code(ran: &crate::fixture::Ran) -> i32 {
    match ran.outcome.end {
        molecule_plugin::setup::End::Exited(code) => code,
        other => panic!("{other:?}: {}", ran.text()),
    }
}

/// Fails without the Landlock domain, and where it is `chmod` or `touch`, without the filter.
#[test]
fn what_lies_outside_is_not_changed() {
    let outside = tempfile::tempdir().unwrap();
    let (file, folder) = (outside.path().join("file"), outside.path().join("folder"));
    fs::write(&file, "as it was").unwrap();
    fs::create_dir(&folder).unwrap();
    let before = fs::metadata(&file).unwrap();
    let home = std::env::home_dir().unwrap();
    let (shown, base) = (file.display(), outside.path().display());
    let tries = [
        format!("echo x > {shown}"),
        format!("echo x >> {shown}"),
        format!("truncate -s 0 {shown}"),
        format!("rm {shown}"),
        format!("mv {shown} {base}/other"),
        format!("chmod 777 {shown}"),
        format!("chmod 777 {base}"),
        format!("chown $(id -u) {shown}"),
        format!("touch -d 2001-01-01 {shown}"),
        format!("ln -s {shown} link; chmod 777 link"),
        format!("echo x > {base}/new"),
        format!("mkdir {base}/new"),
        format!("rmdir {}", folder.display()),
        format!("ln -s / {base}/new"),
        format!("ln setup.sh {base}/new"),
        format!("mkfifo {base}/new"),
        format!("cp setup.sh {base}/new"),
        format!("echo x > {}/molecule-was-here", home.display()),
        "echo x > /tmp/molecule-was-here".into(),
        "echo x > /dev/shm/molecule-was-here".into(),
        "echo x > ../molecule-was-here".into(),
    ];
    for attempt in tries {
        let ran = Plugin::new(&attempt).run();
        assert!(!ran.outcome.succeeded(), "{attempt}: {}", ran.text());
        let after = fs::metadata(&file).unwrap();
        let facts = |of: &fs::Metadata| (of.mode(), of.uid(), of.nlink(), of.mtime(), of.len());
        assert_eq!(facts(&after), facts(&before), "{attempt}: {}", ran.text());
        let mut left: Vec<_> =
            fs::read_dir(outside.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["file", "folder"], "{attempt}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "as it was");
    for place in [home, "/tmp".into(), "/dev/shm".into(), std::env::temp_dir()] {
        assert!(!place.join("molecule-was-here").exists(), "{}", place.display());
    }
}

#[test]
fn no_fifo_or_device_lies_in_wait_for_whoever_reads_the_folder() {
    let plugin = Plugin::new("mkfifo here; mkfifo $HOME/there && mv $HOME/there moved; mknod null c 1 3");
    plugin.run();
    let entries = fs::read_dir(plugin.folder.path()).unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["setup.sh"]);
}

/// Fails without `disinherit`.
#[test]
fn no_descriptor_of_ours_is_inherited() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "s3cret").unwrap();
    let leaky = fs::File::open(file.path()).unwrap();
    fcntl_setfd(&leaky, FdFlags::empty()).unwrap();
    let fd = leaky.as_raw_fd();
    let ran = Plugin::new(&format!(
        "cat <&{fd}; for fd in 3 4 5 6 7 8 9 {fd}; do {{ : <&$fd; }} 2>/dev/null && echo $fd; done"
    ))
    .run();
    let text = ran.text();
    assert!(text.contains("Bad file descriptor") && !text.contains("s3cret"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(fcntl_getfd(&leaky).unwrap(), FdFlags::empty(), "the flag is the program's own");
}

#[test]
fn the_process_that_runs_it_is_left_as_it_is() {
    let state = || {
        let kept = ["NoNewPrivs", "Seccomp", "Cap", "SigBlk", "SigIgn", "SigCgt", "Uid", "Umask"];
        // Of this thread: the harness starts others meanwhile, with signals blocked.
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let status = status.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
        let others = ["/proc/self/limits", "/proc/self/cgroup"].map(|path| fs::read_to_string(path).unwrap());
        (status.map(str::to_owned).collect::<Vec<_>>(), others)
    };
    let before = state();
    Plugin::new("echo hello").run();
    assert_eq!(state(), before);
}

#[test]
fn a_file_does_not_grow_past_its_limit() {
    let plugin = Plugin::new("yes > big").limited(|limits| limits.file_size = 1 << 20);
    let ran = plugin.run();
    assert!(!ran.outcome.succeeded(), "{}", ran.text());
    assert_eq!(fs::metadata(plugin.path("big")).unwrap().len(), 1 << 20);
}
