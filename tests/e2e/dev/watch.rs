//! `molecule-host dev` while its author works on the agent.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use molecule_tests::canvas::{Canvas, PATIENCE, Workspace};
use molecule_tests::guests;
use molecule_tests::process::{CommandLine, Program};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{dev, dev_crate, home, repository, shown, toolchain};

/// An agent that `dev` runs, and its user.
pub(super) struct Scene {
    program: Program,
    canvas: Canvas,
    workspace: Workspace,
}

impl Scene {
    pub(super) async fn start(command: CommandLine) -> Self {
        let program = command.spawn();
        let canvas = Canvas::of(shown(&program, "platform").await.trim_end_matches('/'));
        let workspace = canvas.found(&shown(&program, "workspace").await, "agent").await;
        Self { program, canvas, workspace }
    }

    async fn say(&self, text: &str) {
        self.canvas.say(&self.workspace, text).await;
    }

    async fn answers(&self, wanted: &[&str]) {
        assert_eq!(self.canvas.answered(&self.workspace, wanted.len()).await, wanted);
    }

    /// The status, the summary and the detail of what was reported last.
    async fn reported(&self) -> (String, String, String) {
        self.canvas.builds(&self.workspace).await.pop().unwrap()
    }

    pub(super) async fn stop(self) {
        self.stop_by(Signal::TERM).await;
    }

    pub(super) async fn stop_by(self, signal: Signal) {
        self.program.signal(signal);
        let ended = self.program.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

/// Puts a component into the place of a file, as a build would.
fn put(component: &str, file: &Path) {
    put_bytes(&fs::read(component).unwrap(), file);
}

fn put_bytes(bytes: &[u8], file: &Path) {
    let draft = file.with_extension("draft");
    fs::write(&draft, bytes).unwrap();
    fs::rename(&draft, file).unwrap();
}

/// The same component with another digest: a custom section more.
fn marked(component: &str, mark: u8) -> Vec<u8> {
    let mut bytes = fs::read(component).unwrap();
    bytes.extend([0, 3, 1, b'm', mark]);
    bytes
}

/// `dev` with a component in a file, and the file.
fn dev_file(home: &TempDir, component: &str) -> (CommandLine, PathBuf) {
    let file = home.path().join("agent.wasm");
    put(component, &file);
    (dev(home, file.to_str().unwrap()), file)
}

/// Compiles a component now, so that it is swapped in at once later.
async fn compile(home: &TempDir, component: &str) {
    let ended = dev(home, component).with(["--say", "1", "--once"]).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[tokio::test]
async fn a_message_in_hand_is_answered_once_and_those_sent_meanwhile_by_the_new_one() {
    let home = home();
    compile(&home, guests::COUNTER).await;
    let (command, file) = dev_file(&home, guests::SLOW);
    let scene = Scene::start(command.with(["--shutdown-grace", "30"])).await;
    scene.say("10000 in hand").await;
    scene.program.says("from user").await;
    put(guests::COUNTER, &file);
    scene.program.says("loaded; swapping").await;
    scene.say("meanwhile").await;
    scene.program.says("upgraded: counter").await;
    scene.say("afterwards").await;
    // The counter has seen two messages, and so not the one that was in hand.
    scene.answers(&["10000 in hand", "1", "2"]).await;
    // Whatever is said is printed, whichever version said it.
    scene.program.says("2").await;
    scene.stop().await;
}

/// More swaps than a message has runs.
#[tokio::test]
async fn a_message_that_takes_longer_than_the_grace_is_handed_to_each_new_one_and_loses_no_run() {
    let home = home();
    let (command, file) = dev_file(&home, guests::SLOW);
    let scene = Scene::start(command.with(["--shutdown-grace", "0"])).await;
    scene.say("600000 too long").await;
    scene.program.says("from user").await;
    for swap in 1..=4 {
        put_bytes(&marked(guests::SLOW, swap), &file);
        scene.program.says_often("upgraded: slow", swap.into()).await;
        scene.program.says_often("INFO started", usize::from(swap) + 1).await;
    }
    put(guests::ECHO, &file);
    scene.program.says("upgraded: echo").await;
    scene.say("the last").await;
    scene.answers(&["600000 too long", "the last"]).await;
    scene.stop().await;
}

#[tokio::test]
async fn what_is_no_agent_or_refuses_leaves_the_last_good_one_and_is_reported_until_another_runs() {
    let home = home();
    let (command, file) = dev_file(&home, guests::ECHO);
    let scene = Scene::start(command).await;
    scene.program.says("INFO started").await;
    let mut said = Vec::new();
    for (component, words) in [
        (b"hello".to_vec(), "is no agent that can run; the old one goes on"),
        (fs::read(guests::DESCRIBE_PANICS).unwrap(), "is no agent that can run; the old one goes on"),
        (fs::read(guests::REFUSES).unwrap(), "refused to start; the one before is started again"),
    ] {
        put_bytes(&component, &file);
        said.push(words);
        let times = said.iter().filter(|it| **it == words).count();
        scene.program.says_often(words, times).await;
        let text = format!("still there after {}", said.len());
        scene.say(&text).await;
        assert_eq!(scene.canvas.answered(&scene.workspace, said.len()).await.last(), Some(&text));
        let (status, summary, detail) = scene.reported().await;
        assert!(status == "error" && summary.ends_with(words) && !detail.is_empty(), "{summary}: {detail}");
    }
    put(guests::COUNTER, &file);
    scene.program.says("upgraded: counter").await;
    scene.say("whoever").await;
    assert_eq!(scene.canvas.answered(&scene.workspace, 4).await.pop().unwrap(), "1");
    assert_eq!(scene.reported().await.0, "ok");
    scene.stop().await;
}

#[tokio::test]
async fn an_agent_that_refuses_at_first_waits_for_the_next_change_unless_nobody_looks() {
    let home = home();
    let (command, file) = dev_file(&home, guests::REFUSES);
    let ended = command.clone().with(["--no-watch"]).run().await;
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let scene = Scene::start(command).await;
    scene.program.says("refused to start; the next change is waited for").await;
    put_bytes(b"hello", &file);
    scene.program.says("is no agent that can run; the next change is waited for").await;
    put(guests::ECHO, &file);
    scene.say("hello").await;
    scene.answers(&["hello"]).await;
    scene.stop().await;
}

/// A crate whose cargo is a script, which does what a file says.
pub(super) struct Played {
    home: TempDir,
    pub(super) folder: PathBuf,
    script: PathBuf,
}

impl Played {
    pub(super) fn new() -> Self {
        let home = home();
        let root = home.path().canonicalize().unwrap();
        let (bin, folder) = (root.join("bin"), root.join("crate"));
        fs::create_dir(&bin).unwrap();
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::write(folder.join("Cargo.toml"), "").unwrap();
        let script = bin.join("build");
        let metadata = json!({"workspace_root": folder, "packages": [{
            "name": "agent", "id": "agent", "manifest_path": folder.join("Cargo.toml"), "targets": [{"kind": ["cdylib"]}],
        }]});
        let cargo = format!("case $1 in metadata) echo '{metadata}';; build) . {};; esac", script.display());
        toolchain(&bin, &cargo, "echo /");
        Self { folder, script, home }
    }

    /// What the next build does.
    fn build(&self, script: &str) {
        fs::write(&self.script, script).unwrap();
    }

    /// It makes this component.
    pub(super) fn makes(&self, component: &str) {
        let made = json!({
            "reason": "compiler-artifact", "package_id": "agent", "target": {"kind": ["cdylib"]}, "filenames": [component],
        });
        self.build(&format!("echo '{made}'"));
    }

    /// It never ends, and has started something that does not either. Gives back the file with that one's number.
    fn hangs(&self) -> PathBuf {
        let file = self.home.path().join("pid");
        self.build(&format!("sleep 1000 & echo $! >{0}.draft; mv {0}.draft {0}; wait", file.display()));
        file
    }

    /// The author saves a file.
    fn save(&self, text: &str) {
        fs::write(self.folder.join("src/lib.rs"), text).unwrap();
    }

    pub(super) fn command(&self) -> CommandLine {
        let path = format!("{}:/usr/bin:/bin", self.script.parent().unwrap().display());
        dev_crate(&self.folder, &self.folder.join("state")).variable("PATH", path)
    }
}

/// Waits until a process has begun, says its number in this file, and gives it back.
pub(super) async fn begun(file: &Path) -> u32 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(text) = fs::read_to_string(file) {
            fs::remove_file(file).unwrap();
            return text.trim().parse().unwrap();
        }
        assert!(Instant::now() < deadline, "the build does not begin");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) async fn gone(pid: u32) {
    let deadline = Instant::now() + PATIENCE;
    // One that nobody has asked how it ended is a zombie.
    let runs = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    while runs() {
        assert!(Instant::now() < deadline, "process {pid} goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_build_is_dropped_when_a_file_changes_meanwhile_and_at_the_end_of_dev() {
    let played = Played::new();
    played.makes(guests::ECHO);
    let scene = Scene::start(played.command()).await;
    scene.program.says("INFO started").await;
    let pid = played.hangs();
    played.save("1");
    scene.program.says("changed: src/lib.rs; building ...").await;
    let outdated = begun(&pid).await;
    played.makes(guests::COUNTER);
    played.save("2");
    scene.program.says("upgraded: counter").await;
    gone(outdated).await;

    let pid = played.hangs();
    played.save("3");
    let last = begun(&pid).await;
    scene.say("while it is built").await;
    scene.answers(&["1"]).await;
    scene.stop().await;
    gone(last).await;
}

#[tokio::test]
async fn a_first_build_is_dropped_as_well() {
    let played = Played::new();
    let pid = played.hangs();
    let program = played.command().spawn();
    let compiler = begun(&pid).await;
    program.terminate();
    assert_eq!(program.ended().await.code, Some(0));
    gone(compiler).await;
}

/// The state of the agent lies in the folder of its crate, and changes all the time.
#[tokio::test]
async fn what_does_not_build_is_said_and_reported_in_cargo_s_words_and_the_old_one_goes_on() {
    let played = Played::new();
    played.makes(guests::ECHO);
    let scene = Scene::start(played.command()).await;
    scene.say("hello").await;
    scene.answers(&["hello"]).await;
    let failed = "does not build; the old one goes on";
    played.build(
        "printf '   Compiling agent\\nerror: <b>no</b> semicolon\\n  --> src/lib.rs\\n' >&2; exit 101",
    );
    played.save("1");
    scene.program.says(failed).await;
    let said = scene.program.stderr();
    let at = |words: &str| said.find(words).unwrap_or_else(|| panic!("{words}: {said}"));
    assert!(at("   Compiling agent") < at("\nerror: <b>no</b> semicolon\n  --> src/lib.rs\n"), "{said}");
    assert_eq!(said.matches("no</b> semicolon").count(), 1, "{said}");
    scene.say("still there").await;
    scene.answers(&["hello", "still there"]).await;
    let error = "error: <b>no</b> semicolon\n  --> src/lib.rs";
    assert_eq!(scene.reported().await, ("error".into(), failed.into(), error.into()));

    // Taken back: the same component as before.
    played.makes(guests::ECHO);
    played.save("2");
    scene.program.says("nothing is different, so it goes on").await;
    assert_eq!(scene.reported().await.0, "ok");
    assert_eq!(scene.program.stderr().matches("building ...").count(), 2, "{}", scene.program.stderr());
    scene.stop().await;
}

#[tokio::test]
async fn a_build_that_fails_is_one_line_for_programs() {
    let played = Played::new();
    played.makes(guests::ECHO);
    let program = played.command().with(["--log-format", "json"]).spawn();
    program.says("started").await;
    played.build("echo 'error: no semicolon' >&2; exit 101");
    played.save("1");
    let line = program.says("does not build").await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["message"], "does not build; the old one goes on\nerror: no semicolon");
    program.terminate();
    let ended = program.ended().await;
    assert!(ended.stderr.lines().all(|line| line.starts_with('{')), "{}", ended.stderr);
}

/// A crate as an author would have it, with the dependencies of `examples/`, which are built already.
fn sketch(folder: &Path, answer: &str) {
    let guest = repository("guest").canonicalize().unwrap();
    let manifest = format!(
        "[package]\nname = \"sketch\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nmolecule-guest = {{ path = {guest:?} }}\n\
         [workspace]\n[profile.release]\nopt-level = \"s\"\nlto = true\ncodegen-units = 1\ndebug = \"line-tables-only\"\n"
    );
    let code = fs::read_to_string(repository("examples/echo/src/lib.rs")).unwrap();
    let code = code.split("#[cfg(test)]").next().unwrap().replace("message.text().into()", answer);
    fs::create_dir_all(folder.join("src")).unwrap();
    for (file, text) in [("Cargo.toml", manifest), ("src/lib.rs", code)] {
        fs::write(folder.join(file), text).unwrap();
    }
}

#[tokio::test]
async fn an_author_changes_a_crate_and_talks_with_what_he_has_made_of_it() {
    let home = home();
    let folder = home.path().join("sketch");
    let state = home.path().join("state");
    sketch(&folder, "format!(\"one {}\", message.text()).into()");
    fs::copy(repository("examples/Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let command = dev_crate(&folder, &state).variable("CARGO_NET_OFFLINE", "true");
    let scene = Scene::start(command).await;
    scene.say("a").await;
    scene.answers(&["one a"]).await;

    sketch(&folder, "wrong");
    scene.program.says("does not build; the old one goes on").await;
    assert!(scene.program.stderr().contains("error[E0425]"), "{}", scene.program.stderr());
    assert!(scene.reported().await.2.starts_with("error[E0425]"), "{:?}", scene.reported().await);
    scene.say("b").await;
    scene.answers(&["one a", "one b"]).await;

    sketch(&folder, "format!(\"two {}\", message.text()).into()");
    scene.program.says("upgraded: echo 0.1.0").await;
    scene.say("c").await;
    scene.answers(&["one a", "one b", "two c"]).await;

    // An operator's commands reach it.
    let ps = CommandLine::new("molecule-host", ["ps", "--state-dir"]).with([&state]).run().await;
    assert!(ps.stdout.contains("echo") && ps.stdout.contains("working"), "{}", ps.stdout);
    scene.stop().await;
}
