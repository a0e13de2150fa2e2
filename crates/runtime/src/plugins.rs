//! The folders of plugins, as the callbacks of an agent have opened them.

use std::any::Any;
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where an agent sees its plugins.
pub const GUEST_PATH: &str = "/plugins";

/// The folder of one plugin, in one version.
pub struct OpenPlugin {
    /// The folder itself, opened.
    pub folder: File,
    /// What keeps this version as it is, until it is dropped.
    pub kept: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for OpenPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenPlugin").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// The plugins that one callback has opened: each in one version, which is kept until the callback ends.
#[derive(Debug, Default)]
pub(crate) struct Opened(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_name: Vec<(String, Arc<OpenPlugin>)>,
    /// Those that the callback itself has replaced, and may still have open.
    replaced: Vec<Arc<OpenPlugin>>,
    /// Work that a callback leaves behind keeps no version: nothing would ever let it go.
    ended: bool,
}

impl Opened {
    /// The plugin as this callback has it: opened now, or the same as before.
    pub(crate) fn get(
        &self,
        name: &str,
        open: impl FnOnce() -> io::Result<Option<OpenPlugin>>,
    ) -> io::Result<Option<Arc<OpenPlugin>>> {
        let mut state = self.state();
        if let Some((_, plugin)) = state.by_name.iter().find(|(known, _)| known == name) {
            return Ok(Some(plugin.clone()));
        }
        let Some(plugin) = open()?.map(Arc::new) else { return Ok(None) };
        if !state.ended {
            state.by_name.push((name.to_owned(), plugin.clone()));
        }
        Ok(Some(plugin))
    }

    /// The callback itself has put another version in its place, or removed it: from now on it sees that.
    pub(crate) fn replaced(&self, name: &str) {
        let mut state = self.state();
        let (gone, kept) =
            std::mem::take(&mut state.by_name).into_iter().partition(|(known, _)| known == name);
        state.by_name = kept;
        let gone: Vec<_> = gone;
        state.replaced.extend(gone.into_iter().map(|(_, plugin)| plugin));
    }

    /// The callback has ended.
    pub(crate) fn end(&self) {
        *self.state() = State { ended: true, ..State::default() };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Kept(#[expect(dead_code, reason = "held")] Arc<()>);

    fn opens(kept: &Arc<()>) -> impl FnOnce() -> io::Result<Option<OpenPlugin>> {
        let kept = Box::new(Kept(kept.clone()));
        move || Ok(Some(OpenPlugin { folder: File::open("/")?, kept }))
    }

    #[test]
    fn a_version_is_kept_until_the_callback_ends_also_when_it_replaced_it_itself() {
        let (old, new) = (Arc::new(()), Arc::new(()));
        let opened = Opened::default();
        opened.get("dev", opens(&old)).unwrap().unwrap();
        opened.get("dev", || panic!("it is open")).unwrap().unwrap();
        opened.replaced("dev");
        opened.get("dev", opens(&new)).unwrap().unwrap();
        assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (2, 2));
        opened.end();
        assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (1, 1));
    }

    #[test]
    fn work_that_was_left_behind_keeps_nothing() {
        let kept = Arc::new(());
        let opened = Opened::default();
        opened.end();
        drop(opened.get("dev", opens(&kept)).unwrap().unwrap());
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}
