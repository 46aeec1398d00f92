//! Each URL reaches its person, once.

use super::*;
use crate::target::Fragment;
use std::collections::HashSet;

#[tokio::test(flavor = "multi_thread")]
async fn every_url_reaches_its_person_and_none_is_handed_out_twice() {
    let mut setup = Setup::new();
    setup.config.timeout = Duration::from_secs(30);
    let stage = setup
        .with(|call| {
            let jitter = Duration::from_millis(u64::try_from(call.number * 7919 % 40).unwrap());
            presigns(call).then(|| {
                let profile = call.input["UserProfileName"].as_str().unwrap();
                let url = format!("https://d.studio.sagemaker.aws/auth?token={profile}.{}", call.number);
                Reply::After(jitter, Box::new(Reply::Json(200, serde_json::json!({"AuthorizedUrl": url}))))
            })
        })
        .await;
    let mut seen = HashSet::new();
    for _ in 0..3 {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..200 {
            let presigner = Arc::clone(&stage.presigner);
            let user = format!("user-{number}");
            let grant = Grant::for_tests("corp", &user, with_role(studio(&user)));
            tasks.spawn(async move {
                presigner.prewarm(grant.clone(), &session(&grant));
                (user, text(presigner.presign(&grant, Some(&session(&grant)), far_off()).await.unwrap()))
            });
        }
        for (user, url) in tasks.join_all().await {
            assert!(url.contains(&format!("token={user}.")), "{user} got {url}");
            assert!(seen.insert(url.clone()), "{url} was handed out twice");
        }
    }
    assert_eq!(seen.len(), 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_taken_once_by_a_hundred_at_the_same_time() {
    let stage = Stage::well().await;
    let grant = ada();
    stage.prewarmed(&grant).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (presigner, grant) = (Arc::clone(&stage.presigner), grant.clone());
        tasks.spawn(async move {
            let presigned = presigner.presign(&grant, Some(&session(&grant)), far_off()).await.unwrap();
            (presigned.facts.from_slot, text(presigned))
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|(from_slot, _)| *from_slot).count(), 1);
    assert_eq!(answers.iter().map(|(_, url)| url).collect::<HashSet<_>>().len(), 100);
}

#[tokio::test]
async fn a_slot_is_for_one_person_and_one_complete_input() {
    let stage = Stage::well().await;
    stage.prewarmed(&ada()).await;
    let elsewhere = Mint { region: Region::parse("eu-central-1").unwrap(), ..mint(studio("ada")) };
    for other in [
        Grant::for_tests("corp", "max", mint(studio("ada"))),
        Grant::for_tests("partners", "ada", mint(studio("ada"))),
        Grant::for_tests("corp", "ada", mint(studio("other"))),
        Grant::for_tests("corp", "ada", with_role(studio("ada"))),
        Grant::for_tests("corp", "ada", elsewhere),
    ] {
        assert!(!stage.presign(&other).await.unwrap().facts.from_slot);
    }
    let presigned = stage.presign(&ada()).await.unwrap();
    assert!(presigned.facts.from_slot);
    let minted = &stage.aws.calls("CreatePresignedDomainUrl")[0];
    assert_eq!(presigned.facts.aws_request_id.as_deref(), Some(&*format!("request-{}", minted.number)));
}

#[tokio::test]
async fn a_slot_is_for_one_session() {
    let stage = Stage::well().await;
    stage.prewarmed(&ada()).await;
    let other = SessionId::for_tests("another session of hers");
    for other in [None, Some(&other)] {
        assert!(!stage.presigner.presign(&ada(), other, far_off()).await.unwrap().facts.from_slot);
    }
    assert!(stage.presign(&ada()).await.unwrap().facts.from_slot);
}

#[tokio::test]
async fn a_slot_is_for_one_page() {
    let stage = Stage::well().await;
    let target = Target::for_tests(
        Kind::MlflowTrackingServer,
        &[("tracking_server_name", "risk")],
        &[(EXPIRES_IN_SECONDS, 60)],
    );
    let at = |page: Option<&str>| {
        let fragment = page.map(|page| Fragment::parse(page).unwrap());
        Grant::for_tests("corp", "ada", Mint { fragment, ..mint(target.clone()) })
    };
    stage.prewarmed(&at(Some("/experiments/1"))).await;
    for (page, from_slot) in [(None, false), (Some("/experiments/2"), false), (Some("/experiments/1"), true)]
    {
        let presigned = stage.presign(&at(page)).await.unwrap();
        assert_eq!(presigned.facts.from_slot, from_slot, "{page:?}");
        let base = "https://t-1.eu-west-1.experiments.sagemaker.aws/auth?authToken=a";
        let page = page.map(|page| format!("#{page}")).unwrap_or_default();
        assert_eq!(text(presigned), format!("{base}{page}"));
    }
}

#[tokio::test]
async fn a_slot_dies_at_half_its_urls_life() {
    let stage = Stage::well().await;
    stage.prewarmed(&ada()).await;
    stage.clock.advance(Duration::from_secs(9));
    assert!(stage.presign(&ada()).await.unwrap().facts.from_slot, "20 s were asked for");
    stage.prewarmed(&ada()).await;
    stage.clock.advance(Duration::from_secs(10));
    assert!(!stage.presign(&ada()).await.unwrap().facts.from_slot);
}

#[tokio::test]
async fn an_unused_url_does_not_linger() {
    let stage = Stage::well().await;
    stage.prewarmed(&ada()).await;
    stage.clock.advance(Duration::from_secs(10));
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(stage.presigner.slots.filled(), 0);
}

#[tokio::test]
async fn nothing_is_minted_ahead_for_a_life_that_nobody_names() {
    let stage = Stage::well().await;
    let target = Target::for_tests(Kind::MlflowTrackingServer, &[("tracking_server_name", "risk")], &[]);
    stage.presigner.prewarm(Grant::for_tests("corp", "ada", mint(target)), &session(&ada()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(stage.aws.calls("CreatePresignedMlflowTrackingServerUrl").is_empty());
}

#[tokio::test]
async fn a_slot_is_filled_by_one_call_however_often_it_is_asked_for() {
    let stage = Stage::well().await;
    for _ in 0..10 {
        stage.presigner.prewarm(ada(), &session(&ada()));
    }
    stage.prewarmed(&ada()).await;
    assert_eq!(stage.aws.calls("CreatePresignedDomainUrl").len(), 1);
}

#[tokio::test]
async fn signing_out_empties_the_slot_and_stops_the_one_being_filled() {
    let stage = Setup::new()
        .with(|call| {
            presigns(call).then(|| {
                let url = format!("https://d.studio.sagemaker.aws/auth?token={}", call.number);
                let reply = Reply::Json(200, serde_json::json!({"AuthorizedUrl": url}));
                Reply::After(Duration::from_millis(150), Box::new(reply))
            })
        })
        .await;
    stage.prewarmed(&ada()).await;
    stage.presigner.forget(&session(&ada()));
    assert!(!stage.presign(&ada()).await.unwrap().facts.from_slot);

    stage.presigner.prewarm(ada(), &session(&ada()));
    while stage.aws.calls("CreatePresignedDomainUrl").len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.presigner.forget(&session(&ada()));
    // Signed in again: the slot is free, and the late answer for the earlier session must not fill it.
    stage.presigner.prewarm(ada(), &session(&ada()));
    tokio::time::sleep(Duration::from_millis(600)).await;
    let fourth = stage.presign(&ada()).await.unwrap();
    assert!(fourth.facts.from_slot);
    let calls = stage.aws.calls("CreatePresignedDomainUrl");
    assert_eq!(calls.len(), 4);
    assert_eq!(fourth.facts.aws_request_id.as_deref(), Some(&*format!("request-{}", calls[3].number)));
}

#[tokio::test]
async fn signing_out_leaves_others_alone() {
    let stage = Stage::well().await;
    stage.prewarmed(&ada()).await;
    for (realm, user) in [("corp", "max"), ("partners", "ada")] {
        stage.presigner.forget(&session(&Grant::for_tests(realm, user, mint(studio("ada")))));
    }
    assert!(stage.presign(&ada()).await.unwrap().facts.from_slot);
}

#[tokio::test]
async fn a_url_whose_request_went_away_is_kept_for_nobody() {
    let stage = Setup::new()
        .with(|call| {
            let first = presigns(call) && call.number <= 2;
            first.then(|| Reply::After(Duration::from_millis(300), Box::new(Reply::Close)))
        })
        .await;
    let grant = ada();
    assert!(tokio::time::timeout(Duration::from_millis(100), stage.presign(&grant)).await.is_err());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(stage.presigner.slots.filled(), 0);
    assert!(!stage.presign(&grant).await.unwrap().facts.from_slot);
}

#[tokio::test]
async fn nothing_shows_the_url() {
    let stage = Stage::well().await;
    let presigned = stage.presign(&ada()).await.unwrap();
    stage.prewarmed(&ada()).await;
    let shown = format!("{presigned:?} {:?}", stage.presigner);
    assert!(!shown.contains("token="), "{shown}");
    let location = presigned.url.into_location();
    assert!(location.is_sensitive());
}
