//! The name of an entry, judged.

use super::{Limits, Refusal};

/// Where an entry goes, relative to the plugin: components that are each one plain name, none for the plugin's own folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryPath {
    text: String,
    /// The name was written like a folder's, with a slash at its end.
    pub(super) like_a_folder: bool,
}

impl EntryPath {
    /// Judges a name as it stands in the archive. `./` before it and within it, and doubled slashes, lead nowhere else and
    /// are left out.
    pub(super) fn parse(raw: &[u8], limits: &Limits) -> Result<Self, Refusal> {
        let lossy = String::from_utf8_lossy(raw);
        let refuse = |problem| Err(Refusal::name(&lossy, problem));
        if raw.len() > limits.path_bytes {
            return Err(Refusal::over("bytes of a path", limits.path_bytes as u64, &lossy));
        }
        let Ok(text) = std::str::from_utf8(raw) else { return refuse("is not UTF-8") };
        if text.contains('\0') {
            return refuse("contains NUL");
        }
        // They would write whatever they like into a log or onto a terminal.
        if text.chars().any(char::is_control) {
            return refuse("contains a control character");
        }
        if text.is_empty() {
            return refuse("is empty");
        }
        if text.starts_with('/') {
            return refuse("is absolute");
        }
        if text.contains('\\') {
            return refuse("contains a backslash, which separates folders on Windows");
        }
        if text.contains(':') {
            return refuse("contains a colon: on Windows a drive, or a stream of another file");
        }
        let components: Vec<&str> = text.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
        if components.len() > limits.depth {
            return Err(Refusal::over("components of a path", limits.depth as u64, text));
        }
        for component in &components {
            if *component == ".." {
                return refuse("leads out of a folder with `..`");
            }
            if component.len() > limits.name_bytes {
                return Err(Refusal::over("bytes of a name", limits.name_bytes as u64, text));
            }
            // Windows drops them: `a` and `a.` are one file there, and `.. ` is what `..` is.
            if component.ends_with(['.', ' ']) {
                return refuse("has a part that ends with a dot or a space, which Windows drops");
            }
            if is_device(component) {
                return refuse("is that of a device on Windows");
            }
        }
        let like_a_folder = text.ends_with('/') || text == "." || text.ends_with("/.");
        Ok(Self { text: components.join("/"), like_a_folder })
    }

    /// Its components with `/` between them; empty for the plugin's own folder.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The folders above it, outermost first, and its own name; nothing for the plugin's own folder.
    pub(super) fn split(&self) -> Option<(impl Iterator<Item = &str>, &str)> {
        if self.text.is_empty() {
            return None;
        }
        let (folders, name) = self.text.rsplit_once('/').unwrap_or(("", &self.text));
        Some((folders.split('/').filter(|folder| !folder.is_empty()), name))
    }
}

/// `CON`, `nul.txt`, `COM1`: names that Windows gives to devices, in every folder and with every ending.
// https://learn.microsoft.com/windows/win32/fileio/naming-a-file
fn is_device(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        stem => {
            let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")).map(|port| port.chars());
            port.is_some_and(|mut port| {
                let number = port.next().is_some_and(|c| c.is_ascii_digit() || "¹²³".contains(c));
                number && port.next().is_none()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str) -> Result<String, Refusal> {
        EntryPath::parse(name.as_bytes(), &Limits::default()).map(|path| path.text)
    }

    #[test]
    fn what_leads_nowhere_is_left_out_of_a_name() {
        let names = [
            ("a", "a"),
            ("./a/b", "a/b"),
            ("././a", "a"),
            ("a//b/./c/", "a/b/c"),
            (".", ""),
            ("./", ""),
            (".hidden", ".hidden"),
            ("..two", "..two"),
            ("COM10", "COM10"),
            ("COM", "COM"),
            ("console", "console"),
            ("日本/🚀.txt", "日本/🚀.txt"),
        ];
        for (name, want) in names {
            assert_eq!(parsed(name).as_deref(), Ok(want), "{name:?}");
        }
    }

    #[test]
    fn a_name_that_is_not_plain_everywhere_is_refused() {
        let deep = "d/".repeat(129);
        let long = "n".repeat(256);
        let longest = "nnnnnnn/".repeat(257);
        let names = [
            "",
            "/",
            "/a",
            "//a",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "./../a",
            "a\0b",
            "a\\b",
            "C:/x",
            "C:x",
            "a:b",
            "a\nb",
            "\u{1b}[31m",
            "a\u{7f}",
            "a\u{85}b",
            "CON",
            "nul.txt",
            "x/aux",
            "Com1.tar.gz",
            "lpt¹",
            "NUL .txt",
            "conin$",
            "a.",
            "a ",
            ".. ",
            "a./b",
            "...",
            &deep,
            &long,
            &longest,
        ];
        for name in names {
            assert!(parsed(name).is_err(), "{name:?}");
        }
        for name in ["..", "a/..", "../a"] {
            let refusal = parsed(name).expect_err(name).to_string();
            assert!(refusal.contains("leads out of a folder"), "{refusal}");
        }
        assert!(EntryPath::parse(b"caf\xe9", &Limits::default()).is_err());
    }

    #[test]
    fn a_limit_takes_what_just_fits() {
        for name in ["d/".repeat(128), "n".repeat(255), "nnnnnnn/".repeat(128)] {
            assert!(parsed(&name).is_ok(), "{name:?}");
        }
    }
}
