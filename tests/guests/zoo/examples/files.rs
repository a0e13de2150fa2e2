//! Does with files what a message says, one command a line, and answers with a line for each: `ok`, `ok <what>`,
//! `error no space`, `error io` or `error <kind>`.
//!
//! - `write FILE BYTES`, `pwrite FILE BYTES` (without a stream, which std never does), `append FILE BYTES`, `read FILE` (answers its length), `resize FILE BYTES`
//! - `mkdir FOLDER`, `link OLD NEW`, `symlink OLD NEW`, `remove FILE`, `list FOLDER`
//! - `keep FILE`: opens it and keeps it open; `more BYTES`: writes so many to what is kept
//! - `usage`: what `molecule:agent/storage` says

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Write};

use molecule_guest::{Agent, Card, Message, Outcome, Result, bail, storage};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

/// As wasi-libc numbers them. It has the second one for whatever goes wrong in a stream.
const ENOSPC: i32 = 51;
const EIO: i32 = 29;

#[derive(Default)]
struct Files {
    kept: RefCell<Option<File>>,
}

impl Agent for Files {
    fn describe() -> Card {
        zoo::card("files")
    }

    async fn on_message(&self, message: Message) -> Result<Outcome> {
        let mut lines = Vec::new();
        for command in message.text().lines() {
            if command == "usage" {
                let usage = storage::usage().await;
                lines.push(
                    usage.map_or("none".to_owned(), |usage| format!("{} of {}", usage.used, usage.quota)),
                );
                continue;
            }
            lines.push(match self.command(command)? {
                Ok(done) => format!("ok {done}").trim_end().to_owned(),
                // For which the standard library has no kind on this target.
                Err(error) if error.raw_os_error() == Some(ENOSPC) => "error no space".to_owned(),
                Err(error) if error.raw_os_error() == Some(EIO) => "error io".to_owned(),
                Err(error) => format!("error {:?}", error.kind()),
            });
        }
        Ok(lines.join("\n").into())
    }
}

impl Files {
    fn command(&self, command: &str) -> Result<io::Result<String>> {
        let words: Vec<&str> = command.split(' ').collect();
        let done = |result: io::Result<()>| result.map(|()| String::new());
        Ok(match *words {
            ["write", file, bytes] => done(fs::write(file, vec![b'x'; bytes.parse()?])),
            ["append", file, bytes] => {
                let bytes = vec![b'x'; bytes.parse()?];
                let opened = File::options().append(true).create(true).open(file);
                done(opened.and_then(|mut file| file.write_all(&bytes)))
            }
            ["resize", file, bytes] => {
                let bytes = bytes.parse()?;
                done(
                    File::options()
                        .write(true)
                        .create(true)
                        .truncate(false)
                        .open(file)
                        .and_then(|file| file.set_len(bytes)),
                )
            }
            ["read", file] => fs::read(file).map(|bytes| bytes.len().to_string()),
            ["mkdir", folder] => done(fs::create_dir(folder)),
            ["pwrite", file, bytes] => done(pwrite(file, &vec![b'x'; bytes.parse()?])),
            #[expect(deprecated, reason = "of all systems this one has it in std nowhere else")]
            ["symlink", old, new] => done(fs::soft_link(old, new)),
            ["link", old, new] => done(fs::hard_link(old, new)),
            ["remove", file] => done(fs::remove_file(file)),
            ["list", folder] => names(folder),
            ["keep", file] => match File::create(file) {
                Ok(file) => {
                    self.kept.replace(Some(file));
                    Ok(String::new())
                }
                Err(error) => Err(error),
            },
            ["more", bytes] => {
                let bytes = vec![b'x'; bytes.parse()?];
                match &mut *self.kept.borrow_mut() {
                    Some(file) => done(file.write_all(&bytes)),
                    None => bail!("nothing is kept"),
                }
            }
            _ => bail!("I do not know {command:?}"),
        })
    }
}

/// By `descriptor.write`.
fn pwrite(file: &str, bytes: &[u8]) -> io::Result<()> {
    let folders = get_directories();
    let (folder, path) = folders
        .iter()
        .find_map(|(folder, at)| Some((folder, file.strip_prefix(at.as_str())?)))
        .ok_or(io::ErrorKind::NotFound)?;
    let path = path.trim_start_matches('/');
    let failed = |error: ErrorCode| match error {
        ErrorCode::InsufficientSpace => io::Error::from_raw_os_error(ENOSPC),
        other => io::Error::other(other.to_string()),
    };
    let opened = folder.open_at(PathFlags::empty(), path, OpenFlags::CREATE, DescriptorFlags::WRITE);
    opened.and_then(|file| file.write(bytes, 0)).map(drop).map_err(failed)
}

fn names(folder: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join(" "))
}

molecule_guest::export!(Files);
