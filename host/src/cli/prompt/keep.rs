//! Writes grants into a policy file, and leaves all else in it as it is.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use molecule_host::gate::Grant;
use toml_edit::{Array, DocumentMut, Item, Value};

use crate::cli::keys::Page;
use crate::cli::policy::PolicyFile;

/// Where grants are kept if no file is named.
const DEFAULT: &str = "agent.policy.toml";
/// What a new file may be, but for the umask.
const MODE: u32 = 0o666;

/// The file that grants are kept in.
#[derive(Debug, Clone)]
pub(super) struct Keep {
    path: PathBuf,
    is_named: bool,
}

impl Keep {
    /// The file of `--policy`, or one in this folder.
    pub(super) fn new(policy: Option<PathBuf>) -> Self {
        Self { is_named: policy.is_some(), path: policy.unwrap_or_else(|| DEFAULT.into()) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the command line names it.
    pub(super) fn is_named(&self) -> bool {
        self.is_named
    }

    /// Adds grants to the file, which is made where there is none. It is there with them or as it was, never in between.
    ///
    /// # Errors
    /// It cannot be read or written, or makes no sense, or would make none with them.
    pub(super) fn add(&self, grants: &[Grant]) -> Result<(), KeepError> {
        // Of a link what it leads to is written.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(self.cannot("read", error)),
        };
        let added = added(&text, grants).map_err(|what| self.wrong(what))?;
        PolicyFile::parse(Page { path: &self.path, text: &added }).map_err(|wrongs| {
            self.wrong(wrongs.first().map(|wrong| wrong.what.clone()).unwrap_or_default())
        })?;
        if added != text {
            write(&path, &added).map_err(|error| self.cannot("write", error))?;
        }
        Ok(())
    }

    fn cannot(&self, what: &'static str, source: io::Error) -> KeepError {
        KeepError::Io { what, path: self.path.clone(), source }
    }

    fn wrong(&self, what: String) -> KeepError {
        KeepError::Wrong { path: self.path.clone(), what }
    }
}

/// Why grants are not in the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    /// The file cannot be read, or not be written.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// Read or write.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is there makes no sense, or would make none.
    #[error("{} is not changed: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// The text of a file with these grants in it as well. Comments and order stay.
fn added(text: &str, grants: &[Grant]) -> Result<String, String> {
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| one_line(error.message()))?;
    if document.is_empty() && !text.trim().is_empty() {
        // Comments alone, which would come to stand behind what is added.
        return Ok(format!("{}\n{}", text.trim_end(), added("", grants)?));
    }
    for grant in grants {
        let key = grant.flag();
        match is_list(grant) {
            true => push(document.as_table_mut().entry(key).or_insert(Item::None), grant.value(), key)?,
            false => match document.get_mut(key) {
                // The comment at its end stays.
                Some(Item::Value(old)) => {
                    let decor = old.decor().clone();
                    *old = single(grant);
                    *old.decor_mut() = decor;
                }
                Some(_) => return Err(format!("{key} is no value")),
                None => {
                    document.insert(key, Item::Value(single(grant)));
                }
            },
        }
    }
    Ok(document.to_string())
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(", ")
}

/// Adds a text to a list, unless it is there.
fn push(list: &mut Item, text: String, key: &str) -> Result<(), String> {
    match list {
        Item::None => *list = Item::Value(Value::Array(Array::from_iter([text]))),
        Item::Value(Value::Array(array)) => {
            if !array.iter().any(|known| known.as_str() == Some(&text)) {
                // In a list with a line for each, on a line of its own.
                let before = array.iter().last().and_then(|last| last.decor().prefix()?.as_str());
                match before.filter(|before| before.contains('\n')).map(indent) {
                    Some(before) => array.push_formatted(Value::from(text).decorated(before, "")),
                    None => array.push(text),
                }
            }
        }
        Item::Value(Value::String(one)) if one.value() == &text => {}
        Item::Value(Value::String(one)) => {
            let array = Array::from_iter([one.value().clone(), text]);
            let mut array = Value::Array(array);
            *array.decor_mut() = one.decor().clone();
            *list = Item::Value(array);
        }
        _ => return Err(format!("{key} is no list")),
    }
    Ok(())
}

/// The space before an entry, without what comments stand above it.
fn indent(before: &str) -> String {
    format!("\n{}", before.rsplit('\n').next().unwrap_or_default())
}

fn is_list(grant: &Grant) -> bool {
    match grant {
        Grant::Peer(_) | Grant::Net(_) | Grant::Secret(_) | Grant::Reveal(_) | Grant::Plugin(_) => true,
        Grant::Memory(_)
        | Grant::Storage(_)
        | Grant::MessageBytes(_)
        | Grant::MessagesPerMinute(_)
        | Grant::RequestsPerMinute(_) => false,
    }
}

/// A number where it is one.
fn single(grant: &Grant) -> Value {
    let text = grant.value();
    text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from)
}

/// Beside it, and then in its place.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = fs::metadata(path).map_or_else(|_| Permissions::from_mode(MODE), |old| old.permissions());
    let mut beside = tempfile::Builder::new().permissions(mode).tempfile_in(folder)?;
    beside.write_all(text.as_bytes())?;
    beside.as_file().sync_all()?;
    beside.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(flags: &[&str]) -> Vec<Grant> {
        let of = |flag: &&str| {
            let (name, value) = flag.split_once(' ').unwrap();
            match name {
                "peer" => Grant::Peer(value.parse().unwrap()),
                "net" => Grant::Net(value.parse().unwrap()),
                "secret" => Grant::Secret(value.parse().unwrap()),
                "memory" => Grant::Memory(value.parse().unwrap()),
                "storage" => Grant::Storage(value.parse().unwrap()),
                "bytes" => Grant::MessageBytes(value.parse().unwrap()),
                other => panic!("{other}"),
            }
        };
        flags.iter().map(of).collect()
    }

    #[test]
    fn grants_are_added_and_all_else_stays_as_it_is() {
        let net = "net POST https://a.example/v1";
        for (before, flags, after) in [
            (
                "",
                &[net, "secret KEY@a.example"][..],
                "allow-net = [\"POST https://a.example/v1\"]\nallow-secret = [\"KEY@a.example\"]\n",
            ),
            (
                "# mine\nallow-peer = [ 'bob' ] # him\n",
                &["peer eve"],
                "# mine\nallow-peer = [ 'bob' , \"eve\"] # him\n",
            ),
            (
                "allow-net = [\n    # docs\n    \"https://b.example\", # all\n]\nmax-memory = \"64MiB\"\n",
                &[net],
                "allow-net = [\n    # docs\n    \"https://b.example\",\n    \"POST https://a.example/v1\", # all\n]\nmax-memory = \"64MiB\"\n",
            ),
            (
                "allow-peer = \"bob\" # him\n",
                &["peer eve", "peer bob"],
                "allow-peer = [\"bob\", \"eve\"] # him\n",
            ),
            ("allow-peer = [\"bob\"]\n", &["peer bob"], "allow-peer = [\"bob\"]\n"),
            ("allow-storage = \"1MiB\" # little\n", &["storage 2MiB"], "allow-storage = \"2MiB\" # little\n"),
            ("allow-memory = \"local\"\n", &["memory team"], "allow-memory = \"team\"\n"),
            ("", &["bytes 300000"], "max-message-bytes = 300000\n"),
        ] {
            assert_eq!(added(before, &grants(flags)).unwrap(), after, "{before}");
        }
    }

    #[test]
    fn what_was_written_is_read_as_the_same_grants() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.policy.toml");
        let keep = Keep::new(Some(path.clone()));
        let wanted = grants(&["peer o'neil \"x\"", "net https://a.example/%2A/**", "storage 1MiB"]);
        keep.add(&wanted).unwrap();
        keep.add(&wanted).unwrap();
        let file = PolicyFile::load(&path).unwrap();
        let mut expected = molecule_host::gate::Grants::default();
        wanted.into_iter().for_each(|grant| expected.add(grant));
        assert_eq!(file.grants().unwrap(), expected);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_makes_no_sense_or_would_make_none_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        for (text, flags) in [
            ("allow-peer = [", &["peer bob"][..]),
            ("allow-pear = [\"bob\"]\n", &["peer bob"]),
            ("[allow-peer]\n", &["peer bob"]),
            ("# small\n", &["bytes 9999999999"]),
        ] {
            fs::write(&path, text).unwrap();
            let error = Keep::new(Some(path.clone())).add(&grants(flags)).unwrap_err();
            assert!(error.to_string().contains("p.toml is not changed: "), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_link_stays_one_and_so_do_the_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "# mine\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Keep::new(Some(link.clone())).add(&grants(&["peer bob"])).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_to_string(&file).unwrap(), "# mine\nallow-peer = [\"bob\"]\n");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_said() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let keep = Keep::new(Some(folder.path().join("file/agent.policy.toml")));
        let error = keep.add(&grants(&["peer bob"])).unwrap_err().to_string();
        assert!(error.starts_with("cannot read "), "{error}");
        let keep = Keep::new(Some(folder.path().join("none/agent.policy.toml")));
        let error = keep.add(&grants(&["peer bob"])).unwrap_err().to_string();
        assert!(error.starts_with("cannot write "), "{error}");
    }
}
