//! The skills of a plugin: folders with a text that says what an agent can do with them.

use std::io;

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;
use serde::Deserialize;

use crate::read::read_start;
use crate::yaml;

/// How many folders under `skills/` are looked at.
const MOST: usize = 1_000;

/// How much of a SKILL.md is searched for its front matter, in bytes.
const FRONT_MATTER: u64 = 64 * 1024;

/// A folder under `skills/` with a SKILL.md in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skill {
    /// The name of its folder.
    pub folder: String,
    /// Its text, relative to the plugin: `skills/FOLDER/SKILL.md`.
    pub path: String,
    /// `name` of the front matter, if it has any.
    pub name: Option<String>,
    /// `description` of the front matter.
    pub description: Option<String>,
}

/// The skills of a plugin, by the name of their folder. Links are not followed. At most 1,000 folders are looked at; those
/// whose name is not UTF-8 are left out, and front matter that cannot be understood says nothing.
///
/// # Errors
///
/// The disk.
pub fn skills(plugin: &Dir) -> io::Result<Vec<Skill>> {
    let Some(all) = folder(plugin, "skills")? else { return Ok(Vec::new()) };
    let mut skills = Vec::new();
    for entry in all.entries()?.take(MOST) {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        let Some(one) = folder(&all, &name)? else { continue };
        let Some((text, _)) = read_start(&one, "SKILL.md", FRONT_MATTER)? else { continue };
        let front: Front =
            front_matter(&text).and_then(|front| yaml::parse(front).ok().flatten()).unwrap_or_default();
        let path = format!("skills/{name}/SKILL.md");
        skills.push(Skill { folder: name, path, name: front.name, description: front.description });
    }
    skills.sort_unstable_by(|one, other| one.folder.cmp(&other.folder));
    Ok(skills)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Front {
    name: Option<String>,
    description: Option<String>,
}

/// A folder that is one, and no link to one.
fn folder(parent: &Dir, name: &str) -> io::Result<Option<Dir>> {
    match parent.symlink_metadata(name) {
        Ok(metadata) if metadata.is_dir() => parent.open_dir_nofollow(name).map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What stands between a first line of `---` and the next one.
fn front_matter(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().filter(|line| line.trim_ascii_end() == b"---")?;
    let mut end = first.len();
    for line in lines {
        if line.trim_ascii_end() == b"---" {
            return text.get(first.len()..end);
        }
        end += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn plugin(files: &[(&str, &str)]) -> (tempfile::TempDir, Dir) {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        let dir = Dir::open_ambient_dir(root.path(), cap_std::ambient_authority()).expect("it opens");
        (root, dir)
    }

    #[test]
    fn skills_are_listed_with_what_their_front_matter_says() {
        let (root, dir) = plugin(&[
            ("skills/b/SKILL.md", "# no front matter\n"),
            ("skills/a/SKILL.md", "---\nname: Greeting\ndescription: 1.0\nother: [x]\n---\n# Hello\n"),
            ("skills/c/SKILL.md", "\u{feff}---\r\nname: windows\r\n---\r\nname: body\r\n"),
            ("skills/d/SKILL.md", "---\nname: [broken\n---\n"),
            ("skills/e/SKILL.md", "---\nname: no end\n"),
            ("skills/f/README.md", "no skill"),
            ("skills/SKILL.md", "no folder"),
        ]);
        std::os::unix::fs::symlink("a", root.path().join("skills/link")).expect("a link");
        let found: Vec<_> = skills(&dir)
            .expect("a listing")
            .into_iter()
            .map(|skill| (skill.path, skill.name.unwrap_or_default(), skill.description.unwrap_or_default()))
            .collect();
        let want =
            [("a", "Greeting", "1.0"), ("b", "", ""), ("c", "windows", ""), ("d", "", ""), ("e", "", "")]
                .map(|(folder, name, text)| {
                    (format!("skills/{folder}/SKILL.md"), name.to_owned(), text.to_owned())
                });
        assert_eq!(found, want);
    }

    #[test]
    fn a_plugin_without_skills_has_none() {
        let (_root, dir) = plugin(&[("skills", "a file")]);
        assert_eq!(skills(&dir).expect("no error"), []);
        let (_root, dir) = plugin(&[]);
        assert_eq!(skills(&dir).expect("no error"), []);
    }
}
