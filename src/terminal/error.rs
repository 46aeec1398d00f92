//! The ways in which a command of a terminal fails, in words for its person.

use crate::http_client::HttpError;
use std::fmt;
use std::path::PathBuf;

#[derive(Debug)]
pub(crate) enum TerminalError {
    /// The command was typed wrongly.
    Usage(String),
    /// The folder holds no sign-in.
    NoSignIn,
    /// The sign-in has ended.
    SignedOut {
        gateway: String,
    },
    /// Others may read the file.
    Exposed(PathBuf),
    File(PathBuf, String),
    NoHome,
    /// The gateway's own words.
    Refused(String),
    /// The answer is not one of a gateway.
    NotAGateway,
    Unreachable(String),
    /// The browser did not come back in time.
    OutOfTime,
    /// No port of this machine can be listened on.
    NoPort(String),
}

impl From<HttpError> for TerminalError {
    fn from(error: HttpError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl fmt::Display for TerminalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) => f.write_str(why),
            Self::NoSignIn => f.write_str("nobody is signed in here: run `postern login https://…`"),
            Self::SignedOut { gateway } => {
                write!(f, "the sign-in has ended: run `postern login {}`", gateway.trim_end_matches('/'))
            }
            Self::Exposed(path) => write!(
                f,
                "others on this machine may read {}: remove it, and run `postern login` again",
                path.display()
            ),
            Self::File(path, why) => write!(f, "{}: {why}", path.display()),
            Self::NoHome => f.write_str("there is no folder for your settings: set HOME or XDG_CONFIG_HOME"),
            Self::Refused(why) => f.write_str(why),
            Self::NotAGateway => f.write_str("what answers there is not a Postern gateway with run tokens"),
            Self::Unreachable(why) => write!(f, "the gateway does not answer: {why}"),
            Self::OutOfTime => f.write_str("the browser did not come back within five minutes"),
            Self::NoPort(why) => write!(f, "no port of this machine can be used: {why}; try `--no-browser`"),
        }
    }
}

impl std::error::Error for TerminalError {}

/// A text of the gateway's, without what a terminal would obey.
pub(super) fn shown(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
