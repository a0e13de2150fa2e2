//! The entries of a tar, one after the other.

use std::io::Read;

use super::gunzip::Gunzip;
use super::header::{BLOCK, HeaderBlock, Kind};
use super::path::EntryPath;
use super::pax::Pax;
use super::{ArchiveError, Limits, LinkKind, Refusal};

/// One entry, its name and all that is said of it judged as far as that goes without the others.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: EntryPath,
    pub(super) what: What,
}

/// What an entry is.
#[derive(Debug)]
pub(super) enum What {
    /// As many bytes of data follow, see [`Entries::data`].
    File {
        size: u64,
        executable: bool,
    },
    Folder,
    Link {
        kind: LinkKind,
        target: String,
    },
}

/// Walks through a tar. The caller takes the data of a file before it asks for the next entry.
pub(super) struct Entries<'a, R: Read> {
    stream: Gunzip<R>,
    limits: &'a Limits,
    /// Headers of entries that came so far, global ones included.
    count: u64,
    /// Data of the last entry that was not taken yet, and the padding behind it.
    data: u64,
    padding: u64,
    unpacked: u64,
}

/// What headers before the entry said of it.
#[derive(Default)]
struct Before {
    pax: Option<Pax>,
    gnu_name: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
}

impl Before {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.gnu_name.is_none() && self.gnu_link.is_none()
    }
}

impl<'a, R: Read> Entries<'a, R> {
    pub(super) fn new(stream: Gunzip<R>, limits: &'a Limits) -> Self {
        Self { stream, limits, count: 0, data: 0, padding: 0, unpacked: 0 }
    }

    /// The next entry; nothing once the archive has ended as one has to, and not a byte of the body is left.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        self.skip(self.data + self.padding)?;
        (self.data, self.padding) = (0, 0);
        let mut before = Before::default();
        loop {
            let offset = self.stream.offset();
            let refuse = |problem| ArchiveError::from(Refusal::Header { offset, problem });
            let Some(block) = self.block()? else {
                return self.end(&before).map(|()| None);
            };
            let header = HeaderBlock::parse(&block).map_err(refuse)?;
            let size = header.size().map_err(refuse)?;
            let twice = match header.kind() {
                Kind::Pax => {
                    let pax = Pax::parse(&self.extension(size)?).map_err(refuse)?;
                    before.pax.replace(pax).is_some()
                }
                Kind::GnuName => before.gnu_name.replace(self.gnu_text(size, offset)?).is_some(),
                Kind::GnuLink => before.gnu_link.replace(self.gnu_text(size, offset)?).is_some(),
                Kind::GlobalPax => {
                    self.counted("")?;
                    Pax::check_global(&self.extension(size)?).map_err(refuse)?;
                    !before.is_empty()
                }
                kind => return self.entry(&header, kind, size, before, offset).map(Some),
            };
            if twice || (before.pax.is_some() && (before.gnu_name.is_some() || before.gnu_link.is_some())) {
                return Err(refuse("it follows another one that speaks of the same entry"));
            }
        }
    }

    /// What comes next of the data of the last file; empty at its end. Follow it with [`consume`](Self::consume).
    pub(super) fn data(&mut self) -> Result<&[u8], ArchiveError> {
        if self.data > 0 && self.stream.chunk(self.data)?.is_empty() {
            return Err(self.stream.truncated("a file"));
        }
        self.stream.chunk(self.data)
    }

    /// Takes `bytes` of the last data.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.stream.consume(bytes);
        self.data = self.data.saturating_sub(bytes as u64);
        self.unpacked = self.unpacked.saturating_add(bytes as u64);
    }

    /// Entries so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of files so far.
    pub(super) fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// Where the bytes come from.
    pub(super) fn stream(&self) -> &Gunzip<R> {
        &self.stream
    }

    fn entry(
        &mut self,
        header: &HeaderBlock<'_>,
        kind: Kind,
        size: u64,
        before: Before,
        offset: u64,
    ) -> Result<Entry, ArchiveError> {
        let pax = before.pax.unwrap_or_default();
        let name = pax.path.or(before.gnu_name).unwrap_or_else(|| header.name().into_owned());
        let path = EntryPath::parse(&name, self.limits)?;
        self.counted(path.as_str())?;
        // POSIX: the record wins over the field, which may be too small for the number.
        let size = pax.size.unwrap_or(size);
        let shown = if path.as_str().is_empty() { "." } else { path.as_str() };
        let refuse = |problem| Err(Refusal::entry(shown, problem).into());
        let what = match kind {
            Kind::File if path.like_a_folder => return refuse("is a file, and named like a folder"),
            Kind::OldFile if path.like_a_folder => What::Folder,
            Kind::File | Kind::OldFile => What::File { size, executable: header.executable() },
            Kind::Folder => What::Folder,
            Kind::SymbolicLink | Kind::HardLink => {
                let target = pax.link.or(before.gnu_link).unwrap_or_else(|| header.link_name().into_owned());
                let kind = if kind == Kind::HardLink { LinkKind::Hard } else { LinkKind::Symbolic };
                What::Link { kind, target: shown_target(&target) }
            }
            Kind::Refused(problem) => return refuse(problem),
            Kind::Pax | Kind::GlobalPax | Kind::GnuName | Kind::GnuLink => {
                return Err(Refusal::Header { offset, problem: "it speaks of no entry" }.into());
            }
        };
        match what {
            What::File { .. } if path.as_str().is_empty() => return refuse("is a file without a name"),
            What::Link { .. } if path.as_str().is_empty() => return refuse("is a link without a name"),
            What::File { size, .. } => self.announce(size, path.as_str())?,
            What::Folder | What::Link { .. } if size != 0 => {
                return refuse(
                    "has data and is no file: programs disagree about where the next entry starts",
                );
            }
            What::Folder | What::Link { .. } => {}
        }
        Ok(Entry { path, what })
    }

    /// `size` bytes of a file follow.
    fn announce(&mut self, size: u64, name: &str) -> Result<(), Refusal> {
        if size > self.limits.file_bytes {
            return Err(Refusal::over("bytes of one file", self.limits.file_bytes, name));
        }
        if self.unpacked.saturating_add(size) > self.limits.unpacked_bytes {
            return Err(Refusal::over("unpacked bytes", self.limits.unpacked_bytes, name));
        }
        self.data = size;
        self.padding = padding(size);
        Ok(())
    }

    fn counted(&mut self, name: &str) -> Result<(), Refusal> {
        self.count += 1;
        if self.count > self.limits.entries {
            return Err(Refusal::over("entries", self.limits.entries, name));
        }
        Ok(())
    }

    /// The data of a header that speaks of another entry.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, ArchiveError> {
        let limit = self.limits.header_bytes;
        let length = usize::try_from(size).ok().filter(|_| size <= limit);
        let length = length.ok_or_else(|| Refusal::over("bytes of an extended header", limit, ""))?;
        let mut data = vec![0; length];
        if self.stream.fill(&mut data)? < length {
            return Err(self.stream.truncated("an extended header"));
        }
        self.skip(padding(size))?;
        Ok(data)
    }

    /// The data of one of GNU's: a text that ends with NUL.
    fn gnu_text(&mut self, size: u64, offset: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut text = self.extension(size)?;
        while text.last() == Some(&0) {
            text.pop();
        }
        if text.contains(&0) {
            return Err(Refusal::Header { offset, problem: "its text contains NUL" }.into());
        }
        Ok(text)
    }

    /// The next block; nothing if it is the zeros of the end.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, ArchiveError> {
        let mut block = [0; BLOCK];
        if self.stream.fill(&mut block)? < BLOCK {
            // The end is said with zeros: where there are none, the rest is missing.
            return Err(self.stream.truncated("the tar"));
        }
        Ok((block != [0; BLOCK]).then_some(block))
    }

    /// After the zeros of the end there may be more of them, as tapes want it, and nothing else. Reading them is also what
    /// checks the last checksum of the gzip stream.
    fn end(&mut self, before: &Before) -> Result<(), ArchiveError> {
        if !before.is_empty() {
            let problem = "the archive ends where the entry should be that the header before speaks of";
            return Err(Refusal::Header { offset: self.stream.offset(), problem }.into());
        }
        loop {
            let offset = self.stream.offset();
            let chunk = self.stream.chunk(u64::MAX)?;
            let length = chunk.len();
            if let Some(at) = chunk.iter().position(|byte| *byte != 0) {
                return Err(Refusal::AfterTheEnd { offset: offset + at as u64 }.into());
            }
            if length == 0 {
                let whole = offset.is_multiple_of(BLOCK as u64);
                return if whole { Ok(()) } else { Err(self.stream.truncated("the end of the tar")) };
            }
            self.stream.consume(length);
        }
    }

    fn skip(&mut self, mut bytes: u64) -> Result<(), ArchiveError> {
        while bytes > 0 {
            let length = self.stream.chunk(bytes)?.len();
            if length == 0 {
                return Err(self.stream.truncated("an entry"));
            }
            self.stream.consume(length);
            bytes = bytes.saturating_sub(length as u64);
        }
        Ok(())
    }
}

/// Bytes that fill the last block.
fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

/// A link's target is only ever shown: cut, and without what a terminal would obey.
fn shown_target(target: &[u8]) -> String {
    let text = String::from_utf8_lossy(target);
    let harmless = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(200).map(harmless).collect()
}
