use molecule_host::gate::Rule;

use super::*;

fn denial(message: &str, grants: &[Grant]) -> Denial {
    Denial { cure: grants.to_vec(), ..Denial::without_cure(Rule::Peer, message) }
}

fn peer(name: &str) -> Grant {
    Grant::Peer(name.parse().unwrap())
}

struct Scene {
    desk: Desk,
    prompt: Arc<Prompt>,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

fn scene(patience: Duration) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let (desk, file) = (Desk::default(), folder.path().join("agent.policy.toml"));
    let mut prompt = Prompt::new(Person::Desk(desk.clone()), Keep::new(Some(file.clone())));
    prompt.patience = patience;
    Scene { desk, prompt: Arc::new(prompt), file, _folder: folder }
}

impl Scene {
    fn asks(&self, name: &str) -> tokio::task::JoinHandle<Ruling> {
        let (prompt, denial) = (self.prompt.clone(), denial("peers.call: no", &[peer(name)]));
        tokio::spawn(async move { prompt.hear(WorkspaceId::random(), "alice", &denial).await })
    }

    /// Types a line as soon as a question is open.
    async fn types(&self, line: &str) {
        let typed = async {
            let mut line = line.to_owned();
            while let Some(back) = self.desk.offer(line) {
                line = back;
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), typed).await.expect("a question");
    }
}

#[test]
fn a_line_is_an_answer_only_if_it_is_one() {
    for (line, expected) in [
        ("", Some(Ruling::Deny)),
        ("d\n", Some(Ruling::Deny)),
        (" O ", Some(Ruling::Once)),
        ("once", Some(Ruling::Once)),
        ("a\r\n", Some(Ruling::Always)),
        ("Always", Some(Ruling::Always)),
        ("and then?", None),
        ("y", None),
    ] {
        assert_eq!(ruling(line), expected, "{line:?}");
    }
}

#[test]
fn nothing_that_an_agent_wrote_reaches_the_terminal_as_it_is() {
    let keep = Keep::new(None);
    let denial = denial("peers.call: \u{1b}[2J\nno", &[peer("bob  Allow it?\u{202e}"), peer("eve")]);
    let question = Question::new("alice\n\u{7}", &denial, &keep).unwrap();
    assert_eq!(
        question.lines,
        "\n  alice \\u{7} is denied peers.call: \\u{1b}[2J no\n  It is allowed by\n    \
         --allow-peer 'bob  Allow it?\\u{202e}'\n    --allow-peer eve\n"
    );
    assert_eq!(question.last, "  Allow it? [o]nce, [a]lways (in agent.policy.toml), [d]eny (Enter): ");
}

#[test]
fn what_cannot_be_shown_whole_is_not_asked_about() {
    let long = denial("no", &[peer(&"x".repeat(GRANT))]);
    assert_eq!(Question::new("alice", &long, &Keep::new(None)), None);
}

#[tokio::test]
async fn once_and_deny_keep_nothing_and_a_line_for_somebody_else_is_asked_about_again() {
    let scene = scene(PATIENCE);
    for (lines, expected) in
        [(&["o"][..], Ruling::Once), (&["hello", "d"], Ruling::Deny), (&[""], Ruling::Deny)]
    {
        let asked = scene.asks("bob");
        for line in lines {
            scene.types(line).await;
        }
        assert_eq!(asked.await.unwrap(), expected);
    }
    assert!(!scene.file.exists());
    assert_eq!(scene.desk.offer("a message".into()).as_deref(), Some("a message"), "no question is open");
}

#[tokio::test]
async fn always_is_kept_and_not_asked_again() {
    let scene = scene(PATIENCE);
    let asked = scene.asks("bob");
    scene.types("always").await;
    assert_eq!(asked.await.unwrap(), Ruling::Always);
    assert_eq!(std::fs::read_to_string(&scene.file).unwrap(), "allow-peer = [\"bob\"]\n");
    assert_eq!(scene.asks("bob").await.unwrap(), Ruling::Always);
    let mut grants = Grants::default();
    scene.prompt.add_to(&mut grants);
    assert!(grants.allow_peer("bob", None) && !grants.allow_peer("eve", None));
}

#[tokio::test]
async fn always_is_granted_where_the_file_cannot_be_written() {
    let scene = scene(PATIENCE);
    std::fs::create_dir(&scene.file).unwrap();
    let asked = scene.asks("bob");
    scene.types("a").await;
    assert_eq!(asked.await.unwrap(), Ruling::Always);
}

#[tokio::test]
async fn no_answer_is_a_denial_and_the_next_question_comes_after_it() {
    let scene = scene(Duration::from_millis(50));
    let (first, second) = (scene.asks("bob"), scene.asks("eve"));
    assert_eq!(first.await.unwrap(), Ruling::Deny);
    assert_eq!(second.await.unwrap(), Ruling::Deny);
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_is_closed() {
    let scene = scene(PATIENCE);
    let first = scene.asks("bob");
    scene.types("what?").await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(scene.desk.offer("o".into()).as_deref(), Some("o"));
}

#[test]
fn nobody_is_asked_where_nobody_could_answer() {
    let output = |log_format, quiet| OutputArgs { log_format, quiet, ..OutputArgs::default() };
    let human = || output(LogFormat::Human, false);
    let stdin = TokenInputs { flag: Some("-".into()), ..TokenInputs::default() };
    let file = TokenInputs { flag: Some("token".into()), ..TokenInputs::default() };
    for (no_prompt, output, token, expected) in [
        (false, human(), None, true),
        (false, human(), Some(&file), true),
        (false, human(), Some(&stdin), false),
        (true, human(), None, false),
        (false, output(LogFormat::Json, false), None, false),
        (false, output(LogFormat::Human, true), None, false),
    ] {
        assert_eq!(PromptSettings::new(no_prompt, &output, None, token).asks, expected);
    }
}
