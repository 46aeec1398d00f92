//! AWS's names as types: AWS's service model accepts every value of these, with its patterns anchored at both ends.

use super::arn;
use std::fmt;

/// The reason why a text is not a legal name: the text that was found, and the form that AWS allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName {
    pub found: String,
    pub allowed: &'static str,
}

impl InvalidName {
    /// Advice on the probable slip.
    pub fn help(&self) -> Option<String> {
        let Self { found, allowed } = self;
        if found.contains('{') {
            return Some("what is computed is written `${…}`, such as `${profile_name(user)}`".to_owned());
        }
        let wants_arn = allowed.starts_with("`arn:");
        match arn::fields(found) {
            None if wants_arn && !found.contains(':') => {
                Some("this is a name or an id: write the whole ARN, as AWS shows it".to_owned())
            }
            Some(["arn", partition, "sts", _, account, resource]) if wants_arn => {
                let role = resource.strip_prefix("assumed-role/")?.split('/').next()?;
                Some(format!("this is a session of the role `arn:{partition}:iam::{account}:role/{role}`"))
            }
            Some(["arn", .., resource]) if !wants_arn => {
                let name = resource.rsplit('/').next().filter(|name| !name.is_empty())?;
                Some(format!("this is an ARN: write what it ends in, `{name}`"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not allowed here: {}", self.found.escape_debug(), self.allowed)
    }
}

impl std::error::Error for InvalidName {}

/// Declares a text type whose values satisfy a check.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $allowed:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// # Errors
            ///
            /// [`InvalidName`] if AWS does not accept the text.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidName { found: text.to_owned(), allowed: $allowed })
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// `d-(-*[a-z0-9]){1,61}`, at most 63.
    DomainId,
    "`d-` and then up to 61 lower-case letters, digits and hyphens, no hyphen last, 63 characters in all",
    |text| text.len() <= 63
        && text.strip_prefix("d-").is_some_and(|rest| {
            hyphenated(rest.trim_start_matches('-'), u8::is_ascii_lowercase)
        })
}

name! {
    /// `[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}`, at most 63. AWS compares it without case.
    UserProfileName,
    "1 to 63 letters, digits and inner hyphens, without `.`, `_` or `@`, no hyphen first or last",
    |text| resource_name(text, 63)
}

name! {
    /// The same form as [`UserProfileName`].
    SpaceName,
    "1 to 63 letters, digits and inner hyphens, no hyphen first or last",
    |text| resource_name(text, 63)
}

name! {
    /// `[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}`, at most 256.
    TrackingServerName,
    "1 to 256 letters, digits and inner hyphens, no hyphen first or last",
    |text| resource_name(text, 256)
}

name! {
    /// The same form as [`TrackingServerName`].
    MlflowAppName,
    "1 to 256 letters, digits and inner hyphens, no hyphen first or last",
    |text| resource_name(text, 256)
}

name! {
    /// `[a-zA-Z0-9](-*[a-zA-Z0-9])*`, at most 63.
    NotebookInstanceName,
    "1 to 63 letters, digits and inner hyphens, no hyphen first or last",
    |text| resource_name(text, 63)
}

name! {
    /// `arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:mlflow-app/.*`, at most 128.
    MlflowAppArn,
    "`arn:aws:sagemaker:REGION:ACCOUNT:mlflow-app/ID`, at most 128 characters",
    |text| text.len() <= 128
        && arn::resource(text, "sagemaker").is_some_and(|resource| {
            resource.strip_prefix("mlflow-app/").is_some_and(|id| resource_name(id, 128))
        })
}

name! {
    /// `arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:partner-app\/app-[A-Z0-9]{12}`, at most 128.
    PartnerAppArn,
    "`arn:aws:sagemaker:REGION:ACCOUNT:partner-app/app-` and 12 upper-case letters or digits",
    |text| text.len() <= 128
        && arn::resource(text, "sagemaker").is_some_and(|resource| {
            resource.strip_prefix("partner-app/app-").is_some_and(|id| {
                id.len() == 12 && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            })
        })
}

name! {
    /// `arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`, 20 to 2048.
    RoleArn,
    "`arn:aws:iam::ACCOUNT:role/NAME`, ACCOUNT being 12 digits",
    |text| (20..=2048).contains(&text.len())
        && arn::checked(text).is_some_and(|[service, region, resource]| {
            service == "iam"
                && region.is_empty()
                && resource.strip_prefix("role/").is_some_and(|name| {
                    !name.is_empty()
                        && !name.starts_with('/')
                        && !name.ends_with('/')
                        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&b))
                })
        })
}

name! {
    /// An AWS region's code. The region becomes part of a host name, so its form is strict.
    Region,
    "a region such as `eu-west-1`: words in lower case and a number, joined by hyphens, at most 32 characters",
    |text| {
        let number = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
        let word = |word: &str| word.len() >= 2 && word.bytes().all(|b| b.is_ascii_lowercase());
        text.len() <= 32
            && text.rsplit_once('-').is_some_and(|(words, last)| {
                number(last) && words.contains('-') && words.split('-').all(word)
            })
    }
}

name! {
    /// `studio::PATH` or `app:APP:PATH`, at most 1023, with a relative path that stays below its start.
    LandingUri,
    "`studio::PATH` or `app:JupyterServer:`, `app:JupyterLab:`, `app:RStudioServerPro:`, `app:CodeEditor:`, \
     `app:Canvas:` and a relative path without `..`, at most 1023 characters",
    landing_uri
}

name! {
    /// A page of an application that routes by the text after `#`: one `/`, and then the characters that RFC 3986,
    /// section 3.5 allows in a fragment, so that in a URL it can be nothing else. At most 1920, so that with the
    /// longest name of a destination before it the link fits through a sign-in.
    Fragment,
    "`/` and a path with an optional query, percent-encoded, without control characters, at most 1920 characters",
    fragment
}

/// A number of seconds inside AWS's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds {
    pub least: i32,
    pub most: i32,
    allowed: &'static str,
}

/// How long a URL may wait to be opened.
pub const EXPIRES_IN: Seconds = Seconds { least: 5, most: 300, allowed: "5 to 300 seconds" };
/// How long the opened session lasts.
pub const SESSION_EXPIRATION: Seconds =
    Seconds { least: 1800, most: 43_200, allowed: "1800 to 43200 seconds" };

impl Seconds {
    /// # Errors
    ///
    /// [`InvalidName`] if the number is outside AWS's range.
    pub fn parse(self, seconds: i64) -> Result<i32, InvalidName> {
        let parsed = i32::try_from(seconds).ok().filter(|seconds| (self.least..=self.most).contains(seconds));
        parsed.ok_or_else(|| InvalidName { found: seconds.to_string(), allowed: self.allowed })
    }
}

/// `[a-zA-Z0-9](-*[a-zA-Z0-9])*` up to `longest` characters.
fn resource_name(text: &str, longest: usize) -> bool {
    text.len() <= longest && hyphenated(text, u8::is_ascii_alphabetic)
}

/// Letters as `letter` defines them, digits, and hyphens that stand neither first nor last.
fn hyphenated(text: &str, letter: fn(&u8) -> bool) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|b| b == b'-' || b.is_ascii_digit() || letter(&b))
}

fn landing_uri(text: &str) -> bool {
    const FORMS: [&str; 6] = [
        "studio::",
        "app:JupyterServer:",
        "app:JupyterLab:",
        "app:RStudioServerPro:",
        "app:CodeEditor:",
        "app:Canvas:",
    ];
    let Some(path) = FORMS.iter().find_map(|form| text.strip_prefix(form)) else {
        return false;
    };
    text.len() <= 1023
        && !path.starts_with('/')
        && path.split(['/', '?']).all(stays_below)
        && path.chars().all(|c| !c.is_control() && !c.is_whitespace() && c != '\\' && c != '#')
}

fn fragment(text: &str) -> bool {
    let escapes = |after: &str| {
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|byte| !byte.is_ascii_control()) && !after.starts_with('+')
    };
    text.len() <= 1920
        && text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&b))
        && text.split('%').skip(1).all(escapes)
}

/// Whether a path segment leads down, also for a reader that decodes `%2e`, `%2f`, `%3f` and `%5c` first, as browsers do the
/// first of them (<https://url.spec.whatwg.org/#double-dot-path-segment>).
fn stays_below(segment: &str) -> bool {
    let decoded = segment.to_ascii_lowercase().replace("%2e", ".");
    decoded.split("%3f").all(|part| part != "." && part != "..")
        && !decoded.contains("%2f")
        && !decoded.contains("%5c")
}
