//! Deep links as text: a destination, and a path below it.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// `NAME`, `NAME/PATH` or `NAME/PATH?QUERY`, with or without a slash before it, as it follows the host in a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    pub name: &'a str,
    /// The path as [`decoded`] returns it.
    pub path: Option<Cow<'a, str>>,
    /// As it came.
    pub query: Option<&'a str>,
}

impl<'a> Link<'a> {
    pub fn parse(text: &'a str) -> Self {
        let text = text.strip_prefix('/').unwrap_or(text);
        let (text, query) = text.split_once('?').map_or((text, None), |(text, query)| (text, Some(query)));
        let (name, path) = divided(text);
        Self { name, path: path.map(decoded), query }
    }
}

/// The name and the path of `NAME/PATH`, as they came. An empty path counts as none.
pub fn divided(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        None => (text, None),
        Some((name, path)) => (name, Some(path).filter(|path| !path.is_empty())),
    }
}

/// A path, decoded once: the policy judges this text, and AWS is sent the same one. A path that does not decode to a
/// text becomes a control character, which no path may hold, so that the policy still judges the person first.
pub fn decoded(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8().unwrap_or(Cow::Borrowed("\0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_a_url_is() {
        let read = |text| {
            let Link { name, path, query } = Link::parse(text);
            (name.to_owned(), path.map(Cow::into_owned), query.map(str::to_owned))
        };
        let link = |name: &str, path: Option<&str>, query: Option<&str>| {
            (name.to_owned(), path.map(str::to_owned), query.map(str::to_owned))
        };
        for (text, expected) in [
            ("studio", link("studio", None, None)),
            ("/studio/", link("studio", None, None)),
            ("/studio/?a", link("studio", None, Some("a"))),
            ("studio//", link("studio", Some("/"), None)),
            ("//studio", link("", Some("studio"), None)),
            ("lab/My%20b%2520k?a%20b", link("lab", Some("My b%20k"), Some("a%20b"))),
            ("lab/100%", link("lab", Some("100%"), None)),
            ("lab/a%ff", link("lab", Some("\0"), None)),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
