use super::*;

use Ask::{Probe, Register, Reload, State};
use Effect::{Say, StartWork, StopWork};
use Notice::{Misrouted, Removed, Resumed, TokenAccepted, TokenRefused};

/// A life with a clock, driven as a host would.
struct Driven {
    life: Life,
    now: Instant,
}

impl Driven {
    fn start(settings: Settings, has_token: bool) -> Self {
        Self { life: Life::start(settings, has_token), now: Instant::now() }
    }

    /// At work, having just registered.
    fn running() -> Self {
        Self::running_with(Settings::default())
    }

    fn running_with(settings: Settings) -> Self {
        let mut driven = Self::start(settings, true);
        assert_eq!(driven.answer(State, state("online")), []);
        assert_eq!(driven.answer(Register, done()), [StartWork]);
        driven
    }

    /// Answers what is asked next, which must be this.
    #[track_caller]
    fn answer(&mut self, asked: Ask, event: Event) -> Vec<Effect> {
        assert_eq!(self.life.next(), Next::Ask(asked));
        self.life.on(event, self.now)
    }

    /// Lets the wait pass, which must be this long.
    #[track_caller]
    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        assert_eq!(self.life.next(), Next::Wait(self.now), "after {seconds} s");
        assert_eq!(self.life.on(Event::Wake, self.now), []);
        self
    }

    #[track_caller]
    fn ended(&self, why: Ending) {
        assert_eq!(self.life.next(), Next::Ended(why));
        // Nothing wakes the dead.
        let mut dead = self.life.clone();
        for event in [Event::Wake, Event::TokenTouched, Event::HeartbeatRefused, state("online"), done()] {
            assert_eq!(dead.on(event, self.now), []);
            assert_eq!(dead.next(), Next::Ended(why));
        }
    }
}

fn state(word: &str) -> Event {
    Event::State(StateAnswer::Running(Status::from_word(word)))
}

const PAUSED: Event = Event::State(StateAnswer::Paused);
const REMOVED: Event = Event::State(StateAnswer::Removed);
const REFUSED: Event = Event::State(StateAnswer::Unauthorized);
const MISROUTED: Event = Event::State(StateAnswer::Misrouted);
const UNAVAILABLE: Event = Event::State(StateAnswer::Unavailable);
const ANOTHER: Event = Event::Reloaded { changed: true };
const NO_OTHER: Event = Event::Reloaded { changed: false };

fn done() -> Event {
    Event::Registered(Registered::Done)
}

/// Case C06.
#[test]
fn a_workspace_that_is_paused_at_the_start_is_not_registered() {
    let mut driven = Driven::start(Settings::default(), true);
    assert_eq!(driven.answer(State, PAUSED), [Say(Notice::Paused)]);
    assert_eq!(driven.wait(60).answer(State, PAUSED), []);
    assert_eq!(driven.life.phase(), Phase::Paused);

    let mut driven = Driven::start(Settings { end_on_pause: true, ..Settings::default() }, true);
    assert_eq!(driven.answer(State, PAUSED), [Say(Notice::Paused)]);
    driven.ended(Ending::Paused);
}

/// Case C13.
#[test]
fn after_a_pause_it_registers_exactly_once_and_resumes() {
    let mut driven = Driven::running();
    assert_eq!(driven.wait(30).answer(State, PAUSED), [StopWork, Say(Notice::Paused)]);
    assert_eq!(driven.wait(60).answer(State, PAUSED), []);
    assert_eq!(driven.wait(60).answer(State, state("provisioning")), []);
    assert_eq!(driven.answer(Register, done()), [Say(Resumed), StartWork]);
    assert_eq!(driven.wait(30).answer(State, state("online")), []);
    driven.wait(30);
}

#[test]
fn a_registration_that_fails_after_a_pause_is_tried_again_before_work_goes_on() {
    let mut driven = Driven::running();
    driven.wait(30).answer(State, PAUSED);
    driven.wait(60).answer(State, state("online"));
    assert_eq!(driven.answer(Register, Event::Registered(Registered::Failed)), []);
    assert_eq!(driven.wait(5).answer(State, state("online")), []);
    assert_eq!(driven.answer(Register, done()), [Say(Resumed), StartWork]);
}

/// Cases C09, C10 and C14: one answer to a running workspace's poll, and what comes of it.
#[test]
fn only_the_platforms_own_word_ends_or_stops_a_running_workspace() {
    for (event, effects, wait) in [
        (state("online"), vec![], Some(30)),
        (state("frobnicating"), vec![], Some(30)),
        (state(""), vec![], Some(30)),
        (state("hibernated"), vec![], Some(30)),
        (state("offline"), vec![], Some(30)),
        (MISROUTED, vec![Say(Misrouted)], Some(5)),
        (UNAVAILABLE, vec![], Some(5)),
        (Event::NoStateRoute, vec![], Some(60)),
        (PAUSED, vec![StopWork, Say(Notice::Paused)], Some(60)),
        (REMOVED, vec![StopWork, Say(Removed)], None),
    ] {
        let mut driven = Driven::running();
        assert_eq!(driven.wait(30).answer(State, event.clone()), effects, "{event:?}");
        match wait {
            Some(seconds) => drop(driven.wait(seconds).answer(State, state("online"))),
            None => driven.ended(Ending::Removed),
        }
    }
}

#[test]
fn a_removed_workspace_is_never_registered_whatever_it_was_doing() {
    let mut starting = Driven::start(Settings::default(), true);
    assert_eq!(starting.answer(State, REMOVED), [Say(Removed)]);
    starting.ended(Ending::Removed);

    let mut paused = Driven::running();
    paused.wait(30).answer(State, PAUSED);
    assert_eq!(paused.wait(60).answer(State, REMOVED), [Say(Removed)]);
    paused.ended(Ending::Removed);

    let mut revoked = revoked();
    assert_eq!(revoked.wait(60).answer(Reload, NO_OTHER), []);
    assert_eq!(revoked.answer(State, REFUSED), []);
    assert_eq!(revoked.answer(Probe, Event::Probed(Existence::Removed)), [Say(Removed)]);
    revoked.ended(Ending::Removed);
}

#[test]
fn a_workspace_that_the_platform_has_lost_registers_again_after_two_polls_but_not_within_a_minute() {
    for lost in ["awaiting_agent", "offline", "failed"] {
        let mut driven = Driven::running();
        assert_eq!(driven.wait(30).answer(State, state(lost)), [], "{lost}");
        assert_eq!(driven.wait(30).answer(State, state(lost)), [], "{lost}");
        assert_eq!(driven.answer(Register, done()), [], "it was at work all the time");
        // Still lost: once a minute, not at every second poll.
        assert_eq!(driven.wait(30).answer(State, state(lost)), []);
        assert_eq!(driven.wait(30).answer(State, state(lost)), []);
        assert_eq!(driven.answer(Register, done()), []);

        let mut driven =
            Driven::running_with(Settings { poll: Duration::from_secs(10), ..Settings::default() });
        for _ in 0..5 {
            assert_eq!(driven.wait(10).answer(State, state(lost)), []);
        }
        driven.wait(10).answer(State, state(lost));
        assert_eq!(driven.life.next(), Next::Ask(Register), "60 s after the last one");
    }
    let mut driven = Driven::running();
    for word in ["offline", "online", "offline", "degraded", "offline"] {
        driven.wait(30).answer(State, state(word));
    }
    driven.wait(30);
}

#[test]
fn an_unclear_answer_is_waited_out_longer_and_longer_and_ends_nothing() {
    for (event, others) in [(UNAVAILABLE, 0), (MISROUTED, 3)] {
        let mut driven = Driven::running();
        driven.wait(30);
        let mut said = 0;
        for (times, wait) in [5, 10, 20, 40, 60, 60].into_iter().chain([60; 36]).enumerate() {
            said += driven.answer(State, event.clone()).len();
            assert_eq!(driven.life.phase(), Phase::Running { unwell: 0 }, "{times}");
            driven.wait(wait);
        }
        assert_eq!(said, others, "said the first time, then every twentieth");
        driven.answer(State, state("online"));
        driven.wait(30).answer(State, event);
        driven.wait(5);
    }
}

#[test]
fn while_starting_it_asks_again_sooner() {
    let mut driven = Driven::start(Settings::default(), true);
    for wait in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(driven.answer(State, UNAVAILABLE), []);
        driven.wait(wait);
    }
    driven.answer(State, state("online"));
    assert_eq!(driven.answer(Register, done()), [StartWork]);

    // A platform without the endpoint, and one that has not given out any token yet.
    let mut old = Driven::start(Settings::default(), true);
    assert_eq!(old.answer(State, Event::NoStateRoute), []);
    assert_eq!(old.answer(Register, done()), [StartWork]);
    let mut fresh = Driven::start(Settings::default(), false);
    assert_eq!(fresh.answer(Register, Event::Registered(Registered::Failed)), []);
    fresh.wait(1).answer(State, state("online"));
    assert_eq!(fresh.answer(Register, done()), [StartWork]);
}

/// Case C05.
#[test]
fn a_token_that_is_refused_at_the_start_is_reloaded_once_and_then_ends_it() {
    for refusal_of in [State, Register] {
        let start = || {
            let mut driven = Driven::start(Settings::default(), true);
            match refusal_of {
                Register => {
                    driven.answer(State, state("online"));
                    driven.answer(Register, Event::Registered(Registered::Refused));
                }
                _ => drop(driven.answer(State, REFUSED)),
            }
            driven
        };
        let mut same = start();
        assert_eq!(same.answer(Reload, NO_OTHER), []);
        assert_eq!(same.answer(Probe, Event::Probed(Existence::Exists)), [Say(TokenRefused { times: 1 })]);
        same.ended(Ending::Revoked);

        let mut also_wrong = start();
        assert_eq!(also_wrong.answer(Reload, ANOTHER), []);
        assert_eq!(also_wrong.answer(State, REFUSED), []);
        also_wrong.answer(Probe, Event::Probed(Existence::Exists));
        also_wrong.ended(Ending::Revoked);

        let mut right = start();
        right.answer(Reload, ANOTHER);
        assert_eq!(right.answer(State, state("online")), []);
        assert_eq!(right.answer(Register, done()), [StartWork]);

        let mut gone = start();
        gone.answer(Reload, NO_OTHER);
        assert_eq!(gone.answer(Probe, Event::Probed(Existence::Removed)), [Say(Removed)]);
        gone.ended(Ending::Removed);
    }
}

/// Revoked, having been at work.
fn revoked() -> Driven {
    let mut driven = Driven::running();
    driven.wait(30).answer(State, REFUSED);
    driven.answer(Reload, NO_OTHER);
    let effects = driven.answer(Probe, Event::Probed(Existence::Exists));
    assert_eq!(effects, [StopWork, Say(TokenRefused { times: 1 })]);
    assert_eq!(driven.life.phase(), Phase::Revoked { refusals: 1 });
    driven
}

/// Case C12.
#[test]
fn a_revoked_workspace_comes_back_when_a_new_token_is_written_by_hand() {
    let mut driven = revoked();
    assert_eq!(driven.life.on(Event::HeartbeatRefused, driven.now), [], "known already");
    assert!(matches!(driven.life.next(), Next::Wait(_)));
    assert_eq!(driven.life.on(Event::TokenTouched, driven.now), [], "at once, not in a minute");
    assert_eq!(driven.answer(Reload, ANOTHER), []);
    assert_eq!(driven.answer(State, state("online")), [Say(TokenAccepted), StartWork]);
    driven.wait(30);
}

#[test]
fn a_revoked_workspace_tries_again_every_minute_and_says_so_now_and_then() {
    let mut driven = revoked();
    let mut said = Vec::new();
    for times in 2..=41 {
        driven.wait(60).answer(Reload, NO_OTHER);
        driven.answer(State, REFUSED);
        let effects = driven.answer(Probe, Event::Probed(Existence::Exists));
        said.extend(effects.into_iter().map(|effect| (times, effect)));
    }
    let say = |times| (times, Say(TokenRefused { times }));
    assert_eq!(said, [say(3), say(20), say(40)]);
    // The platform was restored from a backup: the old token works again.
    driven.wait(60).answer(Reload, NO_OTHER);
    assert_eq!(driven.answer(State, state("online")), [Say(TokenAccepted), StartWork]);
}

#[test]
fn a_workspace_that_was_paused_and_then_revoked_registers_when_it_comes_back() {
    let mut driven = Driven::running();
    driven.wait(30).answer(State, PAUSED);
    driven.wait(60).answer(State, REFUSED);
    driven.answer(Reload, NO_OTHER);
    let effects = driven.answer(Probe, Event::Probed(Existence::Exists));
    assert_eq!(effects, [Say(TokenRefused { times: 1 })], "work has stopped already");
    driven.wait(60).answer(Reload, ANOTHER);
    assert_eq!(driven.answer(State, state("online")), []);
    assert_eq!(driven.answer(Register, done()), [Say(TokenAccepted), StartWork]);
}

#[test]
fn a_revoked_token_ends_it_where_the_operator_wants_that() {
    let mut driven = Driven::running_with(Settings { end_on_revoked: true, ..Settings::default() });
    driven.wait(30).answer(State, REFUSED);
    driven.answer(Reload, NO_OTHER);
    let effects = driven.answer(Probe, Event::Probed(Existence::Exists));
    assert_eq!(effects, [StopWork, Say(TokenRefused { times: 1 })]);
    driven.ended(Ending::Revoked);
}

#[test]
fn a_heartbeat_that_is_refused_is_looked_into_at_once() {
    let mut driven = Driven::running();
    assert_eq!(driven.life.on(Event::HeartbeatRefused, driven.now), []);
    driven.answer(Reload, ANOTHER);
    assert_eq!(driven.answer(State, state("online")), []);

    driven.life.on(Event::HeartbeatRefused, driven.now);
    driven.answer(Reload, NO_OTHER);
    assert_eq!(driven.answer(Probe, Event::Probed(Existence::Unclear)), [], "no knowing: goes on");
    assert_eq!(driven.life.phase(), Phase::Running { unwell: 0 });
    // While something is asked already, the answer to that decides.
    driven.wait(5);
    assert_eq!(driven.life.on(Event::HeartbeatRefused, driven.now), []);
    assert_eq!(driven.life.next(), Next::Ask(State));
}

#[test]
fn an_answer_to_something_that_was_not_asked_changes_nothing() {
    let mut driven = Driven::running();
    let before = driven.life.next();
    for event in [REMOVED, PAUSED, NO_OTHER, Event::Probed(Existence::Removed), Event::TokenTouched, done()] {
        assert_eq!(driven.life.on(event, driven.now), []);
        assert_eq!(driven.life.next(), before);
    }
}
