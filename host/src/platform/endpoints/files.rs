//! Files: uploaded, and fetched.

use std::fmt;

use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use molecule_protocol::Attachment;
use molecule_protocol::uploads::{MAX_FILE, Uploaded};

use super::super::client::Client;
use super::super::error::{PlatformError, PlatformFault, one_line};
use super::super::request::Call;
use super::super::retry::Repeat;
use super::super::transport::BodyStream;

/// A file on its way.
pub struct PendingFile {
    /// Its bytes, as they come.
    pub body: BodyStream,
    /// Bytes that the platform says it has.
    pub size: Option<u64>,
    /// Its media type, as its uploader named it.
    pub media_type: Option<String>,
}

impl fmt::Debug for PendingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingFile")
            .field("size", &self.size)
            .field("media_type", &self.media_type)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// `POST /workspaces/:own/chat/uploads`: a file, and where it is then. 60 s; once.
    ///
    /// # Errors
    /// [`Server`](PlatformFault::Server) with 503 from a platform that takes no files of a workspace that runs outside.
    pub async fn upload(
        &self,
        name: &str,
        media_type: Option<&str>,
        bytes: Vec<u8>,
    ) -> Result<Attachment, PlatformError> {
        let call = Call::post(self.own(&["chat", "uploads"]), Repeat::Once).within(60);
        let boundary = self.boundary();
        let kind = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"));
        let kind = kind.map_err(|error| self.refused(&call, PlatformFault::Invalid(error.to_string())))?;
        let body = form(&boundary, name, media_type, &bytes);
        let answer = self.exchange(call.with_body(kind, body)).await?;
        answer.read(|body| {
            let said: Uploaded = serde_json::from_slice(body).map_err(|error| error.to_string())?;
            said.files
                .into_iter()
                .next()
                .filter(|file| !file.uri.is_empty())
                .ok_or_else(|| "no file".to_owned())
        })
    }

    /// `GET /workspaces/:own/pending-uploads/:id/content`: a file that waits. 60 s to its first byte, and for each piece
    /// that follows; repeated.
    ///
    /// # Errors
    /// [`NotFound`](PlatformFault::NotFound) for one that was acknowledged or has expired. What goes wrong after the first
    /// byte is an item of the body.
    pub async fn pending_file(&self, id: &str) -> Result<PendingFile, PlatformError> {
        let call =
            Call::get(self.own(&["pending-uploads", id, "content"])).within(60).up_to(MAX_FILE).streamed();
        let mut answer = self.exchange(call).await?;
        let Some(body) = answer.rest.take() else { return Err(answer.refusal()) };
        let media_type = answer.content_type().map(one_line);
        let size = answer.headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse().ok());
        Ok(PendingFile { body, size, media_type })
    }

    /// `POST /workspaces/:own/pending-uploads/:id/ack`: the file is here, the platform may forget it. 10 s; repeated.
    ///
    /// # Errors
    /// Whatever keeps the platform from answering.
    pub async fn acknowledge_file(&self, id: &str) -> Result<(), PlatformError> {
        let url = self.own(&["pending-uploads", id, "ack"]);
        self.done(Call::post(url, Repeat::Idempotent)).await
    }
}

/// A form of one file (RFC 7578).
fn form(boundary: &str, name: &str, media_type: Option<&str>, bytes: &[u8]) -> Vec<u8> {
    // As browsers write it: a name cannot end its own quotes or line.
    let name = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    let kind =
        media_type.filter(|it| HeaderValue::from_str(it).is_ok()).unwrap_or("application/octet-stream");
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
    );
    [head.as_bytes(), bytes, format!("\r\n--{boundary}--\r\n").as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_its_quotes() {
        let form = form("b", "a\"\r\nX: y.txt", Some("text/plain\r\nX: y"), b"hi");
        let expected = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a%22%0D%0AX: y.txt\"\r\n\
                        Content-Type: application/octet-stream\r\n\r\nhi\r\n--b--\r\n";
        assert_eq!(String::from_utf8(form).unwrap(), expected);
    }
}
