//! Values in the state that this gateway did not write.

use super::{Replicas, is_signed_in, logout_token, same, tell, url};
use crate::support::valkey::Valkey;
use crate::support::visitor::Visitor;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Whatever has ended is noted as something that is no time.
fn spoil(valkey: &Valkey) {
    let script = "for _, key in ipairs(redis.call('KEYS', '*:end:*')) do redis.call('SET', key, 'junk') end";
    let mut stream = TcpStream::connect(("127.0.0.1", valkey.port)).unwrap();
    write!(stream, "SELECT 1\r\nEVAL \"{script} return #redis.call('KEYS', '*:end:*')\" 0\r\nQUIT\r\n")
        .unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers, "+OK\r\n:1\r\n+OK\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_cannot_be_read_counts_and_hides_no_later_one() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", same).await;
    replicas.both_say("state.up", 1);
    let before = replicas.stage.person("grace").await;
    assert_eq!(tell(&replicas, &replicas.second, &logout_token(&replicas)).await.status, 200);
    spoil(&valkey);
    assert!(!is_signed_in(&replicas.here(&before, "/").await));
    let mut meanwhile = Visitor::person();
    let arrived = replicas.stage.sign_in(&mut meanwhile, "grace", "/").await;
    assert!(!is_signed_in(&arrived), "it may be a later end");
    assert_eq!(tell(&replicas, &replicas.second, &logout_token(&replicas)).await.status, 200);
    assert!(!is_signed_in(&replicas.here(&meanwhile, "/").await));
    let after = replicas.stage.person("grace").await;
    assert!(is_signed_in(&replicas.here(&after, "/").await), "she can sign in again");
}
