//! What a script writes to us.

use std::time::Duration;

use crate::fixture::{Plugin, processes_in};
use molecule_plugin::setup::End;

#[test]
fn both_streams_arrive_in_order_and_the_exit_code_is_told() {
    let ran = Plugin::new("echo one; echo two >&2; printf three; exit 7").run();
    assert_eq!(ran.text(), "one\ntwo\nthree\n");
    assert_eq!(ran.line(), "setup.sh failed with exit code 7");
}

#[test]
fn a_signal_is_told() {
    let ran = Plugin::new("kill -TERM $$").run();
    assert_eq!(ran.outcome.end, End::Signaled(15));
    assert_eq!(ran.line(), "setup.sh was killed by signal 15");
}

#[test]
fn endless_output_is_bounded_and_ends_with_the_time() {
    let plugin = Plugin::new("yes this goes on and on").limited(|limits| {
        limits.time = Duration::from_secs(1);
        limits.output = 1000;
    });
    let ran = plugin.run();
    assert_eq!(
        ran.line(),
        "setup.sh took longer than its 1 s and was killed, with all that it had started; its output was cut"
    );
    assert!(ran.text().len() <= 1000 && ran.lines[0].text == "this goes on and on", "{}", ran.text());
}

#[test]
fn an_endless_line_is_bounded() {
    let plugin =
        Plugin::new("head -c 3000000 /dev/zero; echo; echo next").limited(|limits| limits.line = 100);
    let ran = plugin.run();
    assert_eq!((ran.lines.len(), ran.lines[0].cut, ran.lines[0].text.chars().count()), (2, true, 100));
    assert_eq!(ran.line(), "setup.sh succeeded; its output was cut");
}

#[test]
fn a_process_that_holds_the_output_open_does_not_hold_us() {
    let ran = Plugin::new("sleep 1000 & echo last").run();
    assert_eq!((ran.text().as_str(), ran.line().as_str()), ("last\n", "setup.sh succeeded"));
}

#[test]
fn a_caller_ends_it_at_will() {
    let ran = Plugin::new("echo begun; sleep 1000").run_and(|line| line.text != "begun");
    assert_eq!(ran.line(), "setup.sh was canceled and killed, with all that it had started");
}

#[test]
fn a_caller_that_panics_leaves_nothing_behind() {
    let plugin = Plugin::new("setsid sleep 1000 & echo begun; sleep 1000");
    let run = || plugin.run_and(|_| panic!("on purpose"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    assert_eq!(processes_in(plugin.folder.path()), [0; 0]);
}
