//! A staged tree takes the place of the installed one.

use std::io;
use std::sync::atomic::Ordering;

use super::entry::{Entry, Kind};
use super::folder::Found;
use super::settle::move_aside;
use super::{Shelf, ShelfError};
use crate::PluginName;

/// Others may put something there, or take it away, between the look and the rename: then it is looked at again.
const TRIES: usize = 8;

/// Makes a staged tree the installed one. Only who has the plugin's lock may. What was there before is then an
/// [`Old`](Kind::Old) one.
pub(super) fn swap_in(shelf: &Shelf, name: &PluginName, staged: &str) -> Result<(), ShelfError> {
    let (plugins, work) = (&shelf.inner.plugins, &shelf.inner.work);
    let mut tries = 0;
    loop {
        tries += 1;
        let again = |error: &io::Error| {
            tries < TRIES && matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound)
        };
        match plugins.find(name.as_str())? {
            Found::Other => return Err(ShelfError::NotAFolder { path: plugins.path(name.as_str()) }),
            Found::Nothing => match work.rename_new(staged, plugins, name.as_str()) {
                Err(error) if again(&error) => {}
                renamed => return renamed.map_err(plugins.failed("put the new version at", name.as_str())),
            },
            Found::Folder(_) => {
                let exchanged = if shelf.inner.exchanges.load(Ordering::Relaxed) {
                    work.exchange(staged, plugins, name.as_str())
                } else {
                    None
                };
                match exchanged {
                    None => {
                        shelf.inner.exchanges.store(false, Ordering::Relaxed);
                        return two_renames(shelf, name, staged);
                    }
                    Some(Err(error)) if again(&error) => {}
                    Some(exchanged) => {
                        exchanged.map_err(plugins.failed("put the new version at", name.as_str()))?;
                        // The swap is done. Should this fail, whoever settles next does it.
                        let _ = move_aside(work, staged, work, name);
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// For file systems that cannot exchange two folders. Which of the four steps were done can be told from what is there:
///
/// | installed | ready | previous | done | [`finish`] |
/// | --- | --- | --- | --- | --- |
/// | old | new | - | 1: staged becomes ready | drops the new one |
/// | - | new | old | 2: installed becomes previous | puts the new one in its place |
/// | new | - | old | 3: ready becomes installed | drops the old one |
/// | new | - | - | 4: previous is dropped | |
/// | - | - | old | somebody took away the new one | puts the old one back |
fn two_renames(shelf: &Shelf, name: &PluginName, staged: &str) -> Result<(), ShelfError> {
    let (plugins, work) = (&shelf.inner.plugins, &shelf.inner.work);
    let (ready, previous) = waiting(name);
    let failed = || plugins.failed("put the new version at", name.as_str());
    work.rename(staged, work, &ready).map_err(failed())?;
    if let Err(error) = plugins.rename(name.as_str(), work, &previous) {
        move_aside(work, &ready, work, name)?;
        return Err(failed()(error));
    }
    if let Err(error) = work.rename(&ready, plugins, name.as_str()) {
        work.rename(&previous, plugins, name.as_str())
            .map_err(plugins.failed("put back the version before to", name.as_str()))?;
        move_aside(work, &ready, work, name)?;
        return Err(failed()(error));
    }
    // The swap is done. Should this fail, whoever settles next does it.
    let _ = move_aside(work, &previous, work, name);
    Ok(())
}

/// Ends what [`two_renames`] of a process that died has begun. Only who has the plugin's lock may. True if the folder of
/// plugins was changed by that.
pub(super) fn finish(shelf: &Shelf, name: &PluginName) -> Result<bool, ShelfError> {
    let (plugins, work) = (&shelf.inner.plugins, &shelf.inner.work);
    let (ready, previous) = waiting(name);
    let mut changed = false;
    for waiting in [ready, previous] {
        if work.find(&waiting)? == Found::Nothing {
            continue;
        }
        if plugins.find(name.as_str())? == Found::Nothing {
            work.rename(&waiting, plugins, name.as_str())
                .map_err(plugins.failed("end a swap at", name.as_str()))?;
            changed = true;
        } else {
            move_aside(work, &waiting, work, name)?;
        }
    }
    Ok(changed)
}

/// Whether it may be that a plugin seems to be missing only because it is between two renames.
pub(super) fn is_between(shelf: &Shelf, name: &PluginName) -> Result<bool, ShelfError> {
    Ok(shelf.inner.work.find(&waiting(name).0)? != Found::Nothing)
}

fn waiting(name: &PluginName) -> (String, String) {
    let only = |kind| Entry::only(kind, name).to_string();
    (only(Kind::Ready), only(Kind::Previous))
}
