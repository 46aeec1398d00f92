//! A URL that one replica minted ahead dies with its session, also where another replica ended that.

use super::*;
use crate::prewarmed::{from_slot, prewarmed, prewarming};

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_and_a_logout_at_another_replica_end_it() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", prewarming).await;
    replicas.both_say("state.up", 1);
    let stage = &replicas.stage;

    let mut grace = Visitor::person();
    prewarmed(stage, &mut grace, "grace").await;
    assert_eq!(replicas.sign_out_elsewhere(&grace).await.status, 303);
    assert!(!from_slot(&stage.postern, &mut stage.person("grace").await).await);

    let mut grace = Visitor::person();
    prewarmed(stage, &mut grace, "grace").await;
    assert_eq!(tell(&replicas, &replicas.second, &logout_token(&replicas)).await.status, 200);
    assert!(!from_slot(&stage.postern, &mut stage.person("grace").await).await);
}
