//! The content of a run token, before it is sealed.

use crate::clock::UnixSeconds;
use crate::sessions::content::Content;
use crate::target::Access;
use serde::{Deserialize, Serialize};
use serde_json::Deserializer;
use std::sync::Arc;

/// Short names: every byte is sent with every call. The facts about the person follow.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Head {
    #[serde(rename = "i")]
    pub(super) id: String,
    #[serde(rename = "d")]
    pub(super) destination: Arc<str>,
    /// The most that the token is for, whatever the rules give.
    #[serde(rename = "a")]
    pub(super) access: Access,
    #[serde(rename = "t")]
    pub(super) issued: UnixSeconds,
    #[serde(rename = "x")]
    pub(super) expires: UnixSeconds,
    /// The person's realm: an issuer's programs may have one of their own.
    #[serde(rename = "r")]
    pub(super) realm: Arc<str>,
    /// The exact `iss` of the issuer that vouched for the person.
    #[serde(rename = "s")]
    pub(super) iss: String,
    /// The user is an address in one of the issuer's domains, and so has to stay.
    #[serde(rename = "m")]
    pub(super) is_of_domain: bool,
    /// The end of all tokens of the person that was noted before.
    #[serde(rename = "e")]
    pub(super) seen_of_person: UnixSeconds,
}

/// Head and content in one text.
pub(super) fn to_text(head: &Head, content: &Content) -> Vec<u8> {
    // Texts and numbers always become JSON.
    let mut text = serde_json::to_vec(head).unwrap_or_default();
    text.extend_from_slice(&content.to_text());
    text
}

pub(super) fn parse(text: &[u8]) -> Option<(Head, Content)> {
    let mut json = Deserializer::from_slice(text).into_iter::<Head>();
    let head = json.next()?.ok()?;
    let content = Content::parse(text.get(json.byte_offset()..)?)?;
    Some((head, content))
}
