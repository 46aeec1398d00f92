//! The authorization request (OpenID Connect Core 1.0, section 3.1.2.1; RFC 7636, section 4.3).

use url::Url;

/// The parts of a request beside its prompt.
pub(crate) struct AuthorizationRequest<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) state: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) code_challenge: &'a str,
    /// `sign_in.parameters`.
    pub(crate) further: &'a [(String, String)],
}

impl AuthorizationRequest<'_> {
    pub(crate) fn at(&self, authorization_endpoint: &Url, prompt: Option<&str>) -> Url {
        let mut location = authorization_endpoint.clone();
        let mut query = location.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client_id)
            .append_pair("redirect_uri", self.redirect_uri)
            .append_pair("scope", self.scope)
            .append_pair("state", self.state)
            .append_pair("nonce", self.nonce)
            .append_pair("code_challenge", self.code_challenge)
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(self.further.iter().filter(|(name, _)| name != "prompt"));
        if let Some(prompt) = prompt {
            query.append_pair("prompt", prompt);
        }
        drop(query);
        location
    }
}

/// The configured words and the one that this sign-in needs, as a list.
pub(super) fn prompt(configured: &[(String, String)], needed: Option<&str>) -> Option<String> {
    let configured = configured.iter().find(|(name, _)| name == "prompt");
    let words = configured.map_or("", |(_, words)| words).split(' ');
    let words = words.filter(|word| !word.is_empty() && Some(*word) != needed);
    let words: Vec<&str> = words.chain(needed).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
