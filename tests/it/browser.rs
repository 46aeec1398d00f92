//! A real browser on the whole way: Chromium, a load balancer, two replicas, an OpenID provider, SageMaker's sandbox.
//! Firefox and WebKitGTK, Safari's engine, go the main ways, too.
//!
//! A scenario is a function of a script below `tests/browser`; each runs in a profile of its own, as a person of its own.

mod engines;
mod stage;

use self::stage::Stage;
use crate::support::player::play;
use std::sync::{Mutex, OnceLock, PoisonError};

/// For scenarios that disturb nobody.
static STEADY: OnceLock<Option<Stage>> = OnceLock::new();
/// For one scenario at a time: replicas stop, the provider goes dark, keys change.
static DISTURBED: OnceLock<Option<Stage>> = OnceLock::new();
/// For the browsers that are not Chromium.
static ELSEWHERE: OnceLock<Option<Stage>> = OnceLock::new();
static DISTURBANCE: Mutex<()> = Mutex::new(());

macro_rules! scenarios {
    ($play:ident $script:literal: $($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            $play($script, stringify!($name));
        })+
    };
}

scenarios!(steady "sign_in.mjs":
    sign_in_lands_on_the_exact_page,
    sign_in_begins_at_one_replica_and_ends_at_the_other,
    an_expired_session_is_renewed_without_a_word,
);
scenarios!(steady "tabs.mjs":
    twenty_tabs_of_a_fresh_profile_arrive,
    twenty_tabs_with_an_expired_session_arrive,
);
scenarios!(steady "links.mjs":
    a_page_elsewhere_mints_nothing_before_its_link_is_clicked,
    a_page_of_the_same_site_mints_nothing_before_its_link_is_clicked,
    a_redirect_that_nobody_clicked_asks_first,
    a_look_from_outside_mints_nothing,
);
scenarios!(steady "stale.mjs":
    a_bookmarked_login_page_leads_on,
    a_bookmarked_callback_leads_on,
    a_callback_with_a_foreign_state_leads_on,
    going_back_after_arriving_leads_on,
);
scenarios!(steady "sign_out.mjs":
    a_sign_out_in_one_tab_counts_in_the_other,
    a_session_that_the_provider_ends_counts_at_no_replica,
);
scenarios!(steady "pages.mjs":
    pages_of_a_signed_in_person_are_accessible,
    pages_of_refused_people_are_accessible,
);
scenarios!(steady "wake.mjs":
    a_stopped_server_is_started_by_one_and_opens_for_all,
    a_form_from_elsewhere_starts_nothing,
    two_tabs_create_one_profile,
);
scenarios!(steady "tokens.mjs":
    a_run_token_is_made_shown_once_and_taken_back,
    a_terminal_is_allowed_by_its_person,
);
scenarios!(disturbed "pages.mjs": the_page_of_an_outage_is_accessible);
scenarios!(disturbed "provider.mjs":
    the_provider_changes_its_keys_during_a_sign_in,
    an_outage_ends_no_session,
    an_outage_is_told_to_who_needs_the_provider,
    an_outage_between_password_and_tokens_costs_another_try,
);
scenarios!(disturbed "replicas.mjs": a_replica_that_dies_costs_nobody_a_bookmark);

#[test]
fn firefox_goes_the_main_ways() {
    if let Some(stage) = ELSEWHERE.get_or_init(Stage::set) {
        engines::firefox(stage, "smoke.mjs", "the_main_ways");
    }
}

#[test]
fn webkit_goes_the_main_ways() {
    if let Some(stage) = ELSEWHERE.get_or_init(Stage::set) {
        engines::webkit(stage, "smoke.mjs", "the_main_ways");
    }
}

fn steady(script: &str, name: &str) {
    if let Some(stage) = STEADY.get_or_init(Stage::set) {
        play(stage, script, name, name);
    }
}

fn disturbed(script: &str, name: &str) {
    let _alone = DISTURBANCE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stage) = DISTURBED.get_or_init(Stage::set) {
        stage.mend();
        play(stage, script, name, name);
    }
}
