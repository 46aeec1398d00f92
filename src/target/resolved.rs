//! Targets with all their values.

use super::access::Access;
use super::names::{Fragment, InvalidName, Region, RoleArn};
use super::{Form, Kind};
use std::fmt;
use std::sync::Arc;

/// A fully resolved target: the input of one presign call. Two equal targets open the same place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    kind: Kind,
    /// The given fields, in the order of the table.
    values: Vec<(&'static str, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    Text(Arc<str>),
    Seconds(i32),
}

/// The reason why the values make no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidTarget {
    Missing(&'static str),
    /// The kind has no such field, or the value is of another form than the field.
    Foreign(&'static str),
    Invalid(&'static str, InvalidName),
}

impl Target {
    /// # Errors
    ///
    /// [`InvalidTarget`] if the values are not the fields of this kind, or if AWS does not accept them.
    pub fn new(kind: Kind, mut values: Vec<(&'static str, Value)>) -> Result<Self, InvalidTarget> {
        let fields = kind.description().fields;
        for (key, value) in &values {
            let field = kind.field(key).ok_or(InvalidTarget::Foreign(key))?;
            match (field.form, value) {
                (Form::Text(parse), Value::Text(text)) => {
                    parse(text).map_err(|invalid| InvalidTarget::Invalid(key, invalid))?;
                }
                (Form::Seconds(range), Value::Seconds(seconds)) => {
                    range.parse((*seconds).into()).map_err(|invalid| InvalidTarget::Invalid(key, invalid))?;
                }
                _ => return Err(InvalidTarget::Foreign(key)),
            }
        }
        let is_given = |key: &str| values.iter().any(|(known, _)| *known == key);
        if let Some(missing) = fields.iter().find(|field| !kind.is_met(field, is_given)) {
            return Err(InvalidTarget::Missing(missing.key));
        }
        let twice = kind.description().declared_name;
        if let Some(name) = twice.filter(|name| is_given(name.key) && is_given(name.stands_for)) {
            return Err(InvalidTarget::Foreign(name.key));
        }
        values.sort_by_key(|(key, _)| fields.iter().position(|field| field.key == *key));
        let twice = values.windows(2).find_map(|pair| match pair {
            [(one, _), (other, _)] if one == other => Some(*one),
            _ => None,
        });
        if let Some(key) = twice {
            return Err(InvalidTarget::Foreign(key));
        }
        Ok(Self { kind, values })
    }

    /// The same target with another value of one field.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with(&self, key: &'static str, value: Value) -> Result<Self, InvalidTarget> {
        let others = self.values.iter().filter(|(known, _)| *known != key).cloned();
        Self::new(self.kind, others.chain([(key, value)]).collect())
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The API operation that presigns this kind of target.
    pub fn operation(&self) -> &'static str {
        self.kind.presign_operation()
    }

    /// The fields that are given, in the order of the table.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.values.iter().map(|(key, value)| (*key, value))
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.values().find_map(|(known, value)| match value {
            Value::Text(text) if known == key => Some(&**text),
            _ => None,
        })
    }

    pub fn seconds(&self, key: &str) -> Option<i32> {
        self.values().find_map(|(known, value)| match value {
            Value::Seconds(seconds) if known == key => Some(*seconds),
            _ => None,
        })
    }

    /// The names in the target's ARN, in order; the declared name if AWS has not been asked for the ARN yet.
    pub fn names(&self) -> Vec<&str> {
        match self.declared_name() {
            Some(name) => vec![name],
            None => self.kind.description().names.iter().filter_map(|key| self.text(key)).collect(),
        }
    }

    /// The declared name, if AWS has yet to be asked for the target's ARN.
    pub fn declared_name(&self) -> Option<&str> {
        self.text(self.kind.description().declared_name?.key)
    }

    /// The same target, with AWS's answer to its declared name.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn located(&self, found: &str) -> Result<Self, InvalidTarget> {
        let Some(name) = self.kind.description().declared_name else { return Ok(self.clone()) };
        let others = self.values.iter().filter(|(key, _)| *key != name.key).cloned();
        Self::new(self.kind, others.chain([(name.stands_for, Value::Text(found.into()))]).collect())
    }
}

impl fmt::Display for Target {
    /// The target's noun and names, for admins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names().into_iter().rev().collect();
        write!(f, "{} {}", self.kind.description().noun, names.join(" of "))
    }
}

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(key) => write!(f, "`{key}` is missing"),
            Self::Foreign(key) => write!(f, "`{key}` is not a field of it"),
            Self::Invalid(key, invalid) => write!(f, "`{key}`: {invalid}"),
        }
    }
}

impl std::error::Error for InvalidTarget {}

/// The complete input of one mint: the target, the region, endpoint and role of the call, and the page that opens.
///
/// With the person, this is the key of a take-once slot, so a field that changes the answer must stand here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mint {
    pub target: Target,
    pub region: Region,
    /// The role assumed for the person; `None` means the gateway's own credentials.
    pub role_arn: Option<RoleArn>,
    /// A VPC endpoint or the sandbox, in place of the region's public endpoint.
    pub endpoint_url: Option<String>,
    /// The page that the URL opens at. AWS is not told; the URL carries it.
    pub fragment: Option<Fragment>,
    /// The person's class of access to an MLflow target. `None` if the rule names none and no program may call the
    /// target.
    pub access: Option<Access>,
}

#[cfg(test)]
impl Target {
    /// For tests of functions that take a target.
    pub(crate) fn for_tests(
        kind: Kind,
        texts: &[(&'static str, &str)],
        seconds: &[(&'static str, i32)],
    ) -> Self {
        let texts = texts.iter().map(|(key, text)| (*key, Value::Text((*text).into())));
        let seconds = seconds.iter().map(|(key, seconds)| (*key, Value::Seconds(*seconds)));
        Self::new(kind, texts.chain(seconds).collect()).unwrap()
    }
}
