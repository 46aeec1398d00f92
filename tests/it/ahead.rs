//! Work that is done ahead of a launch: AWS sessions that have begun, and connections that stay open.

use crate::support::stage::Stage;
use crate::support::visitor::Visitor;
use postern::sandbox::SandboxOptions;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

const RELOADS: usize = 6;

/// The sessions that were begun in this person's name.
fn sessions(stage: &Stage, user: &str) -> usize {
    let calls = stage.sandbox.calls();
    let begun = calls.iter().filter(|call| call.operation == "AssumeRole");
    begun.filter(|call| call.input.to_string().contains(user)).count()
}

async fn sessions_become(stage: &Stage, user: &str, count: usize) {
    for _ in 0..500 {
        if sessions(stage, user) == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} sessions of {user} where {count} were expected", sessions(stage, user));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_begins_the_session_of_the_launch_that_follows() {
    let stage = Stage::new().await;
    let mut grace = Visitor::person();
    let first = grace.get(&stage.postern.at("/studio")).await.checked();
    let callback = stage.pick(&mut grace, "grace", first).await;
    assert_eq!(grace.get(&callback).await.checked().location(), "/studio");
    sessions_become(&stage, "grace", 1).await;
    assert_eq!(stage.mints(), Vec::<String>::new(), "nothing is minted ahead");

    assert_eq!(grace.get(&stage.postern.at("/studio")).await.checked().status, 302);
    assert_eq!((sessions(&stage, "grace"), stage.mints().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_of_a_person_who_may_not_open_the_destination_begins_nothing() {
    let change = |text: String| text.replace("'ml-users' in groups", "'nobody' in groups");
    let stage = Stage::with(SandboxOptions::default(), change).await;
    let mut grace = Visitor::person();
    assert_eq!(stage.sign_in(&mut grace, "grace", "/studio").await.status, 403);
    assert_eq!(sessions(&stage, "grace"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_begins_the_session_of_what_was_opened_last() {
    let stage = Stage::new().await;
    let mut grace = stage.person("grace").await;
    assert_eq!(grace.get(&stage.postern.at("/studio")).await.checked().status, 302);
    assert_eq!(sessions(&stage, "grace"), 1);
    // Sessions belong to the settings of AWS: others begin anew.
    let file = stage.folder.path().join("postern.yaml");
    let text = fs::read_to_string(&file).unwrap().replacen("\naws:\n", "\naws:\n  timeout: 4s\n", 1);
    fs::write(&file, text).unwrap();
    stage.hang_up("applied").await;

    let mut image = grace.clone().with("sec-fetch-dest", "empty").with("sec-fetch-mode", "cors");
    assert_eq!(image.get(&stage.postern.at("/")).await.checked().status, 200);
    assert_eq!(sessions(&stage, "grace"), 1, "only a page that a person opens counts");
    assert_eq!(grace.get(&stage.postern.at("/")).await.checked().status, 200);
    sessions_become(&stage, "grace", 2).await;
    assert_eq!(grace.get(&stage.postern.at("/studio")).await.checked().status, 302);
    assert_eq!((sessions(&stage, "grace"), stage.mints().len()), (2, 2));
}

/// Stands between the gateway and STS, and counts connections.
struct Counter {
    listener: TcpListener,
    to: String,
}

impl Counter {
    async fn serve(self, connections: Arc<AtomicUsize>) {
        while let Ok((mut client, _)) = self.listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            let to = self.to.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(to).await.ok()?;
                copy_bidirectional(&mut client, &mut server).await.ok()
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_connections_to_aws() {
    let connections = Arc::new(AtomicUsize::new(0));
    let through_counter = |text: String| {
        let key = "sts_endpoint_url: ";
        let to = text.split(key).nth(1).and_then(|rest| rest.lines().next()).expect("STS's address");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let address = listener.local_addr().expect("an address");
        let listener = TcpListener::from_std(listener).expect("a listener");
        let host = to.trim_start_matches("http://").trim_end_matches('/').to_owned();
        tokio::spawn(Counter { listener, to: host }.serve(Arc::clone(&connections)));
        text.replace(&format!("{key}{to}"), &format!("{key}http://{address}"))
    };
    let stage = Stage::with(SandboxOptions::default(), through_counter).await;
    let mut grace = stage.person("grace").await;
    let mut ada = stage.person("ada").await;
    let url = stage.postern.at("/studio");
    let (one, other) = tokio::join!(grace.get(&url), ada.get(&url));
    for answer in [one, other] {
        assert_eq!(answer.checked().status, 302);
    }
    let before = connections.load(Ordering::SeqCst);
    assert!(before > 0, "STS is asked by way of the counter");

    let file = stage.folder.path().join("postern.yaml");
    let text = fs::read_to_string(&file).unwrap();
    for reload in 1..=RELOADS {
        fs::write(&file, text.replacen("\naws:\n", &format!("\naws:\n  timeout: {}s\n", 6 + reload % 2), 1))
            .unwrap();
        stage.hang_up("applied").await;
        assert_eq!(grace.get(&stage.postern.at("/studio")).await.checked().status, 302);
        assert_eq!(sessions(&stage, "grace"), 1 + reload, "the session began anew");
    }
    // A client may connect anew while its idle connections are in use, but not after each reload.
    let since = connections.load(Ordering::SeqCst) - before;
    assert!(since < RELOADS, "{since} new connections in {RELOADS} reloads");
}
