//! One line of a file: a record of the audit trail, of this version or another, or the claims of one person.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::UNIX_EPOCH;

/// The longest line that is read: far more than a record can have.
pub const LONGEST: usize = 1024 * 1024;

#[derive(Debug)]
pub(super) enum Line {
    Decision(Box<Decision>),
    /// The verified claims of one person, as a token has them.
    Claims(Map<String, Value>),
    /// A record of something else.
    Other,
    /// So many records are missing here.
    Lost(u64),
}

#[derive(Debug)]
pub(super) struct Decision {
    /// In milliseconds since 1970.
    pub(super) time: u64,
    pub(super) is_grant: bool,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) user: String,
    pub(super) destination: String,
    pub(super) rule: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) target: Map<String, Value>,
    pub(super) client_ip: Option<IpAddr>,
    pub(super) facts: Option<Facts>,
}

/// The facts that `audit::facts` has written.
#[derive(Debug, Deserialize)]
pub(super) struct Facts {
    pub(super) realm: String,
    #[serde(default)]
    pub(super) client_ip: Fact<IpAddr>,
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) groups: Fact<Vec<String>>,
    pub(super) groups_asked: Option<BTreeSet<String>>,
    pub(super) groups_unbound: Option<String>,
    #[serde(default)]
    pub(super) claims: Map<String, Value>,
    #[serde(default)]
    pub(super) claims_all: bool,
}

#[derive(Debug, Default)]
pub(super) enum Fact<T> {
    /// No rule read it, so the record does not hold it.
    #[default]
    NotOnRecord,
    /// `null`: a rule read it, and there was none.
    Absent,
    Known(T),
}

/// The parts of a record that count here.
#[derive(Deserialize)]
struct Record {
    event: Option<String>,
    time: Option<String>,
    issuer: Option<String>,
    subject: Option<String>,
    user: Option<String>,
    destination: Option<String>,
    rule: Option<String>,
    reason: Option<String>,
    target: Option<Map<String, Value>>,
    client_ip: Option<IpAddr>,
    facts: Option<Facts>,
    lost: Option<u64>,
    sub: Option<Value>,
}

/// # Errors
///
/// Why the line counts for nothing.
pub(super) fn parse(line: &[u8]) -> Result<Line, &'static str> {
    let record: Record = match serde_json::from_slice(line) {
        Ok(record) => record,
        // Claims may have other forms under the names of a record's fields.
        Err(_) => return claims(line),
    };
    let (Some(event), Some(time)) = (&record.event, &record.time) else {
        return if record.sub.is_some() {
            claims(line)
        } else {
            Err("neither a record nor claims with `sub`")
        };
    };
    match event.as_str() {
        "grant" | "call" | "deny" => decision(record),
        "lost" => record.lost.map(Line::Lost).ok_or("a record `lost` without a number"),
        _ if humantime::parse_rfc3339(time).is_err() => Err("a record without a time"),
        _ => Ok(Line::Other),
    }
}

fn claims(line: &[u8]) -> Result<Line, &'static str> {
    match serde_json::from_slice::<Map<String, Value>>(line) {
        Ok(claims) if claims.contains_key("event") && claims.contains_key("time") => {
            Err("a record of another form")
        }
        Ok(claims) if claims.contains_key("sub") => Ok(Line::Claims(claims)),
        Ok(_) => Err("neither a record nor claims with `sub`"),
        Err(_) => Err("not a JSON object"),
    }
}

fn decision(record: Record) -> Result<Line, &'static str> {
    let time = record.time.as_deref().and_then(|time| humantime::parse_rfc3339(time).ok());
    let time = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).ok_or("a record without a time")?;
    // A call of MLflow's client is recorded once it is granted, whatever became of it.
    let is_grant = record.event.as_deref() != Some("deny");
    if is_grant && (record.target.is_none() || record.rule.is_none()) {
        return Err("a grant without a rule or a target");
    }
    Ok(Line::Decision(Box::new(Decision {
        time: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        is_grant,
        issuer: record.issuer.ok_or("a decision without an issuer")?,
        subject: record.subject.ok_or("a decision without a subject")?,
        user: record.user.ok_or("a decision without a user")?,
        destination: record.destination.ok_or("a decision without a destination")?,
        rule: record.rule,
        reason: record.reason,
        target: record.target.unwrap_or_default(),
        client_ip: record.client_ip,
        facts: record.facts,
    })))
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fact<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|fact| fact.map_or(Self::Absent, Self::Known))
    }
}
