//! A server that takes no writes for want of memory, and still answers.

use super::{Replicas, is_signed_in, logout_token, same, tell, url};
use crate::support::valkey::Valkey;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// In bytes; 0 is all that there is.
fn give_memory(valkey: &Valkey, bytes: usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", valkey.port)).unwrap();
    write!(stream, "CONFIG SET maxmemory {bytes}\r\n").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_could_not_take_it_is_told_when_it_can() {
    let Some(valkey) = Valkey::start(&[]) else { return };
    let replicas = Replicas::new(&url(&valkey), "", same).await;
    replicas.both_say("state.up", 1);
    let (mut grace, ada) = (replicas.stage.person("grace").await, replicas.stage.person("ada").await);
    let copy = grace.clone();
    let token = logout_token(&replicas);
    give_memory(&valkey, 1);
    let answer = replicas.sign_out(&mut grace).await;
    assert!(answer.body.contains("You are signed out in this browser"), "{}", answer.body);
    assert!(!is_signed_in(&replicas.here(&copy, "/").await));
    let of_another = replicas.stage.person("grace").await;
    assert_eq!(tell(&replicas, &replicas.second, &token).await.status, 503, "it is to be sent again");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(is_signed_in(&replicas.here(&ada, "/").await), "what it has it still tells");
    assert_eq!(replicas.stage.postern.log().matches("\"state.away\"").count(), 0);

    give_memory(&valkey, 0);
    assert_eq!(tell(&replicas, &replicas.second, &token).await.status, 200);
    assert!(!is_signed_in(&replicas.here(&of_another, "/").await));
    for _ in 0..400 {
        if !is_signed_in(&replicas.elsewhere(&copy, "/").await) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!is_signed_in(&replicas.elsewhere(&copy, "/").await), "without a new connection");
    assert!(is_signed_in(&replicas.elsewhere(&ada, "/").await));
}
