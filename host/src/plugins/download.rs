//! An archive on its way: an asynchronous body on one side, a reader that may wait on the other.

use std::io::{self, Read};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::platform::BodyStream;

/// How long a whole body may take: 100 MiB at 60 KiB a second.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// Pieces that wait to be unpacked; more than a few do not make it faster.
const PIECES: usize = 8;

enum Piece {
    Bytes(Bytes),
    /// This was all. Without it the body was given up.
    End,
    Broken(String),
}

/// The two ends of a download.
pub(super) fn pipe() -> (Pump, Incoming) {
    let (sender, pieces) = mpsc::channel(PIECES);
    (Pump(sender), Incoming { pieces, now: Bytes::new(), ended: false })
}

/// Where what comes is put in. Dropping it breaks the reader off.
pub(super) struct Pump(mpsc::Sender<Piece>);

impl Pump {
    /// Puts in all of a body, as fast as it is read, until it ends or nobody reads any more.
    pub(super) async fn pump(self, body: BodyStream) {
        let last = match tokio::time::timeout(LONGEST, self.pieces(body)).await {
            Ok(last) => last,
            Err(_) => Piece::Broken(format!("it took longer than {} minutes", LONGEST.as_secs() / 60)),
        };
        let _ = self.0.send(last).await;
    }

    async fn pieces(&self, mut body: BodyStream) -> Piece {
        loop {
            match body.next().await {
                Some(Ok(bytes)) => {
                    if self.0.send(Piece::Bytes(bytes)).await.is_err() {
                        return Piece::End;
                    }
                }
                Some(Err(error)) => return Piece::Broken(error.to_string()),
                None => return Piece::End,
            }
        }
    }
}

/// What comes, for a thread that may wait.
pub(super) struct Incoming {
    pieces: mpsc::Receiver<Piece>,
    now: Bytes,
    ended: bool,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.now = bytes,
                Some(Piece::End) => self.ended = true,
                Some(Piece::Broken(why)) => return Err(io::Error::other(why)),
                None => return Err(io::Error::other("it was given up")),
            }
        }
        let count = self.now.len().min(buffer.len());
        let piece = self.now.split_to(count);
        if let Some(room) = buffer.get_mut(..count) {
            room.copy_from_slice(&piece);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{Lost, TransportError};

    fn body(items: Vec<Result<Bytes, TransportError>>) -> BodyStream {
        Box::pin(futures::stream::iter(items))
    }

    async fn read(items: Vec<Result<Bytes, TransportError>>) -> (Vec<u8>, io::Result<()>) {
        let (pump, mut incoming) = pipe();
        let reading = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            let read = incoming.read_to_end(&mut all).map(drop);
            (all, read)
        });
        pump.pump(body(items)).await;
        reading.await.unwrap()
    }

    #[tokio::test]
    async fn a_body_that_ends_is_whole_and_one_that_breaks_is_not() {
        let piece = |byte: u8| Ok(Bytes::from(vec![byte; 3]));
        let (all, read_all) = read((0..100).map(piece).collect()).await;
        assert!(read_all.is_ok());
        assert_eq!(all.len(), 300);

        let broken = Err(TransportError::Unknown(Lost::Broken("reset".to_owned())));
        let (some, read_some) = read(vec![piece(1), broken]).await;
        assert_eq!(some, [1, 1, 1]);
        assert!(read_some.unwrap_err().to_string().contains("reset"));
    }

    #[tokio::test]
    async fn a_pump_that_is_dropped_is_no_end() {
        let (pump, mut incoming) = pipe();
        drop(pump);
        let read = tokio::task::spawn_blocking(move || incoming.read(&mut [0; 8]));
        assert!(read.await.unwrap().is_err());
    }
}
