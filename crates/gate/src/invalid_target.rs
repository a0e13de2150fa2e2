//! Requests that are not judged, as two parsers could read them differently.

/// A method or URL that is refused before any rule is asked, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// RFC 9110 5.6.2.
    #[error("{text:?} is not a method; write letters only, such as GET or POST")]
    Method {
        /// What was written.
        text: String,
    },
    /// Methods are case-sensitive (RFC 9110 9.1), and servers disagree on the others.
    #[error("the method {text:?} is written in capital letters: {meant}")]
    MethodCase {
        /// What was written.
        text: String,
        /// What was meant.
        meant: String,
    },
    /// CONNECT opens a tunnel past all judgment; TRACE and TRACK send the request back, with all that was added to it.
    #[error("the method {text} is never allowed; use another one")]
    MethodRefused {
        /// CONNECT, TRACE or TRACK.
        text: String,
    },
    /// Servers cut or refuse what is longer.
    #[error("the URL has more than {most} bytes; shorten it, or send the rest in the body")]
    TooLong {
        /// Bytes that it may have.
        most: usize,
    },
    /// Some parsers drop them, some end there.
    #[error(
        "the URL has a control character, a blank or a line end in it; leave it out or percent-encode it"
    )]
    Blank,
    /// Some parsers read it as a slash.
    #[error("the URL has a backslash in it; write / between segments, and %5C in a query")]
    Backslash,
    /// No `scheme://` at the beginning, or no host after it.
    #[error("a URL begins with https:// or http:// and a host")]
    NotAbsolute,
    /// Another scheme.
    #[error("the scheme {scheme:?} is not spoken here; write https:// or http://")]
    Scheme {
        /// What was written.
        scheme: String,
    },
    /// `user:password@`: the name before the `@` is easily taken for the host.
    #[error("the URL has something before an @; leave it out, and send credentials in a header")]
    UserInfo,
    /// Neither a name nor an address.
    #[error("{text:?} is not a host; write a name such as api.example.com, or an address")]
    Host {
        /// What was written.
        text: String,
    },
    /// `host.` is another host for a certificate, and the same one for name servers.
    #[error("the host {text:?} ends in a dot; leave the dot out")]
    HostDot {
        /// What was written.
        text: String,
    },
    /// An address in another notation, or one that stands for another.
    #[error("the address {text:?} is written {canonical}")]
    Address {
        /// What was written.
        text: String,
        /// The one way to write it.
        canonical: String,
    },
    /// Not a number from 1 to 65535.
    #[error(
        "{text:?} is not a port; write a number from 1 to 65535 without leading zeros, or leave the colon out"
    )]
    Port {
        /// What was written.
        text: String,
    },
    /// `.` or `..`, alone or before what some servers cut off.
    #[error("the path has the segment {segment:?}, which leads elsewhere; write the path that is meant")]
    DotSegment {
        /// The segment.
        segment: String,
    },
    /// `//`: some servers make one of the two.
    #[error("the path has an empty segment (//); leave one slash out")]
    EmptySegment,
    /// A character that some servers decode before they look for segments.
    #[error("the path has {text} in it, which servers read in different ways; write the path that is meant")]
    Encoded {
        /// As it was written.
        text: String,
    },
    /// `%` without two hexadecimal digits.
    #[error("the path has a % that is not followed by two hexadecimal digits; write %25 for a percent sign")]
    Percent,
    /// Percent-encoded bytes that are not UTF-8: a way to hide dots and slashes from whoever decodes strictly.
    #[error("the path has percent-encoded bytes that are not UTF-8; encode its characters as UTF-8")]
    NotUtf8,
    /// Another parser reads something else than what was judged.
    #[error("the URL can be read in more than one way; write it plainly, as {read:?} if that is meant")]
    Ambiguous {
        /// How the other one reads it.
        read: String,
    },
}

/// What was written, as much as fits into a message.
pub(crate) fn excerpt(text: &str) -> String {
    const SHOWN: usize = 80;
    let cut = text.get(..text.floor_char_boundary(SHOWN)).unwrap_or_default();
    if cut.len() < text.len() { format!("{cut}…") } else { cut.to_owned() }
}
