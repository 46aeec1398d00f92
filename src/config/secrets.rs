//! The secrets, keys and certificates that the configuration names and does not hold. All are read here, once, before
//! anything is made of them.

use super::settings::{ClientAuthentication, Gateway, KeySource, SecretSource, SignInConfig, StateConfig};
use crate::files::{FileError, Files};
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const LARGEST_SECRET: usize = 64 * 1024;
const LARGEST_KEY_SET: usize = 256 * 1024;
/// In bytes: four times a machine's whole bundle of authorities.
const LARGEST_CERTIFICATES: usize = 1024 * 1024;

pub const CERTIFICATE: &str = "listen.tls.certificate";
pub const PRIVATE_KEY: &str = "listen.tls.private_key";
pub const VALKEY_URL: &str = "state.valkey.url";
pub const VALKEY_AUTHORITIES: &str = "state.valkey.ca_certificate";

/// One secret, key or certificate to read.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its key in the configuration, such as `session.keys[0]`.
    pub key: String,
    pub source: SecretSource,
    pub form: Form,
}

/// The allowed content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A secret: one line of text, without blanks around it. A line break at its end is not part of it.
    Line,
    /// A secret of several lines.
    PrivateKey,
    /// Not a secret: at most so many bytes.
    Public(usize),
}

/// The values that were read, by the keys of the configuration.
#[derive(Debug, Default)]
pub struct Secrets {
    found: BTreeMap<String, Found>,
    exposed: Vec<(String, String)>,
}

#[derive(Debug)]
struct Found {
    /// The file or the variable.
    place: String,
    secret: Result<Secret, Fault>,
}

/// The reason why a secret, key or certificate cannot be used. Contains nothing of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretError {
    pub key: String,
    /// The file or the variable; empty if the fault says everything.
    pub place: String,
    pub fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no such variable.
    NotSet,
    File(FileError),
    /// Empty, or blanks only.
    Empty,
    BlanksAround,
    SeveralLines,
    NotText,
    /// The message of the content's parser.
    Unusable(String),
}

pub fn session_key(index: usize) -> String {
    format!("session.keys[{index}]")
}

pub fn key_set(issuer: &str) -> String {
    format!("issuers.{issuer}.jwks_file")
}

impl Gateway {
    /// Everything that is to be read.
    pub fn named(&self) -> Vec<Named> {
        let file = |path: &Path| SecretSource::File(path.to_owned());
        let mut named: Vec<Named> = Vec::new();
        let mut name =
            |key: String, source: SecretSource, form: Form| named.push(Named { key, source, form });
        for (index, source) in self.session.keys.iter().enumerate() {
            name(session_key(index), source.clone(), Form::Line);
        }
        if let Some(sign_in) = &self.sign_in {
            let Named { key, source, form } = sign_in.named();
            name(key, source, form);
        }
        if let StateConfig::Valkey(valkey) = &self.state {
            name(VALKEY_URL.to_owned(), valkey.url.clone(), Form::Line);
            if let Some(path) = &valkey.ca_certificate {
                name(VALKEY_AUTHORITIES.to_owned(), file(path), Form::Public(LARGEST_CERTIFICATES));
            }
        }
        for issuer in &self.issuers {
            if let KeySource::JwksFile(path) = &issuer.keys {
                name(key_set(&issuer.name), file(path), Form::Public(LARGEST_KEY_SET));
            }
        }
        if let Some(tls) = &self.listen.tls {
            name(CERTIFICATE.to_owned(), file(&tls.certificate), Form::Public(LARGEST_CERTIFICATES));
            name(PRIVATE_KEY.to_owned(), file(&tls.private_key), Form::PrivateKey);
        }
        named
    }
}

impl SignInConfig {
    /// The secret or key by which this client authenticates.
    pub fn named(&self) -> Named {
        let (source, form) = match &self.client_authentication {
            ClientAuthentication::Secret(source) => (source, Form::Line),
            ClientAuthentication::PrivateKeyJwt(source) => (source, Form::PrivateKey),
        };
        Named { key: self.secret_key().to_owned(), source: source.clone(), form }
    }
}

impl Secrets {
    /// Reads all, even if some fail.
    pub fn read(named: impl IntoIterator<Item = Named>, files: &Files) -> Self {
        let mut secrets = Self::default();
        for Named { key, source, form } in named {
            if let (SecretSource::File(path), false) = (&source, matches!(form, Form::Public(_)))
                && let Some(exposure) = exposure(path, files)
            {
                secrets.exposed.push((key.clone(), exposure));
            }
            let found = Found { place: source.to_string(), secret: source.read(form, files) };
            secrets.found.insert(key, found);
        }
        secrets
    }

    /// # Errors
    ///
    /// The reason why the secret cannot be used.
    pub fn get(&self, key: &str) -> Result<&Secret, SecretError> {
        match self.found.get(key) {
            Some(Found { secret: Ok(secret), .. }) => Ok(secret),
            Some(Found { secret: Err(fault), place }) => Err(SecretError::new(key, place, fault)),
            None => Err(SecretError::unusable(key, "it was not read")),
        }
    }

    /// The errors of all that cannot be read.
    pub fn errors(&self) -> Vec<SecretError> {
        let faults = self.found.iter();
        let faults =
            faults.filter_map(|(key, found)| Some((key, &found.place, found.secret.as_ref().err()?)));
        faults.map(|(key, place, fault)| SecretError::new(key, place, fault)).collect()
    }

    /// Secrets whose files everybody on the machine may read: the key, and the warning.
    pub fn exposed(&self) -> &[(String, String)] {
        &self.exposed
    }
}

impl SecretError {
    fn new(key: &str, place: &str, fault: &Fault) -> Self {
        Self { key: key.to_owned(), place: place.to_owned(), fault: fault.clone() }
    }

    /// The content cannot be used, for this reason.
    pub fn unusable(key: impl Into<String>, why: impl Into<String>) -> Self {
        Self { key: key.into(), place: String::new(), fault: Fault::Unusable(why.into()) }
    }
}

impl SecretSource {
    fn read(&self, form: Form, files: &Files) -> Result<Secret, Fault> {
        let bytes = match self {
            Self::Env(name) => std::env::var_os(name).ok_or(Fault::NotSet)?.into_encoded_bytes(),
            Self::File(path) => {
                let largest = if let Form::Public(largest) = form { largest } else { LARGEST_SECRET };
                files.read(path, largest).map_err(Fault::File)?
            }
        };
        match form {
            Form::Line => line(bytes),
            Form::PrivateKey | Form::Public(_) => Ok(Secret::new(bytes)),
        }
    }
}

/// Refuses blanks and line breaks around: they come from editors and from copying, and no provider's error points to
/// them.
fn line(mut bytes: Vec<u8>) -> Result<Secret, Fault> {
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    let secret = Secret::new(bytes);
    let text = str::from_utf8(secret.expose()).map_err(|_| Fault::NotText)?;
    let is_blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    if text.chars().all(is_blank) {
        Err(Fault::Empty)
    } else if text.contains(['\n', '\r']) {
        Err(Fault::SeveralLines)
    } else if text.starts_with(is_blank) || text.ends_with(is_blank) {
        Err(Fault::BlanksAround)
    } else {
        Ok(secret)
    }
}

/// The warning about a file that everybody may read.
fn exposure(path: &Path, files: &Files) -> Option<String> {
    let mode = files.metadata(path).ok().filter(Metadata::is_file)?.mode();
    let is_open = mode & 0o004 != 0;
    is_open.then(|| {
        format!("everybody on this machine may read `{}`: its mode is {:04o}", path.display(), mode & 0o7777)
    })
}

/// A variable's name is shown only if it looks like one (capitals, and words joined by underscores): somebody may have
/// put the secret itself in its place.
impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        match self {
            Self::File(path) => write!(f, "`{}`", path.display()),
            Self::Env(name) if name.contains('_') && name.bytes().all(is_capital) => {
                write!(f, "the environment variable `{name}`")
            }
            Self::Env(_) => f.write_str("the environment variable that is named there"),
        }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, place, fault } = self;
        if place.is_empty() { write!(f, "{key}: {fault}") } else { write!(f, "{key}: {place} {fault}") }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSet => f.write_str("is not set"),
            Self::File(error) => error.fmt(f),
            Self::Empty => f.write_str("is empty"),
            Self::BlanksAround => f.write_str("begins or ends with a blank"),
            Self::SeveralLines => {
                f.write_str("has several lines; allowed: one, with a line break at its end or without")
            }
            Self::NotText => f.write_str("is not UTF-8 text"),
            Self::Unusable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for SecretError {}
