//! `molecule-host token`: the tokens of a workspace.

use molecule_host::{Host, OldToken, Rotated, Rotation, TokenStatus, WorkspaceTokens};
use serde_json::json;

use super::args::{TokenAction, TokenArgs};
use super::console::Console;
use super::escape::one_line;
use super::failure::Failure;
use super::settings::{self, Environment};
use super::signals::{Hangup, Signals};
use super::table::table;

/// Shows, or replaces.
///
/// # Errors
/// What stood in the way; see [`WorkspaceTokens::rotate`] for what is so after each.
pub(super) fn token(args: TokenArgs, environment: &Environment, console: Console) -> Result<(), Failure> {
    let TokenArgs { action, keep_old, all, answers, platform, identity, state, .. } = args;
    let spec = settings::connection(platform, &identity, environment)?;
    let state_dir = settings::state_dir(state, environment)?;
    super::on_threads(Hangup::Stops, |signals: Signals| async move {
        let host = signals.or_stop(Host::builder().state_dir(&state_dir).build()).await?;
        let tokens = signals.or_stop(WorkspaceTokens::open(&host, spec)).await?;
        match action {
            Some(TokenAction::Rotate) => {
                let rotation = match (all, keep_old) {
                    (true, _) => Rotation::All,
                    (false, true) => Rotation::KeepOld,
                    (false, false) => Rotation::Own,
                };
                // To its end, whatever signal comes: it is over in seconds, and half of it helps nobody.
                let rotated = tokens.rotate(rotation).await?;
                match answers.json {
                    true => console.json(&json!({
                        "stored": rotated.stored, "prefix": rotated.prefix, "shadowed_by": rotated.shadowed_by,
                        "old": word(&rotated.old),
                    })),
                    false => console.answer(&said(&rotated)),
                }
            }
            Some(TokenAction::Status) | None => {
                let status = signals.or_stop(tokens.status()).await?;
                match answers.json {
                    true => console.json(&json!({
                        "source": status.source, "prefix": status.prefix, "accepted": status.accepted.as_ref().ok(),
                        "live": status.live,
                    })),
                    false => console.answer(&shown(&status)),
                }
            }
        }
    })
}

fn shown(status: &TokenStatus) -> String {
    let TokenStatus { source, prefix, accepted, live } = status;
    let token = prefix.as_ref().map_or("none".to_owned(), |prefix| format!("{prefix}…"));
    let taken = match accepted {
        Ok(true) => "yes".to_owned(),
        Ok(false) => "no: it was revoked, or is another workspace's; have a new one issued on the platform and write it into \
                      the file, which a running host reads again"
            .to_owned(),
        Err(error) => format!("not known: {error}"),
    };
    let mut lines = vec![
        format!("token     {token}"),
        format!("from      {}", one_line(source, 1000)),
        format!("accepted  {taken}"),
    ];
    if !live.is_empty() {
        let rows: Vec<_> = live
            .iter()
            .map(|row| {
                let own = prefix.as_ref().is_some_and(|prefix| prefix.starts_with(&row.prefix));
                vec![
                    one_line(&row.id, 100),
                    format!("{}…", one_line(&row.prefix, 20)),
                    row.created_at.to_string(),
                    row.last_used_at.map_or_else(|| "never".to_owned(), |at| at.to_string()),
                    if own { "in use".to_owned() } else { String::new() },
                ]
            })
            .collect();
        lines.push(String::new());
        lines.push(table(&["ID", "BEGINS", "CREATED", "LAST USED", ""], &rows));
    }
    lines.join("\n").trim_end().to_owned()
}

fn said(rotated: &Rotated) -> String {
    let Rotated { stored, prefix, shadowed_by, old } = rotated;
    let mut lines = vec![format!("the token {prefix}… is in {}; the platform takes it", stored.display())];
    lines.push(match old {
        OldToken::Revoked => "the old one is revoked".to_owned(),
        OldToken::Kept => "the old one is accepted as before".to_owned(),
        OldToken::Unclear(0) => "the platform does not list the old one: nothing was revoked".to_owned(),
        OldToken::Unclear(count) => format!(
            "{count} tokens begin as the old one does: none was revoked; revoke it on the platform, or all with --all"
        ),
        OldToken::NotRevoked(error) => format!("the old one may still be accepted: {error}"),
    });
    if let Some(by) = shadowed_by {
        lines.push(format!("{by} still gives the old one, and goes before that file: take it away there"));
    }
    lines.join("\n")
}

fn word(old: &OldToken) -> &'static str {
    match old {
        OldToken::Revoked => "revoked",
        OldToken::Kept => "kept",
        OldToken::Unclear(_) => "unclear",
        OldToken::NotRevoked(_) => "not-revoked",
    }
}
