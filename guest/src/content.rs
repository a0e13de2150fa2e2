//! What is said: parts in order.

/// What a message, an answer or a call says: [parts](Part) in order, at least one.
///
/// Most content is one text, so text converts:
///
/// ```
/// use molecule_guest::{Content, Part};
///
/// let short: Content = "42".into();
/// assert_eq!(short.text(), "42");
///
/// let long = Content::from("the plan:").part(Part::file_uri("https://example.com/plan.pdf").name("plan.pdf"));
/// assert_eq!(long.parts.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Content {
    /// The parts, in order.
    pub parts: Vec<Part>,
    /// Facts about the whole, a JSON object.
    pub metadata: Option<String>,
}

impl Content {
    /// Content of these parts.
    pub fn new(parts: impl IntoIterator<Item = Part>) -> Self {
        Self { parts: parts.into_iter().collect(), metadata: None }
    }

    /// Adds a part.
    #[must_use]
    pub fn part(mut self, part: impl Into<Part>) -> Self {
        self.parts.push(part.into());
        self
    }

    /// Adds facts about the whole: the text of a JSON object.
    #[must_use]
    pub fn metadata(mut self, json: impl Into<String>) -> Self {
        self.metadata = Some(json.into());
        self
    }

    /// Its text parts, joined by newlines; empty where there are none.
    pub fn text(&self) -> String {
        text_of(&self.parts)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::new([Part::text(text)])
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::new([Part::text(text)])
    }
}

impl From<Part> for Content {
    fn from(part: Part) -> Self {
        Self::new([part])
    }
}

impl From<Vec<Part>> for Content {
    fn from(parts: Vec<Part>) -> Self {
        Self::new(parts)
    }
}

impl FromIterator<Part> for Content {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        Self::new(parts)
    }
}

/// A piece of a message or of an artifact: text, a file, or JSON.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Part {
    /// What it is.
    pub content: PartContent,
    /// Facts about it, a JSON object.
    pub metadata: Option<String>,
}

impl Part {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        PartContent::Text(text.into()).into()
    }

    /// A JSON value, given as its text. The host refuses text that is not JSON (`invalid`).
    ///
    #[cfg_attr(feature = "json", doc = "[`Part::json`] makes one from any type of serde.")]
    #[cfg_attr(
        not(feature = "json"),
        doc = "With the feature `json`, `Part::json` makes one from any type of serde."
    )]
    pub fn data(json: impl Into<String>) -> Self {
        PartContent::Data(json.into()).into()
    }

    /// A file at an address that whoever wants the bytes must be able to reach.
    pub fn file_uri(uri: impl Into<String>) -> Self {
        File::new(FileSource::Uri(uri.into())).into()
    }

    /// A file, with its bytes.
    pub fn file_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        File::new(FileSource::Bytes(bytes.into())).into()
    }

    /// Names the file, without a folder. Does nothing to a part that is not a file.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        if let PartContent::File(file) = &mut self.content {
            file.name = Some(name.into());
        }
        self
    }

    /// Says the file's media type, such as `image/png`. Does nothing to a part that is not a file.
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        if let PartContent::File(file) = &mut self.content {
            file.media_type = Some(media_type.into());
        }
        self
    }

    /// Adds facts about it: the text of a JSON object.
    #[must_use]
    pub fn metadata(mut self, json: impl Into<String>) -> Self {
        self.metadata = Some(json.into());
        self
    }

    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            PartContent::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The file, if it is one.
    pub fn as_file(&self) -> Option<&File> {
        match &self.content {
            PartContent::File(file) => Some(file),
            _ => None,
        }
    }

    /// The text of the JSON value, if it is one.
    pub fn as_data(&self) -> Option<&str> {
        match &self.content {
            PartContent::Data(json) => Some(json),
            _ => None,
        }
    }
}

#[cfg(feature = "json")]
impl Part {
    /// A JSON value, from any type of serde.
    ///
    /// # Errors
    ///
    /// The value has no JSON, such as a map whose keys are not strings.
    pub fn json(value: &impl serde::Serialize) -> serde_json::Result<Self> {
        serde_json::to_string(value).map(Self::data)
    }

    /// Reads the JSON value.
    ///
    /// # Errors
    ///
    /// The part is not JSON, or its value is not a `T`.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> serde_json::Result<T> {
        match self.as_data() {
            Some(json) => serde_json::from_str(json),
            None => Err(serde::de::Error::custom("the part is not JSON but text or a file")),
        }
    }
}

impl From<PartContent> for Part {
    fn from(content: PartContent) -> Self {
        Self { content, metadata: None }
    }
}

impl From<File> for Part {
    fn from(file: File) -> Self {
        PartContent::File(file).into()
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// What a [`Part`] holds.
#[derive(Clone, Debug, PartialEq)]
pub enum PartContent {
    /// Plain text.
    Text(String),
    /// A file, or where to find it.
    File(File),
    /// Any JSON value, as its text.
    Data(String),
}

/// A file in a [`Part`]. [`File::read`] gives its bytes, wherever they are.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct File {
    /// The file's name, without a folder.
    pub name: Option<String>,
    /// Its media type, such as `image/png`.
    pub media_type: Option<String>,
    /// Its bytes or its address.
    pub source: FileSource,
}

impl File {
    /// A file without a name and a media type.
    pub fn new(source: FileSource) -> Self {
        Self { name: None, media_type: None, source }
    }

    /// A name to show: its name, or `file` where it has none.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or("file")
    }
}

/// Where a [`File`]'s bytes are.
#[derive(Clone, Debug, PartialEq)]
pub enum FileSource {
    /// An address that whoever wants the bytes must be able to reach.
    Uri(String),
    /// The bytes themselves.
    Bytes(Vec<u8>),
}

/// The text parts, joined by newlines.
pub(crate) fn text_of(parts: &[Part]) -> String {
    parts.iter().filter_map(Part::as_text).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_content_is_its_text_parts_joined_by_newlines() {
        let cases: &[(&[Part], &str)] = &[
            (&[], ""),
            (&[Part::text("")], ""),
            (&[Part::text("one")], "one"),
            (&[Part::text("one"), Part::text("two")], "one\ntwo"),
            (&[Part::text(""), Part::text("two")], "\ntwo"),
            (&[Part::data("{}"), Part::file_uri("https://a.example"), Part::file_bytes(b"x")], ""),
            (&[Part::text("before"), Part::data("{}"), Part::text("after")], "before\nafter"),
            (&[Part::text("a\0b\u{1F9EA}")], "a\0b\u{1F9EA}"),
        ];
        for (parts, text) in cases {
            assert_eq!(Content::new(parts.to_vec()).text(), *text, "{parts:?}");
        }
    }

    #[test]
    fn a_name_and_a_media_type_go_to_files_only() {
        let file = Part::file_bytes([0, 255]).name("a.png").media_type("image/png");
        let expected = File {
            name: Some("a.png".into()),
            media_type: Some("image/png".into()),
            source: FileSource::Bytes(vec![0, 255]),
        };
        assert_eq!(file.as_file(), Some(&expected));
        assert_eq!(Part::text("x").name("a.png").media_type("image/png"), Part::text("x"));
    }

    #[cfg(feature = "json")]
    #[test]
    fn json_goes_from_a_type_into_a_part_and_back() {
        let part = Part::json(&vec![1, 2]).unwrap();
        assert_eq!(part.as_data(), Some("[1,2]"));
        assert_eq!(part.parse::<Vec<u8>>().unwrap(), [1, 2]);
        assert!(part.parse::<String>().is_err());
        assert!(Part::text("[1,2]").parse::<Vec<u8>>().unwrap_err().to_string().contains("is not JSON"));
    }
}
