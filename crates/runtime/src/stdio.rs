//! What an agent prints becomes log lines.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::agent::{Line, LineSource};
use crate::journal::Journal;
use crate::wit::Level;

/// Bytes that a guest may write at once.
const PERMIT: usize = 64 * 1024;

/// Bytes of the latest output that are kept to explain a death.
const TAIL: usize = 4 * 1024;

/// One of an instance's output streams: cuts what comes into lines for the journal.
#[derive(Clone)]
pub(crate) struct LogStream {
    source: LineSource,
    journal: Arc<Journal>,
    cutter: Arc<Mutex<Cutter>>,
}

impl LogStream {
    pub(crate) fn new(source: LineSource, journal: Arc<Journal>) -> Self {
        Self { source, journal, cutter: Arc::default() }
    }

    /// What was written last, for whoever explains a death.
    pub(crate) fn tail(&self) -> String {
        let cutter = self.cutter.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&cutter.tail.iter().copied().collect::<Vec<u8>>()).into_owned()
    }

    /// Writes out a last line that has no end.
    pub(crate) fn finish(&self) {
        let rest = self.cutter.lock().unwrap_or_else(PoisonError::into_inner).rest();
        if let Some(line) = rest {
            self.line(&line);
        }
    }

    fn take(&self, bytes: &[u8]) {
        let lines = self.cutter.lock().unwrap_or_else(PoisonError::into_inner).cut(bytes);
        for line in lines {
            self.line(&line);
        }
    }

    fn line(&self, text: &str) {
        let level = if self.source == LineSource::Stderr { Level::Warn } else { Level::Info };
        self.journal.line(Line { source: self.source, level, text, fields: &[], message: None });
    }
}

/// Cuts bytes into lines.
#[derive(Debug, Default)]
struct Cutter {
    line: Vec<u8>,
    cut: bool,
    tail: VecDeque<u8>,
}

impl Cutter {
    fn cut(&mut self, bytes: &[u8]) -> Vec<String> {
        self.tail.extend(bytes.iter().skip(bytes.len().saturating_sub(TAIL)));
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);

        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (piece, ended) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            let room = Line::MAX.saturating_sub(self.line.len() + "…".len());
            self.cut |= piece.len() > room;
            self.line.extend(piece.iter().take(room));
            if ended {
                lines.extend(self.rest());
            }
        }
        lines
    }

    /// The line so far, if there is anything in it.
    fn rest(&mut self) -> Option<String> {
        let mut line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
        if std::mem::take(&mut self.cut) {
            line.push('…');
        }
        (!line.is_empty()).then_some(line)
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_the_writes_end() {
        let mut cutter = Cutter::default();
        let mut lines = Vec::new();
        for piece in ["one\ntw", "o", "\n\nthr", "ee\r\nfour"] {
            lines.extend(cutter.cut(piece.as_bytes()));
        }
        lines.extend(cutter.rest());
        assert_eq!(lines, ["one", "two", "three", "four"]);
        assert_eq!(cutter.rest(), None);
    }

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let mut cutter = Cutter::default();
        for _ in 0..3 {
            assert!(cutter.cut(&vec![b'x'; Line::MAX]).is_empty());
        }
        let lines = cutter.cut(b"\nshort\n");
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), Line::MAX);
        assert!(lines[0].ends_with('…'));
        assert_eq!(lines[1], "short");
        assert!(cutter.tail.len() <= TAIL);
    }
}
