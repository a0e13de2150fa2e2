//! Files. The one folder that an agent may write to is its [`Storage`]; whatever makes that grow passes the gate first.

use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use molecule_gate::{Act, Effect};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, OpenMode, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynOutputStream, FsResult, OutputStream, Pollable, StreamError, StreamResult};

use super::plugins::Path;
use super::{returned, trap, wasi};
use crate::agent::Agent;
use crate::guest::{Call, Guest, caller};
use crate::storage::{ENTRY, GrowError, Storage, cost};

/// Grows the agent's folder.
#[derive(Debug)]
struct Store {
    bytes: u64,
    used: u64,
}

impl Act for Store {
    fn effect(&self) -> Effect<'_> {
        Effect::Store { bytes: self.bytes, used: self.used }
    }
}

/// Whoever writes: what it may, and on whose behalf.
#[derive(Clone)]
struct Writer {
    agent: Arc<Agent>,
    call: Option<Arc<Call>>,
    storage: Option<Storage>,
}

impl Writer {
    fn enter(store: &mut StoreContextMut<'_, Guest>) -> wasmtime::Result<Self> {
        let (agent, call) = caller(&mut *store)?;
        Ok(Self { agent, call, storage: store.data().storage.clone() })
    }

    /// Asks for room for `growth` more bytes. Measuring the folder, should that be needed, takes its time on this
    /// thread, and is counted as the agent's.
    fn make_room(&self, growth: u64) -> Result<(), ErrorCode> {
        // Without storage there is no folder to write to.
        let Some(storage) = self.storage.as_ref().filter(|_| growth > 0) else { return Ok(()) };
        let message = self.call.as_ref().and_then(|call| call.message.as_deref());
        // No receipt says that something was denied which is then allowed.
        let allows = |used| self.agent.gate.allows(&Effect::Store { bytes: growth, used });
        let judge = |used| self.agent.gate.pass(Store { bytes: growth, used }, message).map(drop);
        storage.grow(growth, allows, judge).map_err(|error| match error {
            GrowError::Denied(_) => ErrorCode::InsufficientSpace,
            GrowError::Io(error) => ErrorCode::from(&error),
        })
    }

    /// Asks for room for a file that is to reach to `end`.
    fn make_room_in(&self, file: &File, end: u64) -> Result<(), ErrorCode> {
        let now = file.metadata().map_err(|error| ErrorCode::from(&error))?.len();
        self.make_room(cost(end.max(now)) - cost(now))
    }
}

type Fd = Resource<Descriptor>;

/// Links over what wasmtime linked; each does what that would have done, once there is room for it.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut types = linker.instance(wasi!("filesystem/types"))?;
    types.func_wrap_async("[method]descriptor.write", |store, (fd, bytes, offset): (Fd, Vec<u8>, u64)| {
        Box::new(async move { returned(write(store, fd, bytes, offset).await) })
    })?;
    types.func_wrap_async("[method]descriptor.set-size", |store, (fd, size): (Fd, u64)| {
        Box::new(async move { returned(set_size(store, fd, size).await) })
    })?;
    types.func_wrap("[method]descriptor.write-via-stream", |store, (fd, offset): (Fd, u64)| {
        returned(write_via_stream(store, fd, Some(offset)))
    })?;
    types.func_wrap("[method]descriptor.append-via-stream", |store, (fd,): (Fd,)| {
        returned(write_via_stream(store, fd, None))
    })?;
    types.func_wrap_async(
        "[method]descriptor.open-at",
        |store, (fd, paths, path, how, flags): (Fd, PathFlags, String, OpenFlags, DescriptorFlags)| {
            Box::new(async move { returned(open_at(store, fd, paths, path, how, flags).await) })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.create-directory-at",
        |mut store, (fd, path): (Fd, String)| {
            Box::new(async move {
                let made = async {
                    Writer::enter(&mut store).map_err(trap)?.make_room(ENTRY)?;
                    store.data_mut().filesystem().create_directory_at(fd, path).await
                };
                returned(made.await)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.symlink-at",
        |mut store, (fd, old, new): (Fd, String, String)| {
            Box::new(async move {
                let made = async {
                    Writer::enter(&mut store).map_err(trap)?.make_room(ENTRY)?;
                    store.data_mut().filesystem().symlink_at(fd, old, new).await
                };
                returned(made.await)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.link-at",
        |mut store, (fd, paths, old, to, new): (Fd, PathFlags, String, Fd, String)| {
            Box::new(async move {
                let made = async {
                    Writer::enter(&mut store).map_err(trap)?.make_room(ENTRY)?;
                    store.data_mut().filesystem().link_at(fd, paths, old, to, new).await
                };
                returned(made.await)
            })
        },
    )
}

async fn write(mut store: StoreContextMut<'_, Guest>, fd: Fd, bytes: Vec<u8>, offset: u64) -> FsResult<u64> {
    let writer = Writer::enter(&mut store).map_err(trap)?;
    if let Some(file) = file(&mut store, &fd)? {
        writer.make_room_in(&file, offset.saturating_add(bytes.len() as u64))?;
    }
    store.data_mut().filesystem().write(fd, bytes, offset).await
}

async fn set_size(mut store: StoreContextMut<'_, Guest>, fd: Fd, size: u64) -> FsResult<()> {
    let writer = Writer::enter(&mut store).map_err(trap)?;
    if let Some(file) = file(&mut store, &fd)? {
        writer.make_room_in(&file, size)?;
    }
    store.data_mut().filesystem().set_size(fd, size).await
}

/// A stream that writes from an offset on, or at the end.
fn write_via_stream(
    mut store: StoreContextMut<'_, Guest>,
    fd: Fd,
    offset: Option<u64>,
) -> FsResult<Resource<DynOutputStream>> {
    let writer = Writer::enter(&mut store).map_err(trap)?;
    let file = file(&mut store, &fd)?;
    let mut files = store.data_mut().filesystem();
    let stream = match offset {
        Some(offset) => files.write_via_stream(fd, offset)?,
        None => files.append_via_stream(fd)?,
    };
    let Some(file) = file else { return Ok(stream) };
    let inner = files.table.delete(stream)?;
    let stream: DynOutputStream = Box::new(Metered { inner, writer, file, offset });
    Ok(files.table.push(stream)?)
}

async fn open_at(
    mut store: StoreContextMut<'_, Guest>,
    fd: Fd,
    paths: PathFlags,
    path: String,
    how: OpenFlags,
    flags: DescriptorFlags,
) -> FsResult<Fd> {
    let writer = Writer::enter(&mut store).map_err(trap)?;
    let path = Path::enter(&mut store, fd, path)?;
    if how.contains(OpenFlags::CREATE) {
        let there = store.data_mut().filesystem().stat_at(path.fd(), paths, path.rest()).await;
        if there.is_err() {
            writer.make_room(ENTRY)?;
        }
    }
    let opened = store.data_mut().filesystem().open_at(path.fd(), paths, path.rest(), how, flags).await;
    path.leave(&mut store)?;
    let opened = opened?;
    if let (Some(file), Some(storage)) = (file(&mut store, &opened)?, &writer.storage) {
        storage.opened(&file);
    }
    Ok(opened)
}

/// The file behind a descriptor, if it is one that can be written.
fn file(store: &mut StoreContextMut<'_, Guest>, fd: &Fd) -> FsResult<Option<Arc<File>>> {
    Ok(match store.data_mut().filesystem().table.get(fd)? {
        Descriptor::File(file) if file.open_mode.contains(OpenMode::WRITE) => Some(file.file.clone()),
        Descriptor::File(_) | Descriptor::Dir(_) => None,
    })
}

/// A stream into a file, with the gate in front of each write.
struct Metered {
    inner: DynOutputStream,
    writer: Writer,
    file: Arc<File>,
    /// Where the next byte goes; at the end of the file where there is none.
    offset: Option<u64>,
}

impl Metered {
    fn make_room(&mut self, bytes: usize) -> StreamResult<()> {
        let bytes = bytes as u64;
        let failed = |code: ErrorCode| StreamError::LastOperationFailed(as_io(code).into());
        let start = match self.offset {
            Some(offset) => offset,
            None => {
                self.file.metadata().map_err(|error| StreamError::LastOperationFailed(error.into()))?.len()
            }
        };
        let end = start.saturating_add(bytes);
        self.writer.make_room_in(&self.file, end).map_err(failed)?;
        self.offset = self.offset.map(|_| end);
        Ok(())
    }
}

/// As the stream's error has it: wasmtime makes the code of WASI of it again.
fn as_io(code: ErrorCode) -> std::io::Error {
    match code {
        ErrorCode::InsufficientSpace => {
            std::io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())
        }
        other => std::io::Error::other(other),
    }
}

#[async_trait]
impl OutputStream for Metered {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.make_room(bytes.len())?;
        self.inner.write(bytes)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        // Only then is it known where the file ends.
        self.inner.ready().await;
        self.make_room(bytes.len())?;
        self.inner.blocking_write_and_flush(bytes).await
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[async_trait]
impl Pollable for Metered {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}
