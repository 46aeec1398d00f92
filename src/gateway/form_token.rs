//! The token in a form of ours: it shows that the page with the form was made for this very session.

use super::service::Gateway;
use crate::authn::Authenticated;
use crate::sessions::seal::Purpose;

impl Gateway {
    /// A token for a form that asks for `purpose`. `None` where nobody signs in here: there are no session keys then, and
    /// no session that another site could use.
    pub(super) fn form_token(&self, caller: &Authenticated, purpose: &str) -> Option<String> {
        let sealer = self.sealer.as_ref()?;
        Some(sealer.seal(Purpose::Form, content(caller, purpose).as_bytes()))
    }

    /// Whether the token was made for this caller and purpose.
    pub(super) fn is_form_token(&self, caller: &Authenticated, purpose: &str, token: Option<&str>) -> bool {
        let Some(sealer) = &self.sealer else { return true };
        let opened = token.and_then(|token| sealer.open(Purpose::Form, token.as_bytes()));
        opened.is_some_and(|opened| *opened == *content(caller, purpose).as_bytes())
    }
}

/// Behind a balancer that signs people in there is no session, so the form is bound to the person.
fn content(caller: &Authenticated, purpose: &str) -> String {
    let person = &caller.principal;
    let session = caller.session.as_ref().map_or("", |session| session.as_str());
    format!("{purpose}\n{session}\n{}\n{}", person.realm, person.user)
}
