//! The body, unpacked: counted, hashed, and to the very last byte.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::{ArchiveError, Limits, Refusal};
use crate::Digest;

/// How much is unpacked at once.
const CHUNK: usize = 128 * 1024;

/// The tar that a gzip'd body holds.
///
/// Several gzip members in a row are one stream (RFC 1952 2.2); what follows the last and is no gzip is an error. The
/// checksum of a member is known only at its end: whoever believes a byte has to read until [`chunk`](Self::chunk) is empty.
pub(super) struct Gunzip<R: Read> {
    stream: BufReader<MultiGzDecoder<BufReader<Body<R>>>>,
    /// Bytes of the tar that were consumed.
    offset: u64,
    tar_limit: u64,
    ratio: u64,
}

impl<R: Read> Gunzip<R> {
    pub(super) fn new(body: R, limits: &Limits) -> Self {
        let body = Body {
            reader: body,
            received: 0,
            limit: limits.compressed_bytes,
            hash: Sha256::new(),
            end: None,
        };
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(CHUNK, body));
        Self {
            stream: BufReader::with_capacity(CHUNK, decoder),
            offset: 0,
            tar_limit: limits.tar_bytes(),
            ratio: limits.ratio,
        }
    }

    /// What comes next, at most `most` bytes of it; empty only at the end (or for a `most` of 0). Follow it with
    /// [`consume`](Self::consume).
    pub(super) fn chunk(&mut self, most: u64) -> Result<&[u8], ArchiveError> {
        if self.stream.buffer().is_empty() {
            if let Err(error) = self.stream.fill_buf() {
                return Err(self.judge(&error));
            }
            let produced = self.offset.saturating_add(self.stream.buffer().len() as u64);
            if produced > self.tar_limit {
                return Err(Refusal::over("bytes of the tar", self.tar_limit, "").into());
            }
            if produced > Limits::RATIO_FROM && produced > self.received().saturating_mul(self.ratio) {
                return Err(Refusal::over("unpacked bytes for each compressed one", self.ratio, "").into());
            }
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let buffer = self.stream.buffer();
        Ok(buffer.get(..most).unwrap_or(buffer))
    }

    /// Takes `bytes` of the last chunk.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.stream.consume(bytes);
        self.offset = self.offset.saturating_add(bytes as u64);
    }

    /// Fills `buffer`, or as much of it as there is; how much that was.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let chunk = self.chunk(rest.len() as u64)?;
            let taken = chunk.len();
            if taken == 0 {
                break;
            }
            // No longer than what was asked for.
            rest.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.consume(taken);
            filled += taken;
        }
        Ok(filled)
    }

    /// Bytes of the tar that were consumed.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of the body that were read.
    pub(super) fn received(&self) -> u64 {
        self.body().received
    }

    /// The tar ends although more was announced.
    pub(super) fn truncated(&self, inside: &'static str) -> ArchiveError {
        Refusal::Truncated { received: self.received(), inside }.into()
    }

    /// The digest of all that was read of the body.
    pub(super) fn digest(&self) -> Digest {
        Digest::from(self.body().hash.clone())
    }

    fn body(&self) -> &Body<R> {
        self.stream.get_ref().get_ref().get_ref()
    }

    /// The decoder hands on what its reader said: who of the two failed is known from the reader alone.
    fn judge(&mut self, error: &io::Error) -> ArchiveError {
        let received = self.received();
        match self.stream.get_mut().get_mut().get_mut().end.take() {
            Some(End::Broke(source)) => return ArchiveError::Body { received, source },
            Some(End::OverLimit(limit)) => return Refusal::over("compressed bytes", limit, "").into(),
            None => {}
        }
        let started = self.offset > 0 || self.stream.get_ref().header().is_some();
        match error.kind() {
            _ if received == 0 => Refusal::NotGzip { received }.into(),
            io::ErrorKind::UnexpectedEof => self.truncated("the gzip stream"),
            _ if !started => Refusal::NotGzip { received }.into(),
            _ => Refusal::CorruptGzip { received, detail: error.to_string() }.into(),
        }
    }
}

/// The compressed bytes on their way into the decoder.
struct Body<R> {
    reader: R,
    received: u64,
    limit: u64,
    hash: Sha256,
    end: Option<End>,
}

/// Why no more came, other than that there was no more.
enum End {
    Broke(io::Error),
    OverLimit(u64),
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let bytes = match read {
            Ok(read) => {
                buffer.get(..read).ok_or_else(|| io::Error::other("more bytes were read than asked for"))
            }
            Err(error) => Err(error),
        };
        let end = match bytes {
            Ok(bytes) => {
                self.received = self.received.saturating_add(bytes.len() as u64);
                if self.received <= self.limit {
                    self.hash.update(bytes);
                    return Ok(bytes.len());
                }
                End::OverLimit(self.limit)
            }
            Err(error) => End::Broke(error),
        };
        self.end = Some(end);
        Err(io::Error::other("the body ended"))
    }
}
