//! The content of a session cookie, before it is sealed.

use super::selection::{Questions, Selection, Unanswered};
use super::session_id::SessionId;
use crate::clock::UnixSeconds;
use crate::provider::principal::{Groups, Principal, Unbound};
use crate::provider::relying_party::Identified;
use crate::sessions::revocation::{Marks, Seen};
use serde::{Deserialize, Serialize};
use serde_json::{Deserializer, Map, Value};
use std::sync::Arc;

/// Claims about the ID token itself and not about a person.
const PROTOCOL_CLAIMS: [&str; 8] = ["nonce", "at_hash", "c_hash", "s_hash", "iat", "nbf", "exp", "jti"];

/// The form that this version writes. An earlier version wrote unknown groups as an empty list.
const FORM: u8 = 2;

/// Claims about the sign-in, which no refresh changes (OpenID Connect Core 1.0, sections 2 and 12.2).
const SIGN_IN_CLAIMS: [&str; 7] = ["iss", "aud", "azp", "sid", "auth_time", "acr", "amr"];

/// Short names: every byte is sent with every request.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Content {
    #[serde(rename = "i")]
    pub(super) id: SessionId,
    #[serde(rename = "o")]
    pub(super) issuer: String,
    #[serde(rename = "s")]
    pub(super) subject: String,
    #[serde(rename = "u")]
    pub(super) user: String,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// [`FORM`]. In earlier forms, absent groups may be unknown or none.
    #[serde(rename = "f")]
    form: u8,
    /// All groups. Absent if they are not known, or if `groups_total` says that there is a selection.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    groups: Option<Arc<[Arc<str>]>>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    groups_total: Option<usize>,
    /// The reason why the groups are not known. Absent if the provider left them out.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    groups_unbound: Option<Arc<str>>,
    /// The claim that holds exactly the groups, and is not repeated in `claims`.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    groups_claim: Option<String>,
    #[serde(rename = "c", default, skip_serializing_if = "Map::is_empty")]
    claims: Map<String, Value>,
    /// Claims outside the selection are not in `claims`.
    #[serde(rename = "d", default, skip_serializing_if = "is_false")]
    claims_selected: bool,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(super) provider_session: Option<Arc<str>>,
    #[serde(rename = "e")]
    pub(super) established: UnixSeconds,
    #[serde(rename = "l")]
    pub(super) last_seen: UnixSeconds,
    #[serde(rename = "r", default, skip_serializing_if = "is_nothing")]
    seen: Seen,
    /// The last time at which the provider confirmed the session.
    #[serde(rename = "v")]
    pub(super) validated: UnixSeconds,
    /// Follows the JSON in a packed form.
    #[serde(skip)]
    selection: Selection,
}

/// The issuer of a session as it is configured now, and its realm.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub(super) issuer: Arc<str>,
    /// The exact `iss` of its tokens. Ends are noted under it, for several issuers of the configuration may share it.
    pub(super) iss: Arc<str>,
    pub(super) realm: Arc<str>,
}

impl Content {
    /// Content with everything known about the person.
    pub(super) fn of(
        principal: &Principal,
        id: SessionId,
        provider_session: Option<&str>,
        seen: Seen,
        now: UnixSeconds,
    ) -> Self {
        let groups = match &principal.groups {
            Groups::Known(groups) => Some(groups.clone()),
            Groups::LeftOut | Groups::Unbound(_) => None,
        };
        let groups_unbound = principal.groups.unbound().map(|unbound| Arc::clone(unbound.text()));
        let mut claims: Map<String, Value> = principal
            .claims
            .iter()
            .filter(|(name, value)| !PROTOCOL_CLAIMS.contains(&name.as_str()) && !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let groups_claim = groups.as_ref().and_then(|groups| {
            claims.iter().find(|(_, value)| is_list_of(value, groups)).map(|(name, _)| name.clone())
        });
        if let Some(name) = &groups_claim {
            claims.remove(name);
        }
        Self {
            id,
            issuer: principal.issuer.to_string(),
            subject: principal.subject.clone(),
            user: principal.user.clone(),
            name: principal.name.clone(),
            form: FORM,
            groups,
            groups_total: None,
            groups_unbound,
            groups_claim,
            claims,
            claims_selected: false,
            provider_session: provider_session.map(Arc::from),
            established: now,
            last_seen: now,
            seen,
            validated: now,
            selection: Selection::default(),
        }
    }

    /// The same session with the provider's current claims about the person.
    pub(super) fn told_anew(&self, person: &Identified) -> Self {
        let provider_session = person.provider_session.as_deref().or(self.provider_session.as_deref());
        let is_named_alike = provider_session == self.provider_session.as_deref();
        let seen = if is_named_alike { self.seen } else { self.seen.of_subject() };
        Self {
            established: self.established,
            ..Self::of(&person.principal, self.id.clone(), provider_session, seen, self.last_seen)
        }
    }

    /// Whether the person is in a group, as far as that is known.
    pub(super) fn is_in_groups(&self) -> bool {
        self.groups.as_ref().is_some_and(|groups| !groups.is_empty())
            || self.groups_total.is_some_and(|total| total > 0)
    }

    /// Whether the person's groups are known, even if there are none.
    pub(super) fn knows_groups(&self) -> bool {
        self.groups.is_some() || self.groups_total.is_some()
    }

    /// The claims that are kept, beside the one that holds the groups.
    pub(super) fn claim_names(&self) -> impl Iterator<Item = &str> {
        self.claims.keys().map(String::as_str)
    }

    /// The claims about the sign-in, as far as they are kept.
    pub(super) fn sign_in_claims(&self) -> Map<String, Value> {
        let about_it = self.claims.iter().filter(|(name, _)| SIGN_IN_CLAIMS.contains(&name.as_str()));
        about_it.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    pub(super) fn seen_at(&self, now: UnixSeconds) -> Self {
        Self { last_seen: now, ..self.clone() }
    }

    /// `newer`, which was learnt of the same session since, with the later of the two times of use.
    pub(super) fn followed_by(&self, newer: Self) -> Self {
        let last_seen = self.last_seen.max(newer.last_seen);
        Self { last_seen, ..newer }
    }

    /// Keeps only the groups and claims that `questions` ask for.
    pub(super) fn reduced(mut self, questions: &Questions) -> Self {
        let all_groups = self.groups.clone();
        if let Some(groups) = &all_groups
            && self.selection.take_groups(questions, groups)
        {
            self.groups_total = Some(groups.len());
            self.groups = None;
        }
        self.groups_claim = self.groups_claim.filter(|name| questions.ask_for_claim(name));
        if self.groups.is_none()
            && let (Some(name), Some(groups)) = (self.groups_claim.take(), &all_groups)
        {
            self.claims.insert(name, list_of(groups));
        }
        if self.selection.take_claims(questions) {
            self.claims.retain(|name, _| questions.ask_for_claim(name));
            self.claims_selected = true;
        }
        self
    }

    /// The groups, as far as `questions` ask for them.
    ///
    /// # Errors
    ///
    /// [`Unanswered`] if they ask for groups or claims that were dropped when this was reduced: whether the person has
    /// those is not known.
    pub(super) fn groups(&self, questions: &Questions) -> Result<Groups, Unanswered> {
        if self.claims_selected {
            self.selection.answers_claims(questions)?;
        }
        Ok(match (&self.groups, self.groups_total) {
            (Some(groups), _) => Groups::Known(groups.clone()),
            (None, Some(_)) => Groups::Known(self.selection.groups(questions)?),
            (None, None) => match &self.groups_unbound {
                Some(text) => Groups::Unbound(Unbound::kept(Arc::clone(text))),
                None => Groups::LeftOut,
            },
        })
    }

    pub(super) fn to_text(&self) -> Vec<u8> {
        // Texts, numbers and lists always become JSON.
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        self.selection.pack(&mut text);
        text
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut json = Deserializer::from_slice(text).into_iter::<Self>();
        let mut content = json.next()?.ok()?;
        if content.form != FORM {
            return None;
        }
        content.selection = Selection::unpack(text.get(json.byte_offset()..)?)?;
        Some(content)
    }

    pub(super) fn marks<'a>(&'a self, iss: &'a str) -> Marks<'a> {
        Marks {
            issuer: iss,
            subject: &self.subject,
            session: self.id.as_str(),
            provider_session: self.provider_session.as_deref(),
            established: self.established,
            seen: self.seen,
        }
    }

    pub(super) fn principal(&self, home: &Home, groups: Groups) -> Principal {
        let mut claims = self.claims.clone();
        if let (Some(name), Some(groups)) = (&self.groups_claim, &self.groups) {
            claims.insert(name.clone(), list_of(groups));
        }
        Principal {
            realm: Arc::clone(&home.realm),
            user: self.user.clone(),
            issuer: Arc::clone(&home.issuer),
            subject: self.subject.clone(),
            name: self.name.clone(),
            groups,
            groups_total: self.groups_total,
            claims: Arc::new(claims),
        }
    }
}

fn list_of(groups: &[Arc<str>]) -> Value {
    groups.iter().map(|group| Value::from(&**group)).collect()
}

fn is_list_of(value: &Value, groups: &[Arc<str>]) -> bool {
    value.as_array().is_some_and(|list| {
        list.len() == groups.len()
            && list.iter().zip(groups).all(|(item, group)| item.as_str() == Some(group))
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_nothing(seen: &Seen) -> bool {
    *seen == Seen::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An end that the session has outlived concerns the provider's session of that name, and no other.
    #[test]
    fn a_session_of_another_name_has_outlived_no_end() {
        let principal = Principal {
            realm: "corp".into(),
            user: "ada".to_owned(),
            issuer: "corp".into(),
            subject: "u1".to_owned(),
            name: None,
            groups: Groups::Known([].into()),
            groups_total: None,
            claims: Arc::default(),
        };
        let seen: Seen = serde_json::from_str("[5,7]").unwrap();
        let id = SessionId::for_tests("session");
        let content = Content::of(&principal, id, Some("first"), seen, UnixSeconds(10));
        let told = |name: Option<&str>| {
            let person = Identified { principal: principal.clone(), provider_session: name.map(Into::into) };
            serde_json::to_string(&content.told_anew(&person).seen).unwrap()
        };
        assert_eq!(told(Some("first")), "[5,7]");
        assert_eq!(told(None), "[5,7]");
        assert_eq!(told(Some("second")), "[0,7]");
    }
}
