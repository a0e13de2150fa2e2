//! Bodies of requests.

use crate::Error;
use crate::imports::http as host;

/// The body of a request.
#[derive(Debug, Default)]
pub struct Body(Kind);

#[derive(Debug, Default)]
enum Kind {
    #[default]
    None,
    Bytes(Vec<u8>),
    Pipe(host::PipeEnd),
}

impl Body {
    pub(super) fn into_host(self) -> host::RequestBody {
        match self.0 {
            Kind::None => host::RequestBody::None,
            Kind::Bytes(bytes) => host::RequestBody::Bytes(bytes),
            Kind::Pipe(end) => host::RequestBody::Pipe(end),
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Kind::Bytes(bytes))
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

/// A pipe: what is written into the one end is sent as the body that is the other.
///
/// Both go on at the same time, so the request is awaited beside the writing:
///
/// ```
/// use futures::try_join;
/// use molecule_guest::{Error, http};
///
/// async fn upload(lines: Vec<String>) -> Result<http::Response, Error> {
///     let (writer, body) = http::pipe();
///     let writing = async {
///         for line in lines {
///             writer.write(line).await?;
///         }
///         writer.finish().await
///     };
///     let sending = http::post("https://files.example.com/lines").body(body);
///     let (response, ()) = try_join!(sending.into_future(), writing)?;
///     Ok(response)
/// }
/// ```
pub fn pipe() -> (Writer, Body) {
    let (writer, end) = host::pipe();
    (Writer(writer), Body(Kind::Pipe(end)))
}

/// Where the body of a request is written. One that is dropped without [`finish`](Writer::finish) breaks the request off.
#[derive(Debug)]
pub struct Writer(host::PipeWriter);

impl Writer {
    /// Writes one piece. Waits until the request has taken what was written before.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where the request has ended and takes no more.
    pub async fn write(&self, piece: impl Into<Vec<u8>>) -> Result<(), Error> {
        self.0.write(piece.into()).await
    }

    /// Says that this is all.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where the request has ended before.
    pub async fn finish(self) -> Result<(), Error> {
        self.0.finish().await
    }
}
