//! Which of the files that an agent is made of have changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::ModifyKind;
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::cli::build::{Sources, is_cargo_s_own};
use crate::cli::escape::one_line;

/// Changes of one save follow each other within this time.
const QUIET: Duration = Duration::from_millis(200);
/// So long may files go on changing before it is looked at all the same.
const RESTLESS: Duration = Duration::from_secs(2);

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// The sources of a crate.
    Sources(Sources),
    /// A component that is built elsewhere, by the names that its file has.
    File(BTreeSet<PathBuf>),
}

impl Subject {
    /// A component: the file itself, and where it is a link, what it leads to.
    pub(super) fn file(path: &Path) -> Self {
        let absolute = std::path::absolute(path).ok();
        Self::File(absolute.into_iter().chain(path.canonicalize().ok()).collect())
    }

    fn counts(&self, path: &Path) -> bool {
        match self {
            Self::Sources(sources) => sources.counts(path),
            Self::File(names) => names.contains(path),
        }
    }

    /// Folders to be told about, and whether what lies in theirs counts as well.
    fn folders(&self) -> Vec<(PathBuf, bool)> {
        match self {
            Self::Sources(sources) => {
                let root = sources.root().map(|root| (root.to_owned(), false));
                let folders = sources.folders().iter().map(|folder| (folder.clone(), true));
                folders.chain(root).collect()
            }
            Self::File(names) => {
                names.iter().filter_map(|name| Some((name.parent()?.to_owned(), false))).collect()
            }
        }
    }
}

/// Files that have changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changed(Vec<PathBuf>);

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [] => write!(f, "changed"),
            [one] => write!(f, "changed: {}", one_line(&one.display().to_string(), 200)),
            [first, others @ ..] => {
                let first = one_line(&first.display().to_string(), 200);
                write!(f, "changed: {first} and {} more", others.len())
            }
        }
    }
}

/// Looks at files.
///
/// Folders of packages are watched one by one and not as a whole: what cargo writes into `target` would be told of, too,
/// by the ten thousand.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    news: mpsc::UnboundedReceiver<News>,
    subject: Subject,
    /// Packages whose folders are watched.
    packages: BTreeSet<PathBuf>,
    watched: BTreeSet<PathBuf>,
    /// What has changed and was not told yet.
    changed: BTreeSet<PathBuf>,
    /// When that began, and when it is over if nothing more comes.
    since: Option<(Instant, Instant)>,
}

/// What the system says.
enum News {
    /// These have another content, or are there, or are not.
    Changed(Vec<PathBuf>),
    /// So much has changed that it lost count.
    Lost,
}

impl Watch {
    /// Looks at nothing yet.
    ///
    /// # Errors
    /// The system does not tell of changes.
    pub(super) fn new() -> Result<Self, notify::Error> {
        let (sender, news) = mpsc::unbounded_channel();
        let tell = move |told: Result<Event, notify::Error>| {
            if let Some(told) = told.ok().and_then(read) {
                // Nobody looks any more.
                let _ = sender.send(told);
            }
        };
        let watcher = RecommendedWatcher::new(tell, Config::default().with_follow_symlinks(false))?;
        Ok(Self {
            watcher,
            news,
            subject: Subject::File(BTreeSet::new()),
            packages: BTreeSet::new(),
            watched: BTreeSet::new(),
            changed: BTreeSet::new(),
            since: None,
        })
    }

    /// Looks at a subject from now on, or at another one: a manifest may name other packages than before.
    ///
    /// # Errors
    /// Of the first folder that is not watched; the others are.
    pub(super) fn follow(&mut self, subject: Subject) -> Result<(), notify::Error> {
        if self.subject == subject {
            return Ok(());
        }
        self.subject = subject;
        let mut watched = Ok(());
        for (folder, is_package) in self.subject.folders() {
            watched = watched.and(self.watch(&folder, RecursiveMode::NonRecursive));
            if is_package && self.packages.insert(folder.clone()) {
                let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
                for entry in entries {
                    watched = watched.and(self.watch_within(&entry.path()));
                }
            }
        }
        watched
    }

    /// Watches a folder of a package, and all in it.
    fn watch_within(&mut self, path: &Path) -> Result<(), notify::Error> {
        match path.is_dir() && !path.is_symlink() && self.subject.counts(path) {
            true => self.watch(path, RecursiveMode::Recursive),
            false => Ok(()),
        }
    }

    fn watch(&mut self, folder: &Path, mode: RecursiveMode) -> Result<(), notify::Error> {
        // Of two ways to watch a folder the first one, which is that of a package, is the finer one.
        match self.watched.insert(folder.to_owned()) {
            true => self.watcher.watch(folder, mode),
            false => Ok(()),
        }
    }

    /// Waits until files have changed, and for a while until no more do. Nothing is lost when the future is dropped.
    ///
    /// While `building`, cargo writes a lock file, which then is no change.
    pub(super) async fn changed(&mut self, building: bool) -> Changed {
        loop {
            tokio::select! {
                news = self.news.recv() => match news {
                    Some(news) => self.note(news, building),
                    // The system has stopped to tell: nothing will ever change.
                    None => std::future::pending().await,
                },
                () = over(self.since) => {
                    self.since = None;
                    return self.take();
                }
            }
        }
    }

    fn note(&mut self, news: News, building: bool) {
        if let News::Changed(mut paths) = news {
            paths.retain(|path| self.subject.counts(path) && !(building && is_cargo_s_own(path)));
            if paths.is_empty() {
                return;
            }
            paths.iter().for_each(|path| self.notice(path));
            self.changed.extend(paths);
        }
        let now = Instant::now();
        let began = self.since.map_or(now, |(began, _)| began);
        self.since = Some((began, (now + QUIET).min(began + RESTLESS)));
    }

    /// A new folder beside those that are watched has to be watched as well. One that is gone may come again, and may be
    /// there already: what is told of is another folder than the one that is watched.
    fn notice(&mut self, path: &Path) {
        if path.parent().is_some_and(|parent| self.packages.contains(parent)) {
            if self.watched.remove(path) {
                // The system may have forgotten it by itself.
                let _ = self.watcher.unwatch(path);
            }
            if let Err(error) = self.watch_within(path) {
                tracing::warn!("{}", unwatched(&error));
            }
        }
    }

    fn take(&mut self) -> Changed {
        let changed = std::mem::take(&mut self.changed).into_iter();
        Changed(match &self.subject {
            Subject::Sources(sources) => changed.map(|path| sources.shown(&path).to_owned()).collect(),
            Subject::File(_) => {
                changed.filter_map(|path| path.file_name().map(PathBuf::from)).take(1).collect()
            }
        })
    }
}

/// Why changes go unnoticed, and what to do.
pub(super) fn unwatched(error: &notify::Error) -> String {
    let advice = match error.kind {
        notify::ErrorKind::MaxFilesWatch => "raise fs.inotify.max_user_watches with sysctl",
        _ => "start dev again after a change",
    };
    format!("not all changes of the sources are noticed: {error}; {advice}")
}

fn read(event: Event) -> Option<News> {
    if event.need_rescan() {
        return Some(News::Lost);
    }
    match event.kind {
        // Times and rights are no content, and to be read changes nothing.
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => None,
        _ => Some(News::Changed(event.paths)),
    }
}

async fn over(since: Option<(Instant, Instant)>) {
    match since {
        Some((_, until)) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn package(folder: &Path) -> Subject {
        fs::create_dir(folder.join("src")).unwrap();
        Subject::Sources(Sources::of(folder))
    }

    fn watching(subject: Subject) -> Watch {
        let mut watch = Watch::new().unwrap();
        watch.follow(subject).unwrap();
        watch
    }

    async fn next(watch: &mut Watch) -> BTreeSet<String> {
        let changed = tokio::time::timeout(Duration::from_secs(30), watch.changed(false)).await;
        changed.expect("nothing has changed").0.iter().map(|path| path.display().to_string()).collect()
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Each look gathers what was written before it; what does not count is not among it.
    #[tokio::test]
    async fn changed_sources_are_told_of_and_what_is_built_or_only_touched_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let subject = package(&folder);
        fs::write(folder.join("src/lib.rs"), "1").unwrap();
        fs::write(folder.join("src/read.rs"), "1").unwrap();
        fs::create_dir(folder.join("target")).unwrap();
        let mut watch = watching(subject);

        fs::read(folder.join("src/read.rs")).unwrap();
        // As touch(1) does. Linux takes a change of the one without the other for a change of content.
        let now = std::time::SystemTime::now();
        let touched = fs::FileTimes::new().set_accessed(now).set_modified(now);
        fs::File::open(folder.join("src/read.rs")).unwrap().set_times(touched).unwrap();
        fs::write(folder.join("target/agent.wasm"), "1").unwrap();
        fs::write(folder.join("src/.lib.rs.swp"), "1").unwrap();
        fs::write(folder.join("src/lib.rs"), "2").unwrap();
        fs::write(folder.join("prompt.txt"), "1").unwrap();
        assert_eq!(next(&mut watch).await, set(&["prompt.txt", "src/lib.rs"]));

        // As editors write: a draft that takes the place of the file.
        fs::write(folder.join("src/lib.rs~"), "3").unwrap();
        fs::rename(folder.join("src/lib.rs~"), folder.join("src/lib.rs")).unwrap();
        assert_eq!(next(&mut watch).await, set(&["src/lib.rs"]));

        // A folder that is new, also beside src, and what is in it afterwards.
        fs::create_dir_all(folder.join("texts/deep")).unwrap();
        assert!(next(&mut watch).await.contains("texts"));
        fs::write(folder.join("texts/deep/a.txt"), "1").unwrap();
        assert_eq!(next(&mut watch).await, set(&["texts/deep/a.txt"]));
        fs::remove_file(folder.join("src/lib.rs")).unwrap();
        assert_eq!(next(&mut watch).await, set(&["src/lib.rs"]));

        // One that is gone and there again before anybody has looked, as git does.
        fs::remove_dir_all(folder.join("texts")).unwrap();
        fs::create_dir(folder.join("texts")).unwrap();
        assert!(next(&mut watch).await.contains("texts"));
        fs::write(folder.join("texts/b.txt"), "1").unwrap();
        assert_eq!(next(&mut watch).await, set(&["texts/b.txt"]));
    }

    #[tokio::test]
    async fn the_lock_file_is_no_change_while_cargo_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let mut watch = watching(package(&folder));
        fs::write(folder.join("Cargo.lock"), "1").unwrap();
        fs::write(folder.join("src/lib.rs"), "1").unwrap();
        assert_eq!(watch.changed(true).await, Changed(vec!["src/lib.rs".into()]));
        fs::write(folder.join("Cargo.lock"), "2").unwrap();
        assert_eq!(next(&mut watch).await, set(&["Cargo.lock"]));
    }

    #[tokio::test]
    async fn of_a_component_only_its_file_counts_also_where_it_is_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        fs::create_dir(folder.join("built")).unwrap();
        fs::write(folder.join("built/agent.wasm"), "1").unwrap();
        let link = folder.join("agent.wasm");
        std::os::unix::fs::symlink(folder.join("built/agent.wasm"), &link).unwrap();
        let mut watch = watching(Subject::file(&link));
        fs::write(folder.join("built/agent.d"), "1").unwrap();
        fs::write(folder.join("built/agent.new"), "2").unwrap();
        fs::rename(folder.join("built/agent.new"), folder.join("built/agent.wasm")).unwrap();
        assert_eq!(next(&mut watch).await.len(), 1);
        fs::remove_file(&link).unwrap();
        assert_eq!(next(&mut watch).await, set(&["agent.wasm"]));
    }

    #[test]
    fn what_has_changed_is_said_in_a_few_words() {
        for (paths, expected) in [
            (&[][..], "changed"),
            (&["src/lib.rs"], "changed: src/lib.rs"),
            (&["a", "b", "c"], "changed: a and 2 more"),
        ] {
            assert_eq!(Changed(paths.iter().map(PathBuf::from).collect()).to_string(), expected);
        }
    }
}
