//! Forms on our own pages: each carries a sealed value that is its reader's alone, so that no other site can send it.

use super::service::Gateway;
use crate::authn::Authenticated;
use crate::clock::UnixSeconds;
use crate::secret::random;
use crate::sessions::seal::Purpose;
use crate::state::{Key, Namespace, Unavailable};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A page may stay open for so long.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// The value that a form carries.
#[derive(Serialize, Deserialize)]
pub(super) struct FormToken {
    /// Names the page, to tell whether its form was sent before.
    page: String,
    /// The thing that the form asks for, so that no form counts for another.
    purpose: String,
    reader: Reader,
    made: UnixSeconds,
}

/// The session in which the page was read; without one, the person whom a load balancer vouches for.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
enum Reader {
    Session(String),
    Person(String, String),
}

impl Reader {
    fn of(caller: &Authenticated) -> Self {
        match &caller.session {
            Some(session) => Self::Session(session.as_str().to_owned()),
            None => Self::Person(caller.principal.realm.to_string(), caller.principal.user.clone()),
        }
    }
}

impl Gateway {
    /// A value for the forms of one page that ask for `purpose`. `None` where nobody signs in here: there are no session
    /// keys then, and no session that another site could use.
    pub(super) fn form_token(&self, caller: &Authenticated, purpose: &str) -> Option<String> {
        let page = URL_SAFE_NO_PAD.encode(random::<16>());
        let (purpose, reader) = (purpose.to_owned(), Reader::of(caller));
        let token = FormToken { page, purpose, reader, made: self.clock.now() };
        // Texts and numbers always become JSON.
        let text = serde_json::to_vec(&token).unwrap_or_default();
        Some(self.sealer.as_ref()?.seal(Purpose::Form, &text))
    }

    /// The value of a form, if its page was this caller's and its form for `purpose`.
    pub(super) fn opened_form(
        &self,
        sealed: &str,
        caller: &Authenticated,
        purpose: &str,
    ) -> Option<FormToken> {
        let text = self.sealer.as_ref()?.open(Purpose::Form, sealed.as_bytes())?;
        let token: FormToken = serde_json::from_slice(&text).ok()?;
        let is_fresh = self.clock.now().since(token.made) < LIFETIME;
        (is_fresh && token.purpose == purpose && token.reader == Reader::of(caller)).then_some(token)
    }

    /// Whether the page's form is sent for the first time: a page that is loaded again sends it again.
    pub(super) async fn is_first_use(&self, form: &FormToken) -> Result<bool, Unavailable> {
        let key = Key::new(Namespace::Once, &["form", &form.page]);
        self.state.put_new(&key, b"", LIFETIME).await
    }
}
