//! Another password at the server, while gateways run.

use super::{PASSWORD, Replicas, is_signed_in, same, says};
use crate::support::valkey::Valkey;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const NEXT: &str = "staple-battery-horse";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_takes_over_once_the_server_accepts_it() {
    let Some(valkey) = Valkey::start(&["--requirepass", PASSWORD]) else { return };
    let with = |password: &str| format!("redis://:{password}@127.0.0.1:{}", valkey.port);
    let replicas = Replicas::new(&with(PASSWORD), "", same).await;
    replicas.both_say("state.up", 1);
    let postern = &replicas.stage.postern;
    let grace = replicas.stage.person("grace").await;
    let file = replicas.folder.path().join("valkey-url");

    std::fs::write(&file, with(NEXT)).unwrap();
    replicas.stage.hang_up("refused").await;
    let log = postern.log();
    assert!(log.contains("it does not accept the user or the password"), "{log}");
    assert!(!log.contains(NEXT), "{log}");
    assert!(is_signed_in(&replicas.here(&grace, "/").await), "by the connection that was there before");

    tell(&valkey, PASSWORD, &format!("CONFIG SET requirepass {NEXT}"));
    // Nobody sends a signal: a refused reload is tried again.
    for _ in 0..300 {
        if postern.log().contains("\"reload.applied\"") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    says(postern, "reload.applied", 1);
    says(postern, "state.up", 2);
    assert!(!postern.log().contains("\"state.away\""), "nobody found it away: {}", postern.log());
    assert!(is_signed_in(&replicas.here(&grace, "/").await));

    // Sign-outs that other replicas keep elsewhere would be unknown here.
    std::fs::write(&file, with(NEXT) + "/1").unwrap();
    replicas.stage.hang_up("refused").await;
    assert!(
        postern.log().contains("`state.valkey.url` is of another server or database"),
        "{}",
        postern.log()
    );
    std::fs::write(&file, with(NEXT)).unwrap();

    // Whoever comes back must know the new password.
    tell(&valkey, NEXT, "CLIENT KILL TYPE normal SKIPME yes");
    says(postern, "state.up", 3);
    assert!(is_signed_in(&replicas.here(&grace, "/").await));
}

fn tell(valkey: &Valkey, password: &str, command: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", valkey.port)).unwrap();
    write!(stream, "AUTH {password}\r\n{command}\r\nQUIT\r\n").unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert!(answers.starts_with("+OK") && !answers.contains("-ERR"), "{answers}");
}
