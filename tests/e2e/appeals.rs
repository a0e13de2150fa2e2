//! An embedder who rules on what an agent is about to be denied.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use molecule_gate::Denial;
use molecule_host::{Appeals, Event, Ruling, WorkspaceId};
use molecule_tests::canvas::{PATIENCE, Workspace};
use molecule_tests::embedded::{Embedded, host, spec};
use molecule_tests::guests;
use molecule_tests::scripted::{Reply, Scripted};
use molecule_tests::world::World;
use tokio::sync::Semaphore;

/// Rules always the same, when it is told to.
#[derive(Debug)]
struct Judge {
    ruling: Ruling,
    heard: Mutex<Vec<String>>,
    gone: Arc<AtomicUsize>,
    may: Semaphore,
}

impl Judge {
    fn new(ruling: Ruling) -> Arc<Self> {
        Arc::new(Self { ruling, heard: Mutex::default(), gone: Arc::default(), may: Semaphore::new(1000) })
    }

    /// One who waits until the test adds permits.
    fn slow(ruling: Ruling) -> Arc<Self> {
        Arc::new(Self { ruling, heard: Mutex::default(), gone: Arc::default(), may: Semaphore::new(0) })
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

struct Leaves(Arc<AtomicUsize>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Appeals for Judge {
    async fn hear(&self, _: WorkspaceId, name: &str, denial: &Denial) -> Ruling {
        assert!(!denial.cure.is_empty());
        self.heard.lock().unwrap().push(format!("{name}: {}", denial.grant.clone().unwrap_or_default()));
        let _leaves = Leaves(self.gone.clone());
        self.may.acquire().await.unwrap().forget();
        self.ruling
    }
}

struct Scene {
    world: World,
    alice: Workspace,
    server: Scripted,
    agent: Embedded,
}

impl Scene {
    async fn new(guest: &str, judge: &Arc<Judge>) -> Self {
        let world = World::new().await;
        let alice = world.create("alice").await;
        let server = Scripted::answering(|_| Reply::json(200, "{}")).await;
        let mut spec = spec(world.url(), &alice);
        spec.name = Some("alice".to_owned());
        spec.appeals = Some(judge.clone());
        let agent = Embedded::start(&host(&world.path("state")).await, guest, spec).await;
        Self { world, alice, server, agent }
    }

    /// Has the guest `fetches` make a request.
    async fn fetch(&self, path: &str) {
        self.world.say(&self.alice, &format!("GET {}/{path}", self.server.url())).await;
    }

    fn question(&self, path: &str) -> String {
        format!("alice: --allow-net {}/{path}", self.server.url())
    }

    async fn answers(&self, count: usize) -> Vec<String> {
        self.world.answered(&self.alice, count).await
    }
}

fn denials(agent: &Embedded) -> usize {
    agent.count(|event| matches!(event, Event::Denied { .. }))
}

#[tokio::test]
async fn what_is_always_allowed_is_granted_and_once_is_asked_about_each_time() {
    for (ruling, asked) in [(Ruling::Always, 1), (Ruling::Once, 3)] {
        let judge = Judge::new(ruling);
        let scene = Scene::new(guests::FETCHES, &judge).await;
        for count in 1..=3 {
            scene.fetch("x").await;
            assert_eq!(scene.answers(count).await.last().unwrap(), "200 {}");
        }
        assert_eq!(judge.heard(), vec![scene.question("x"); asked]);
        assert_eq!(denials(&scene.agent), 0);
        // Another request is another question.
        scene.fetch("y").await;
        scene.answers(4).await;
        assert_eq!(judge.heard().last(), Some(&scene.question("y")));
        scene.agent.stop().await;
    }
}

#[tokio::test]
async fn what_was_denied_is_not_asked_about_again_and_counted_as_a_denial() {
    let judge = Judge::new(Ruling::Deny);
    let scene = Scene::new(guests::FETCHES, &judge).await;
    for count in 1..=3 {
        scene.fetch("x").await;
        assert!(scene.answers(count).await.last().unwrap().starts_with("denied network"));
    }
    assert_eq!(judge.heard(), [scene.question("x")]);
    assert_eq!(scene.agent.running.status().denials, 3);
    scene.agent.stop().await;
    assert_eq!(scene.server.connections(), 0);
}

#[tokio::test]
async fn equal_questions_wait_for_one_answer() {
    let judge = Judge::slow(Ruling::Once);
    let scene = Scene::new(guests::FETCHES, &judge).await;
    for _ in 0..3 {
        scene.fetch("x").await;
    }
    // It is handled beside them, so they wait by now.
    scene.world.say(&scene.alice, "nonsense").await;
    scene.answers(1).await;
    assert_eq!(judge.heard(), [scene.question("x")]);
    judge.may.add_permits(1);
    assert_eq!(scene.answers(4).await[1..], ["200 {}", "200 {}", "200 {}"]);
    assert_eq!(judge.heard().len(), 1);
    scene.agent.stop().await;
}

/// Wait for the judge whatever happens, and the agent does not stop in time.
#[tokio::test]
async fn a_question_ends_with_the_agent() {
    let judge = Judge::slow(Ruling::Always);
    let scene = Scene::new(guests::FETCHES, &judge).await;
    scene.fetch("x").await;
    let asked = async {
        while judge.heard().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("a question");
    let Scene { agent, world, alice, .. } = scene;
    agent.stop().await;
    assert_eq!(judge.gone.load(Ordering::SeqCst), 1);
    assert!(world.answered(&alice, 1).await[0].starts_with("denied network"));
}

/// The platform was not asked for secrets before somebody allowed one.
#[tokio::test]
async fn a_secret_that_is_allowed_has_its_value_at_once() {
    for ruling in [Ruling::Once, Ruling::Always] {
        let world = World::new().await;
        let alice = world.create("alice").await;
        let platform = world.address();
        let front = Scripted::answering(move |received| match received.target.ends_with("/secrets/values") {
            true => Reply::json(200, r#"{"KEY":"hunter2-hunter2"}"#),
            false => Reply::PassOn(platform),
        })
        .await;
        let mut spec = spec(&front.url(), &alice);
        spec.appeals = Some(Judge::new(ruling));
        let agent = Embedded::start(&host(&world.path("state")).await, guests::FETCHES, spec).await;
        let server = Scripted::answering(|_| Reply::json(200, "{}")).await;
        let text = format!("GET {}/x authorization:Bearer~{{{{secret:KEY}}}}", server.url());
        world.say(&alice, &text).await;
        assert_eq!(world.answered(&alice, 1).await, ["200 {}"]);
        assert_eq!(server.received()[0].header("authorization"), Some("Bearer hunter2-hunter2"));
        agent.stop().await;
    }
}
