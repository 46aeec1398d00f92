//! Load and faults, small: the scenarios of `tests/bench/soak`, which `tests/bench/soak/run` runs at full size.

#[allow(dead_code, reason = "the full size is for the benchmark")]
#[path = "../bench/soak"]
mod scenario {
    pub(super) mod beside;
    pub(super) mod calls;
    pub(super) mod clock;
    pub(super) mod clock_steps;
    pub(super) mod connection;
    pub(super) mod crashes;
    pub(super) mod dark_provider;
    pub(super) mod figures;
    pub(super) mod growth;
    pub(super) mod hours;
    pub(super) mod launches;
    pub(super) mod load;
    pub(super) mod people;
    pub(super) mod reloads;
    pub(super) mod replica;
    pub(super) mod rolling_restart;
    pub(super) mod site;
    pub(super) mod stalled;
    pub(super) mod stop;
    pub(super) mod throttling;
    pub(super) mod training;
    pub(super) mod waits;
}

use scenario::figures::{Report, Size};
use scenario::*;

#[track_caller]
fn holds(report: &Report) {
    println!("{report}");
    assert!(report.held(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_over_reloads() {
    holds(&reloads::run(Size::Small).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_replicas_are_replaced() {
    rolling_restart::run(Size::Small).await.iter().for_each(holds);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_answered_although_the_process_stops() {
    holds(&stop::run(Size::Small).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn launches_get_through_while_aws_throttles() {
    holds(&throttling::run(Size::Small).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_programs_log_is_lost_or_logged_twice() {
    calls::run(Size::Small).await.iter().for_each(holds);
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_of_use_lose_nothing() {
    hours::run(Size::Small).await.iter().for_each(holds);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rules_people_and_destinations_are_served() {
    growth::run(Size::Small).await.iter().for_each(holds);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_an_hour_is_whole() {
    training::run(Size::Small).await.iter().for_each(holds);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_makes_no_call_that_it_can_do_without() {
    holds(&waits::run(Size::Small).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replica_takes_nothing_else_with_it() {
    crashes::replicas(Size::Small).await.iter().for_each(holds);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shared_state_may_die_and_come_back() {
    crashes::state(Size::Small).await.iter().for_each(holds);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_loses_nothing() {
    clock_steps::run(Size::Small).await.iter().for_each(holds);
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_connections_are_closed_and_cost_little() {
    holds(&stalled::run(Size::Small).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_lands_in_their_own_profile_and_no_url_is_given_out_twice() {
    holds(&launches::run(Size::Small).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dark_provider_locks_nobody_out_who_is_known() {
    dark_provider::run(Size::Small).await.iter().for_each(holds);
}
