//! Who is above, below and beside whom, and who may talk to whom.

use molecule_store::rusqlite::{Connection, OptionalExtension as _};

use crate::error::ApiError;

/// The most steps from a workspace up to its root.
const DEPTH: usize = 32;

/// The parent of a workspace: `None` if there is no such workspace, `Some(None)` for a root.
fn parent(connection: &Connection, id: &str) -> Result<Option<Option<String>>, ApiError> {
    let sql = "SELECT parent_id FROM workspace WHERE id = ?";
    Ok(connection.query_row(sql, [id], |row| row.get(0)).optional()?)
}

/// True if `caller` may talk to `target`: itself, a sibling (all roots are siblings), or anybody above or below.
/// Uncles and cousins may not. Removed workspaces still have their place.
pub(crate) fn may_talk(connection: &Connection, caller: &str, target: &str) -> Result<bool, ApiError> {
    let (Some(above_caller), Some(above_target)) = (parent(connection, caller)?, parent(connection, target)?)
    else {
        return Ok(false);
    };
    Ok(caller == target
        || above_caller == above_target
        || is_above(connection, caller, target)?
        || is_above(connection, target, caller)?)
}

/// True if `upper` stands anywhere above `lower`.
pub(crate) fn is_above(connection: &Connection, upper: &str, lower: &str) -> Result<bool, ApiError> {
    let mut at = lower.to_owned();
    for _ in 0..DEPTH {
        match parent(connection, &at)?.flatten() {
            None => return Ok(false),
            Some(parent) if parent == upper => return Ok(true),
            Some(parent) => at = parent,
        }
    }
    Ok(false)
}

/// Everybody below a workspace, itself excluded, nearest first.
pub(crate) fn below(connection: &Connection, id: &str) -> Result<Vec<String>, ApiError> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE below (id, depth) AS (
             SELECT id, 1 FROM workspace WHERE parent_id = ?1
             UNION
             SELECT workspace.id, depth + 1 FROM workspace JOIN below ON workspace.parent_id = below.id
             WHERE depth < 64
         )
         SELECT id FROM below WHERE id <> ?1 GROUP BY id ORDER BY min(depth), id",
    )?;
    let ids = statement.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids)
}

/// The ids of the peers that a workspace is shown: siblings, children, parent; removed ones excluded.
///
/// Narrower than [`may_talk`]: grandparents and grandchildren may be called but are not listed.
pub(crate) fn peers(connection: &Connection, id: &str) -> Result<Option<Vec<String>>, ApiError> {
    let Some(above) = parent(connection, id)? else { return Ok(None) };
    let mut statement = connection.prepare_cached(
        "SELECT id FROM (
             SELECT id, 1 AS place, name FROM workspace WHERE parent_id IS ?2 AND id <> ?1 AND status <> 'removed'
             UNION ALL
             SELECT id, 2, name FROM workspace WHERE parent_id = ?1 AND status <> 'removed'
             UNION ALL
             SELECT id, 3, name FROM workspace WHERE id = ?2 AND status <> 'removed'
         ) ORDER BY place, name, id",
    )?;
    let ids = statement.query_map((id, above), |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(Some(ids))
}
