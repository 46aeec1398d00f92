//! However a run is disturbed, it ends with one server, as declared, or in words.

use super::{PACE, REGION, RISK, ROLE, Workshop, ended};
use postern::sandbox::{Fault, Times};
use serde_json::json;
use std::time::Duration;

/// A hundred servers and Apps; each run is killed at another moment of its course and then run to its end.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_and_run_again_there_is_one_server() {
    let workshop = Workshop::new().await;
    let declared = |number: usize| {
        format!(
            "\n  server-{number}:\n    artifact_store_uri: s3://corp-ml/server-{number}\n    role_arn: {ROLE}\n    \
             tags: {{number: \"{number}\"}}"
        )
    };
    // Every fourth is an App, whose name AWS does not keep unique.
    let is_app = |number: &usize| number % 4 == 3;
    let (apps, servers): (Vec<_>, Vec<_>) = (0..100_usize).partition(is_app);
    let yaml = |numbers: &[usize]| numbers.iter().map(|number| declared(*number)).collect::<String>();
    workshop.declare(&yaml(&servers), &yaml(&apps));
    for number in 0..100_usize {
        let name = format!("server-{number}");
        let mut child = workshop.start(&["apply", "--yes", &name]);
        // A multiplicative sequence spreads the moments evenly over a run.
        std::thread::sleep(Duration::from_millis((number as u64 * 61) % 100 * 4));
        _ = child.kill();
        _ = child.wait();
        let run = workshop.apply(&["--no-wait", &name]);
        assert_eq!(run.status, 0, "{name}: {}{}", run.out, run.err);
    }
    tokio::time::sleep(PACE * 2).await;
    let plan = workshop.run(&["plan", "--check"]);
    assert_eq!(plan.status, 0, "{}{}", plan.out, plan.err);
    let mut created = workshop.sandbox.created_servers();
    created.sort();
    created.dedup();
    assert_eq!((created.len(), workshop.sandbox.created_servers().len()), (100, 100), "none is there twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_at_once_end_well() {
    let workshop = Workshop::with_servers(RISK).await;
    workshop.sandbox.faults().inject(
        Some("DescribeMlflowTrackingServer"),
        Fault::Slow(Duration::from_millis(60)),
        Times::UntilCleared,
    );
    let runs = [0, 1].map(|_| workshop.start(&["apply", "--yes", "--timeout", "30s"]));
    for run in runs.map(ended) {
        assert_eq!(run.status, 0, "{}{}", run.out, run.err);
        assert!(run.out.contains("tracking server analysis: as declared"), "{}", run.out);
    }
    assert_eq!(workshop.sandbox.created_servers(), ["analysis"]);
}

/// The answer to a Create is lost: AWS made the server, or did not.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_creates_nothing_twice() {
    let servers = RISK;
    let apps = format!("\n  research:\n    artifact_store_uri: s3://corp-ml/research\n    role_arn: {ROLE}");
    for (operation, servers, apps, name) in [
        ("CreateMlflowTrackingServer", servers, "", "analysis"),
        ("CreateMlflowApp", "", apps.as_str(), "research"),
    ] {
        for fault in [Fault::CutBody, Fault::Unavailable, Fault::Throttle] {
            let workshop = Workshop::new().await;
            workshop.declare(servers, apps);
            workshop.sandbox.faults().inject(Some(operation), fault.clone(), Times::Next(1));
            let mut run = workshop.apply(&[]);
            if run.status != 0 && name == "research" && fault == Fault::Unavailable {
                // An App that AWS may be making is not asked for a second time by the same run.
                assert!(
                    run.out.contains("whether AWS makes the App cannot be told"),
                    "{}{}",
                    run.out,
                    run.err
                );
                assert_eq!(workshop.calls(operation).len(), 1);
                run = workshop.apply(&[]);
            }
            assert_eq!(run.status, 0, "{operation} {fault:?}: {}{}", run.out, run.err);
            assert_eq!(workshop.sandbox.created_servers(), [name], "{operation} {fault:?}");
        }
    }
}

/// Describe and the list of Apps know of a creation some seconds later.
#[tokio::test(flavor = "multi_thread")]
async fn what_describe_does_not_know_yet_is_not_created_again() {
    let apps = format!("\n  research:\n    artifact_store_uri: s3://corp-ml/research\n    role_arn: {ROLE}");
    for (servers, apps) in [(RISK, ""), ("", apps.as_str())] {
        let workshop = Workshop::new().await;
        workshop.declare(servers, apps);
        for operation in ["CreateMlflowTrackingServer", "CreateMlflowApp"] {
            workshop.sandbox.faults().inject(
                Some(operation),
                Fault::Lag(Duration::from_secs(2)),
                Times::UntilCleared,
            );
        }
        let run = workshop.apply(&["--max-creates", "5"]);
        assert_eq!(run.status, 0, "{}{}", run.out, run.err);
        assert_eq!(workshop.sandbox.created_servers().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_is_waited_out() {
    let workshop = Workshop::with_servers(RISK).await;
    for operation in
        ["GetCallerIdentity", "DescribeMlflowTrackingServer", "CreateMlflowTrackingServer", "ListTags"]
    {
        workshop.sandbox.faults().inject(Some(operation), Fault::Throttle, Times::Next(2));
    }
    let run = workshop.apply(&[]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    assert_eq!(workshop.sandbox.created_servers(), ["analysis"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_to_do() {
    for (field, value, said) in [
        (
            "role_arn",
            "arn:aws:iam::111122223333:role/not-passable",
            "the operator needs iam:PassRole on `role_arn`",
        ),
        ("role_arn", "arn:aws:iam::444455556666:role/mlflow", "Cross-account pass role is not allowed"),
        ("artifact_store_uri", "s3://foreign-bucket/a", "must belong to `s3_bucket_owner_account_id`"),
        ("role_arn", "arn:aws:iam::111122223333:role/broken", "AWS could not create it and gives no reason"),
        ("mlflow_version", "\"2.16.2\"", "The provided MLflow version is not supported"),
    ] {
        let fields = [("artifact_store_uri", "s3://corp-ml/analysis"), ("role_arn", ROLE), (field, value)];
        let mut yaml = "\n  analysis:".to_owned();
        for (index, (key, written)) in fields.iter().enumerate() {
            if !fields.iter().skip(index + 1).any(|(later, _)| later == key) {
                yaml += &format!("\n    {key}: {written}");
            }
        }
        let workshop = Workshop::with_servers(&yaml).await;
        let run = workshop.apply(&[]);
        assert_eq!(run.status, 1, "{value}: {}{}", run.out, run.err);
        assert!(run.out.contains(said), "{value}: {}{}", run.out, run.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_creates_no_more_than_it_was_told() {
    let two =
        format!("{RISK}  other:\n    artifact_store_uri: s3://corp-ml-risk/other\n    role_arn: {ROLE}\n");
    let workshop = Workshop::with_servers(&two).await;
    let run = workshop.apply(&[]);
    assert_eq!(run.status, 1);
    assert!(run.err.contains("--max-creates 2"), "{}", run.err);
    assert!(workshop.sandbox.created_servers().is_empty());
    let run = workshop.apply(&["other"]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    assert_eq!(workshop.sandbox.created_servers(), ["other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_can_be_asked_nothing_is_changed() {
    let workshop = Workshop::with_servers(RISK).await;
    let run = workshop.run(&["apply"]);
    assert_eq!(run.status, 2);
    assert!(run.err.contains("say --yes"), "{}", run.err);
    assert!(run.out.contains("Plan: 1 to create."), "{}", run.out);
    assert!(workshop.sandbox.created_servers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_does_not_wait_says_what_is_under_way() {
    let workshop = Workshop::with_servers(RISK).await;
    let run = workshop.apply(&["--no-wait"]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    assert!(run.out.contains("AWS is at work (Creating); run apply again to go on"), "{}", run.out);
    tokio::time::sleep(PACE * 2).await;
    let run = workshop.apply(&["--no-wait"]);
    assert!(run.out.contains("tracking server analysis: as declared"), "{}", run.out);
}

/// A changed store is an update that was seen to hang: it needs its own word.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_store_needs_its_flag_and_a_new_role_or_version_is_refused() {
    let workshop = Workshop::with_servers(RISK).await;
    assert_eq!(workshop.apply(&[]).status, 0);
    workshop.declare(&RISK.replace("/analysis", "/elsewhere"), "");
    let run = workshop.apply(&[]);
    assert_eq!(run.status, 1, "{}", run.out);
    assert!(run.out.contains("--accept-new-artifact-store"), "{}", run.out);
    assert!(workshop.calls("UpdateMlflowTrackingServer").is_empty());
    let run = workshop.apply(&["--accept-new-artifact-store"]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    assert_eq!(
        workshop.calls("UpdateMlflowTrackingServer")[0].input,
        json!({"TrackingServerName": "analysis", "ArtifactStoreUri": "s3://corp-ml-risk/elsewhere"})
    );
    let updates = workshop.calls("UpdateMlflowTrackingServer").len();
    for changed in [
        RISK.replace("/analysis", "/elsewhere").replace("role/mlflow", "role/other"),
        format!("{}\n    mlflow_version: \"2.16\"\n", RISK.replace("/analysis", "/elsewhere").trim_end()),
    ] {
        workshop.declare(&changed, "");
        let run = workshop.apply(&[]);
        assert_eq!(run.status, 1, "{}", run.out);
        assert!(run.out.contains("differs and cannot be changed here"), "{}", run.out);
        assert_eq!(workshop.calls("UpdateMlflowTrackingServer").len(), updates);
    }
    for never in ["DeleteMlflowTrackingServer", "DeleteMlflowApp"] {
        assert!(workshop.calls(never).is_empty(), "{never}");
    }
}

/// The words of both kinds: what a plan makes of each.
#[tokio::test(flavor = "multi_thread")]
async fn each_status_word_leads_to_what_the_documentation_says() {
    let workshop = Workshop::with_servers(RISK).await;
    assert_eq!(workshop.apply(&[]).status, 0);
    for (status, action) in [
        ("Creating", "wait"),
        ("Created", "keep"),
        ("CreateFailed", "refuse"),
        ("Updating", "wait"),
        ("Updated", "keep"),
        ("UpdateFailed", "keep"),
        ("Deleting", "refuse"),
        ("DeleteFailed", "refuse"),
        ("Stopping", "wait"),
        ("Stopped", "keep"),
        ("StopFailed", "keep"),
        ("Starting", "wait"),
        ("Started", "keep"),
        ("StartFailed", "keep"),
        ("MaintenanceInProgress", "wait"),
        ("MaintenanceComplete", "keep"),
        ("MaintenanceFailed", "keep"),
        ("SomethingNew", "refuse"),
    ] {
        assert!(workshop.sandbox.drift(REGION, "analysis", "TrackingServerStatus", json!(status)));
        let plan = workshop.plan();
        assert_eq!(plan["action"], action, "{status}: {plan}");
        let said = plan["notes"].to_string();
        assert_eq!(action == "refuse", said != "[]", "{status}: a person is told what to do: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_two_apps_carry_is_refused() {
    let workshop = Workshop::new().await;
    let app = |name: &str| {
        format!("\n  {name}:\n    artifact_store_uri: s3://corp-ml/{name}\n    role_arn: {ROLE}")
    };
    workshop.declare("", &app("research"));
    // Two operators whose lists both came before the other's creation.
    workshop.sandbox.faults().inject(
        Some("CreateMlflowApp"),
        Fault::Lag(Duration::from_secs(2)),
        Times::UntilCleared,
    );
    let runs = [0, 1].map(|_| workshop.start(&["apply", "--yes", "--timeout", "30s"]));
    let said: Vec<String> = runs.map(ended).into_iter().map(|run| run.out + &run.err).collect();
    if workshop.sandbox.created_servers().len() == 2 {
        assert!(said.iter().any(|said| said.contains("several Apps carry this name")), "{said:?}");
    }
    let plan = workshop.run(&["plan"]);
    assert_eq!(
        plan.status,
        i32::from(workshop.sandbox.created_servers().len() == 2),
        "{}{}",
        plan.out,
        plan.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_role_is_refused() {
    let workshop = Workshop::with_servers(RISK).await;
    let role = "arn:aws:iam::111122223333:role/postern";
    let run = workshop.run(&["plan", "--role-arn", role]);
    assert_eq!(run.status, 1, "{}{}", run.out, run.err);
    assert!(run.err.contains("credentials of the gateway's role"), "{}", run.err);
    let run = workshop.run(&["plan", "--role-arn", "arn:aws:iam::111122223333:role/admin"]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    let describe = workshop.calls("DescribeMlflowTrackingServer");
    assert!(describe[0].caller.arn.contains(":assumed-role/admin/"), "{:?}", describe[0].caller);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_are_named_are_set_and_taken_away_and_others_stay() {
    let tagged = |tags: &str| format!("{}\n    {tags}\n", RISK.trim_end());
    let workshop = Workshop::with_servers(&tagged("tags: {cost-center: \"0042\", team: risk}")).await;
    assert_eq!(workshop.apply(&[]).status, 0);
    workshop.declare(&tagged("tags: {cost-center: \"0043\"}\n    removed_tags: [old, team]"), "");
    let run = workshop.apply(&[]);
    assert_eq!(run.status, 0, "{}{}", run.out, run.err);
    assert_eq!(workshop.calls("DeleteTags")[0].input["TagKeys"], json!(["team"]));
    let added = workshop.calls("AddTags")[0].input["Tags"].clone();
    assert!(added.as_array().unwrap().contains(&json!({"Key": "cost-center", "Value": "0043"})), "{added}");
    assert!(workshop.calls("UpdateMlflowTrackingServer").is_empty(), "tags are no Update");
    assert_eq!(workshop.run(&["plan", "--check"]).status, 0);
}
