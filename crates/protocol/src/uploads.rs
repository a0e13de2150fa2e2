//! Files: what a workspace uploads, and what is uploaded for it and waits.

use serde::Deserialize;

use crate::activity::ActivityRow;
use crate::json::Json;
use crate::notify::Attachment;

/// How the address of a file begins that waits for a workspace that polls.
pub const PENDING: &str = "platform-pending:";
/// The most bytes of a file.
pub const MAX_FILE: usize = 25 * 1024 * 1024;

/// What `POST /workspaces/:own/chat/uploads` answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Uploaded {
    /// The files, as an attachment names them.
    #[serde(default)]
    pub files: Vec<Attachment>,
}

/// The address of a file that waits: `platform-pending:<workspace>/<file id>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pending {
    /// For whom it waits.
    pub workspace: String,
    /// Its id, a UUID in lower case.
    pub file_id: String,
}

impl Pending {
    /// Reads an address; `None` where it is none, or its id is not one that can stand in a path.
    pub fn read(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix(PENDING)?;
        let (workspace, file_id) = rest.rsplit_once('/')?;
        let file_id = uuid(file_id)?;
        Some(Self { workspace: workspace.to_ascii_lowercase(), file_id })
    }

    /// The address.
    pub fn uri(&self) -> String {
        format!("{PENDING}{}/{}", self.workspace, self.file_id)
    }
}

fn uuid(text: &str) -> Option<String> {
    const HYPHENATED: usize = 36;
    let id = uuid::Uuid::try_parse(text).ok().filter(|_| text.len() == HYPHENATED)?;
    Some(id.to_string())
}

/// A row of the log says that a file waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Where it is.
    pub pending: Pending,
    /// Its name.
    pub name: Option<String>,
    /// Its media type.
    pub mime_type: Option<String>,
    /// Its length in bytes.
    pub size: Option<u64>,
}

impl Upload {
    /// Reads a row of the method `chat_upload_receive`. Where in its body the file is described nobody knows for certain:
    /// the address is looked for everywhere, and what else is known of the file beside it.
    pub fn read(row: &ActivityRow) -> Option<Self> {
        [&row.request_body, &row.response_body].into_iter().flatten().find_map(|body| find(body, 0))
    }
}

/// Objects within objects are looked at down to here.
const DEPTH: usize = 8;

fn find(value: &Json, depth: usize) -> Option<Upload> {
    if depth > DEPTH {
        return None;
    }
    if let Some(members) = value.as_object() {
        let text = |names: &[&str]| names.iter().find_map(|name| members.get(*name)?.as_text());
        if let Some(pending) = members.values().find_map(|value| Pending::read(&value.as_text()?)) {
            return Some(Upload {
                pending,
                name: text(&["name", "filename", "file_name"]),
                mime_type: text(&["mimeType", "mime_type", "content_type"]),
                size: members.get("size").and_then(|size| size.parse().ok()),
            });
        }
        return members.values().find_map(|value| find(value, depth + 1));
    }
    value.as_list()?.iter().find_map(|value| find(value, depth + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "0b8e4a3c-95f1-4f0e-8c64-0f7c2f7f3d11";

    #[test]
    fn an_address_is_read_and_one_that_could_lead_elsewhere_is_not() {
        let good = format!("platform-pending:W-1/{FILE}");
        let pending = Pending::read(&good).unwrap();
        assert_eq!((pending.workspace.as_str(), pending.file_id.as_str()), ("w-1", FILE));
        assert_eq!(
            Pending::read(&format!("platform-pending:w/{}", FILE.to_uppercase())).unwrap().file_id,
            FILE
        );
        for bad in [
            "",
            "platform-pending:",
            "platform-pending:w/../tokens",
            "platform-pending:w/f",
            "workspace:/x",
            "platform-pending:w/0b8e4a3c-95f1-4f0e-8c64-0f7c2f7f3d1/",
        ] {
            assert_eq!(Pending::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_is_found_wherever_the_row_describes_it() {
        let file = format!(
            r#"{{"uri":"platform-pending:w/{FILE}","name":"a.txt","mimeType":"text/plain","size":3,"file_id":"{FILE}"}}"#
        );
        for body in [
            file.clone(),
            format!(r#"{{"files":[{file}]}}"#),
            format!(r#"{{"params":{{"message":{{"parts":[{{"kind":"file","file":{file}}}]}}}}}}"#),
        ] {
            let row =
                ActivityRow { request_body: Json::from_text(body.clone()).ok(), ..ActivityRow::default() };
            let upload = Upload::read(&row).unwrap();
            assert_eq!(upload.pending.file_id, FILE, "{body}");
            assert_eq!((upload.name.as_deref(), upload.size), (Some("a.txt"), Some(3)), "{body}");
        }
        let row = ActivityRow { request_body: Json::from_text("{}").ok(), ..ActivityRow::default() };
        assert_eq!(Upload::read(&row), None);
    }
}
