//! Identity providers that others wrote, each with the real binary, SageMaker's sandbox and Chromium.
//!
//! A provider is started once by `tests/peers/NAME/server.py` (`tests/peers/provider.py` says what all of them can be told);
//! scenarios are functions of `tests/browser/providers.mjs`, each with a person of its own.

mod stage;

use self::stage::Stage;
use crate::support::player::play;
use std::sync::{Mutex, OnceLock, PoisonError};

/// A provider and what its documentation makes an admin write.
#[derive(Clone, Copy)]
struct Provider {
    /// Its folder in `tests/peers`, and in `tests/browser/providers.mjs`.
    name: &'static str,
    /// Below `issuers`, beside what all of them have.
    issuer_keys: &'static str,
    scopes: &'static str,
    /// Below `sign_in`, beside what all of them have.
    sign_in_keys: &'static str,
    /// The provider mixes up requests that come at the same time.
    one_at_a_time: bool,
}

macro_rules! providers {
    ($($module:ident $provider:expr => $($scenario:ident),+;)+) => {
        $(mod $module {
            use super::*;

            static STAGE: OnceLock<Option<Stage>> = OnceLock::new();
            static TURN: Mutex<()> = Mutex::new(());
            const PROVIDER: Provider = $provider;

            $(#[test]
            fn $scenario() {
                let Some(stage) = STAGE.get_or_init(|| Stage::set(PROVIDER)) else { return };
                let _turn = PROVIDER.one_at_a_time.then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner));
                let label = format!("{}-{}", PROVIDER.name, stringify!($scenario));
                play(stage, "providers.mjs", stringify!($scenario), &label);
            })+
        })+
    };
}

providers! {
    canaille Provider {
        name: "canaille",
        issuer_keys: "insecure_unmarked_email: true",
        scopes: "openid, profile, email, groups",
        sign_in_keys: "",
        one_at_a_time: false,
    } =>
        a_person_signs_in_and_out,
        new_keys_sign_in_the_next_person,
        a_removed_group_is_noticed,
        a_locked_person_loses_the_session;
    django Provider {
        name: "django",
        issuer_keys: "",
        scopes: "openid, profile, email, groups",
        sign_in_keys: "",
        one_at_a_time: false,
    } =>
        a_person_signs_in_and_out,
        new_keys_sign_in_the_next_person,
        a_removed_group_is_noticed,
        a_locked_person_loses_the_session;
    lemonldap Provider {
        name: "lemonldap",
        issuer_keys: "",
        scopes: "openid, profile, email, groups",
        sign_in_keys: "",
        one_at_a_time: false,
    } =>
        a_person_signs_in_and_out,
        new_keys_sign_in_the_next_person,
        a_locked_person_loses_the_session;
    // Refresh tokens that outlive the session there: LemonLDAP::NG looks such a person up again.
    lemonldap_offline Provider {
        name: "lemonldap",
        issuer_keys: "",
        scopes: "openid, profile, email, groups, offline_access",
        sign_in_keys: "parameters: {prompt: consent}",
        one_at_a_time: false,
    } =>
        a_removed_group_is_noticed;
    glewlwyd Provider {
        name: "glewlwyd",
        issuer_keys: "",
        scopes: "openid, profile, email, groups",
        sign_in_keys: "",
        // It reads the id of the row that it inserted after another request may have inserted one.
        one_at_a_time: true,
    } =>
        new_keys_sign_in_the_next_person,
        a_removed_group_is_noticed,
        a_locked_person_loses_the_session,
        the_provider_ends_the_session;
}
