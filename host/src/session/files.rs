//! Files: those that come with messages, and those that the agent sends to its user.
//!
//! A file that somebody uploads for a workspace that polls waits at the platform, which says so in a row of the log. The
//! host fetches it, keeps it in the folder `uploads` of the workspace, and acknowledges it: then the platform forgets it.
//! The agent opens it by the `uri` that stands in a message. A fetch holds up nothing; one that failed, or that the host
//! did not live to see, is made up for when the agent opens the file.

mod shelf;

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::TryStreamExt as _;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use molecule_gate::Permit;
use molecule_protocol::Attachment;
use molecule_protocol::uploads::{Pending, Upload};
use molecule_runtime::wit::messages::Attachment as Facts;
use molecule_runtime::wit::{self, Error, FileSource, PartContent, Sent};
use molecule_runtime::{Attach, FetchBody, FetchError, OpenFile, denied};

use super::context::Context;
use super::errors;
use super::kept::unavailable;
use crate::events::Event;
use crate::platform::{BodyStream, PlatformError, PlatformFault, TransportError};

pub(super) use self::shelf::Shelf;

/// Files of one workspace.
#[derive(Debug)]
pub(super) struct Files {
    /// Where they are kept; none where nothing is.
    shelf: Option<Shelf>,
    /// One at a time is fetched: a file may have 25 MiB.
    fetching: tokio::sync::Mutex<()>,
    sent: Mutex<SentFiles>,
}

/// What this workspace has uploaded itself: the platform announces that to it as if somebody else had, and to fetch and
/// acknowledge it would take it away from the user.
#[derive(Debug, Default)]
struct SentFiles {
    ids: HashSet<String>,
    /// Under way: their ids are not known yet.
    under_way: Vec<(String, u64)>,
}

impl Files {
    pub(super) fn new(shelf: Option<Shelf>) -> Self {
        Self { shelf, fetching: tokio::sync::Mutex::default(), sent: Mutex::default() }
    }

    fn sent(&self) -> MutexGuard<'_, SentFiles> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_own(&self, upload: &Upload) -> bool {
        let sent = self.sent();
        let same = |(name, size): &(String, u64)| {
            Some(*size) == upload.size && upload.name.as_ref().is_none_or(|other| other == name)
        };
        sent.ids.contains(&upload.pending.file_id) || sent.under_way.iter().any(same)
    }
}

/// A row of the log says that somebody has uploaded a file: fetches it, beside everything else.
pub(super) async fn received(context: &Context, upload: Upload) {
    let files = &context.files;
    let Some(shelf) = &files.shelf else { return };
    if files.is_own(&upload) {
        return;
    }
    match fetch(context, shelf, &upload.pending, upload.name.as_deref()).await {
        Ok(_) => context.say(Event::FileIn { name: upload.name.unwrap_or_else(|| "unnamed".to_owned()) }),
        // Fetched already, or expired.
        Err(Trouble::Platform(error)) if is_gone(&error) => {}
        Err(trouble) => context.say(Event::Trouble(format!(
            "a file that came with a message could not be fetched; it is tried again when the agent opens it: {trouble}"
        ))),
    }
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Platform(#[from] PlatformError),
    #[error("the download broke off: {0}")]
    Transport(TransportError),
    #[error("{0} cannot be written: {1}")]
    Folder(String, std::io::Error),
}

fn is_gone(error: &PlatformError) -> bool {
    matches!(error.fault, PlatformFault::NotFound { .. } | PlatformFault::Gone { .. })
}

/// Fetches a file to the shelf, unless it is there, and tells the platform that it has been.
async fn fetch(
    context: &Context,
    shelf: &Shelf,
    pending: &Pending,
    name: Option<&str>,
) -> Result<shelf::Kept, Trouble> {
    let _one = context.files.fetching.lock().await;
    if let Some(kept) = shelf.find(&pending.uri()) {
        return Ok(kept);
    }
    let content = context.client.pending_file(&pending.file_id).await?;
    let trouble = |error| Trouble::Folder(shelf.folder().display().to_string(), error);
    let mut slot = shelf.begin(&pending.uri(), name, content.media_type.as_deref()).map_err(trouble)?;
    let mut body = content.body;
    while let Some(piece) = body.try_next().await.map_err(Trouble::Transport)? {
        slot.write(&piece).await.map_err(trouble)?;
    }
    let kept = slot.finish().await.map_err(trouble)?;
    // Not before it is durable. One that is not acknowledged expires by itself.
    if let Err(error) = context.client.acknowledge_file(&pending.file_id).await {
        tracing::debug!("a file was fetched and not acknowledged: {error}");
    }
    Ok(kept)
}

/// Opens a file for the agent.
pub(super) async fn open(context: &Context, permit: Permit<OpenFile>) -> Result<(Facts, FetchBody), Error> {
    let OpenFile { uri } = permit.into_act();
    let pending = match Pending::read(&uri) {
        Some(pending) if pending.workspace == context.spec.workspace_id.to_string() => pending,
        Some(_) => return Err(Error::Forbidden(format!("{uri} was uploaded for another workspace"))),
        None if uri.starts_with("http://") || uri.starts_with("https://") => {
            return Err(Error::Invalid(format!("{uri} is on a server of the web; get it by http.fetch")));
        }
        None => {
            return Err(Error::NotFound(format!(
                "{uri} cannot be opened from here: it lies in a container of the platform, or nowhere"
            )));
        }
    };
    let Some(shelf) = &context.files.shelf else {
        let content = context.client.pending_file(&pending.file_id).await;
        let content = content.map_err(|error| errors::of_platform(&error))?;
        let facts =
            Facts { name: None, media_type: content.media_type, size: content.size.map(|it| it as f64) };
        return Ok((facts, streamed(content.body)));
    };
    let kept = match shelf.find(&pending.uri()) {
        Some(kept) => kept,
        None => fetch(context, shelf, &pending, None).await.map_err(|trouble| match trouble {
            Trouble::Platform(error) => errors::of_platform(&error),
            Trouble::Transport(_) | Trouble::Folder(..) => unavailable(trouble.to_string()),
        })?,
    };
    let lost = |error: std::io::Error| unavailable(format!("{uri} cannot be read: {error}"));
    let body = kept.read().await.map_err(lost)?;
    let (name, media_type) = (kept.name.clone(), kept.media_type.clone());
    Ok((Facts { name, media_type, size: Some(kept.size as f64) }, body))
}

/// The end of a file that was not its end.
fn broken(error: &dyn std::fmt::Display) -> FetchError {
    FetchError::Broken { host: "the platform".to_owned(), detail: error.to_string(), sent: Sent::Yes }
}

fn streamed(body: BodyStream) -> FetchBody {
    let frames = body.map_ok(Frame::data).map_err(|error| broken(&error));
    StreamBody::new(frames).boxed_unsync()
}

/// Uploads what parts hold as bytes, and puts the address of each in its place.
///
/// # Errors
/// Of the first one that could not be uploaded.
pub(super) async fn attached(
    context: &Context,
    mut parts: Vec<wit::Part>,
    message: Option<&str>,
) -> Result<Vec<wit::Part>, Error> {
    for part in &mut parts {
        if let PartContent::File(file) = &mut part.content {
            attach(context, file, message).await?;
        }
    }
    Ok(parts)
}

/// The same, with a line in the place of each that could not be uploaded: an answer comes all the same.
pub(super) async fn attached_or_said(
    context: &Context,
    mut parts: Vec<wit::Part>,
    message: &str,
) -> Vec<wit::Part> {
    for part in &mut parts {
        let PartContent::File(file) = &mut part.content else { continue };
        if let Err(error) = attach(context, file, Some(message)).await {
            let name = file.name.as_deref().unwrap_or("unnamed");
            let line = format!("[the file {name} could not be sent: {}]", wit::words(&error));
            context.say(Event::Trouble(line.clone()));
            part.content = PartContent::Text(line);
        }
    }
    parts
}

async fn attach(context: &Context, file: &mut wit::File, message: Option<&str>) -> Result<(), Error> {
    let FileSource::Bytes(bytes) = &mut file.source else { return Ok(()) };
    let mut bytes = std::mem::take(bytes);
    let redactor = context.redactor();
    redactor.mask_all(&mut bytes);
    let name = redactor.redact_owned(file.name.clone().unwrap_or_else(|| "unnamed".to_owned()));
    let media_type = file.media_type.clone().map(|it| redactor.redact_owned(it));
    let permit = context.gate.pass(Attach { name, media_type, bytes }, message);
    let uploaded = upload(context, permit.map_err(denied)?).await?;
    file.source = FileSource::Uri(uploaded.uri);
    file.name.get_or_insert(uploaded.name);
    Ok(())
}

async fn upload(context: &Context, permit: Permit<Attach>) -> Result<Attachment, Error> {
    let Attach { name, media_type, bytes } = permit.into_act();
    let under_way = (name.clone(), bytes.len() as u64);
    context.files.sent().under_way.push(under_way.clone());
    let uploaded = context.client.upload(&name, media_type.as_deref(), bytes).await;
    let mut sent = context.files.sent();
    if let Some(at) = sent.under_way.iter().position(|it| *it == under_way) {
        sent.under_way.swap_remove(at);
    }
    match uploaded {
        Ok(attachment) => {
            sent.ids.extend(Pending::read(&attachment.uri).map(|pending| pending.file_id));
            Ok(attachment)
        }
        Err(error) => Err(errors::of_platform(&error)),
    }
}
