//! The page to which a browser returns after sign-in.

use hyper::header::HeaderValue;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::fmt;
use url::form_urlencoded;

/// Longer paths are not carried through a sign-in: providers limit URLs to not much more.
const LONGEST: usize = 2048;
const DEFAULT: &str = "/";
/// The pages under `/-/` to which a person may return. The others begin or end sign-in, or answer programs.
const OWN_PAGES: [&str; 3] = ["/-/whoami", "/-/tokens", "/-/terminal"];

/// A path and query on this gateway's own origin, exactly as requested.
///
/// Its form guarantees the origin, not a comparison of parsed URLs, about which parsers and browsers disagree: the text
/// begins with a single `/`, and holds no `\`, no `#`, no control character, no space and nothing beyond ASCII. With
/// such a text the URL Standard's parser goes from the *relative slash state* straight to the *path state*, with the
/// base's scheme, host and port (<https://url.spec.whatwg.org/#relative-slash-state>), and strips nothing before that.
#[derive(Clone, PartialEq, Eq)]
pub struct ReturnTo(Cow<'static, str>);

impl ReturnTo {
    /// The text itself if it has the form, else the default page.
    pub fn parse(text: &str) -> Self {
        if stays_here(text) && is_a_destination(text) {
            Self(Cow::Owned(text.to_owned()))
        } else {
            Self::default()
        }
    }

    /// The one `return_to` parameter of a query, decoded once; the default page if there is none, or several.
    pub fn from_query(query: Option<&str>) -> Self {
        let query = query.unwrap_or_default().as_bytes();
        let mut values = form_urlencoded::parse(query).filter(|(name, _)| name == "return_to");
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Self::parse(&value),
            _ => Self::default(),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the query.
    pub fn path(&self) -> &str {
        self.0.split_once('?').map_or(&*self.0, |(path, _)| path)
    }

    /// Without the path and its `?`.
    pub fn query(&self) -> Option<&str> {
        self.0.split_once('?').map(|(_, query)| query)
    }

    /// For `Location`.
    pub fn to_location(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or_else(|_| HeaderValue::from_static(DEFAULT))
    }
}

impl Default for ReturnTo {
    fn default() -> Self {
        Self(Cow::Borrowed(DEFAULT))
    }
}

/// A path may show a person's work, so a log gets its length only.
impl fmt::Debug for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReturnTo({} bytes)", self.0.len())
    }
}

fn stays_here(text: &str) -> bool {
    text.len() <= LONGEST
        && text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#')
}

/// Browsers resolve dot segments before they ask, so no request has them. A path that others decode to `/-/…`, such as
/// `/-%2F…`, must not bypass the list of pages.
fn is_a_destination(text: &str) -> bool {
    let path = text.split_once('?').map_or(text, |(path, _)| path);
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    let mut segments = decoded.split(|byte| *byte == b'/').skip(1);
    let own = segments.clone().next().is_some_and(|first| first == b"-");
    let dots = segments.any(|segment| matches!(segment, b"." | b".."));
    !dots && (!own || OWN_PAGES.contains(&path))
}
