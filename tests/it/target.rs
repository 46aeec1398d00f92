//! AWS's names: what a type accepts, the service model accepts, with its patterns anchored at both ends.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use postern::target::{
    DomainId, EXPIRES_IN, InvalidName, InvalidTarget, Kind, LandingUri, Links, MlflowAppArn,
    NotebookInstanceName, PartnerAppArn, Region, RoleArn, SESSION_EXPIRATION, SpaceName, Target,
    TrackingServerName, UserProfileName, Value,
};
use proptest::prelude::*;
use regex::Regex;
use std::sync::LazyLock;

/// A type, the pattern and greatest length of the service model (SageMaker 2017-07-24; IAM for roles), an example,
/// and whether the type accepts all that the model accepts.
struct Name {
    parses: fn(&str) -> bool,
    pattern: &'static str,
    longest: usize,
    example: &'static str,
    exact: bool,
}

const NAMES: [(&str, Name); 8] = [
    (
        "DomainId",
        Name {
            parses: |text| DomainId::parse(text).is_ok(),
            pattern: "d-(-*[a-z0-9]){1,61}",
            longest: 63,
            example: "d-abcdefghijkl",
            exact: true,
        },
    ),
    (
        "UserProfileName",
        Name {
            parses: |text| UserProfileName::parse(text).is_ok(),
            pattern: "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
            longest: 63,
            example: "risk--Ada",
            exact: true,
        },
    ),
    (
        "SpaceName",
        Name {
            parses: |text| SpaceName::parse(text).is_ok(),
            pattern: "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
            longest: 63,
            example: "team-space",
            exact: true,
        },
    ),
    (
        "TrackingServerName",
        Name {
            parses: |text| TrackingServerName::parse(text).is_ok(),
            pattern: "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}",
            longest: 256,
            example: "risk",
            exact: true,
        },
    ),
    (
        "NotebookInstanceName",
        Name {
            parses: |text| NotebookInstanceName::parse(text).is_ok(),
            pattern: "[a-zA-Z0-9](-*[a-zA-Z0-9])*",
            longest: 63,
            example: "Notebook-1",
            exact: true,
        },
    ),
    (
        "MlflowAppArn",
        Name {
            parses: |text| MlflowAppArn::parse(text).is_ok(),
            pattern: r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:mlflow-app/.*",
            longest: 128,
            example: "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/app-ABC123",
            exact: false,
        },
    ),
    (
        "PartnerAppArn",
        Name {
            parses: |text| PartnerAppArn::parse(text).is_ok(),
            pattern: r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:partner-app\/app-[A-Z0-9]{12}",
            longest: 128,
            example: "arn:aws-us-gov:sagemaker:us-gov-west-1:111122223333:partner-app/app-ABCDEFGH1234",
            exact: false,
        },
    ),
    (
        "RoleArn",
        Name {
            parses: |text| RoleArn::parse(text).is_ok(),
            pattern: r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
            longest: 2048,
            example: "arn:aws-cn:iam::111122223333:role/path/postern",
            exact: false,
        },
    ),
];

static MODELS: LazyLock<Vec<Regex>> = LazyLock::new(|| NAMES.iter().map(|(_, name)| name.model()).collect());

impl Name {
    fn model(&self) -> Regex {
        Regex::new(&format!("^(?:{})$", self.pattern)).unwrap()
    }
}

#[test]
fn examples_are_names() {
    for (kind, name) in &NAMES {
        assert!((name.parses)(name.example), "{kind}");
        assert!(name.model().is_match(name.example), "{kind}");
    }
}

/// Each is what an unanchored pattern, a pattern whose `$` stops before a line break, or a Unicode class would accept.
#[test]
fn nothing_stands_before_behind_or_inside_a_name() {
    for (kind, name) in &NAMES {
        let example = name.example;
        for stray in [
            "\n", "\r\n", "\0", " ", "\t", "\u{a0}", "\u{200b}", "\u{202e}", "%", "'", "\"", "?", "#", "\\",
            "é", "\u{661}", "Ａ",
        ] {
            for text in
                [format!("{example}{stray}"), format!("{stray}{example}"), format!("{example}{stray}x")]
            {
                assert!(!(name.parses)(&text), "{kind}: {text:?}");
            }
        }
        for text in [
            format!("{example}-"),
            format!("-{example}"),
            String::new(),
            example.repeat(200),
            example[1..].to_owned() + "-",
        ] {
            let is_role = *kind == "RoleArn" && text.ends_with('-');
            assert!(is_role || !(name.parses)(&text), "{kind}: {text:?}");
        }
    }
}

#[test]
fn lengths_end_where_the_model_ends_them() {
    let long = |parses: fn(&str) -> bool, head: &str, longest: usize| {
        let text = |length: usize| format!("{head}{}", "a".repeat(length - head.len()));
        assert!(parses(&text(longest)), "{longest}");
        assert!(!parses(&text(longest + 1)), "{longest}");
    };
    long(|text| DomainId::parse(text).is_ok(), "d-", 63);
    long(|text| UserProfileName::parse(text).is_ok(), "", 63);
    long(|text| SpaceName::parse(text).is_ok(), "", 63);
    long(|text| TrackingServerName::parse(text).is_ok(), "", 256);
    long(|text| NotebookInstanceName::parse(text).is_ok(), "", 63);
    long(
        |text| MlflowAppArn::parse(text).is_ok(),
        "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/",
        128,
    );
    long(|text| RoleArn::parse(text).is_ok(), "arn:aws:iam::111122223333:role/", 2048);
    let region = |length: usize| format!("eu-{}-1", "a".repeat(length - 5));
    assert!(Region::parse(&region(32)).is_ok());
    assert!(Region::parse(&region(33)).is_err());
    long(|text| LandingUri::parse(text).is_ok(), "studio::", 1023);
}

#[test]
fn an_arn_keeps_its_fields_apart() {
    for wrong in [
        "arn:aws:sagemaker:eu-west-1:11112222333:mlflow-app/a",
        "arn:aws:sagemaker::111122223333:mlflow-app/a",
        "arn:aws:sagemaker:eu-west-1.evil:111122223333:mlflow-app/a",
        "arn:AWS:sagemaker:eu-west-1:111122223333:mlflow-app/a",
        "arn:xaws:sagemaker:eu-west-1:111122223333:mlflow-app/a",
        "arn:aws:s3:eu-west-1:111122223333:mlflow-app/a",
        "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/",
        "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/../partner-app",
        "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-app/*",
        "arn:aws:sagemaker:eu-west-1:١١١١٢٢٢٢٣٣٣٣:mlflow-app/a",
    ] {
        assert!(MlflowAppArn::parse(wrong).is_err(), "{wrong}");
    }
    for wrong in [
        "arn:aws:iam::111122223333:role/",
        "arn:aws:iam::111122223333:role//a",
        "arn:aws:iam::111122223333:role/a/",
        "arn:aws:iam::111122223333:user/a",
        "arn:aws:iam:eu-west-1:111122223333:role/a",
        "arn:aws:iam::111122223333:role/*",
        "arn:aws:iam::111122223333:role/a:b",
    ] {
        assert!(RoleArn::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_region_is_one_label_of_a_host() {
    for right in ["eu-west-1", "us-gov-west-1", "cn-north-1"] {
        assert!(Region::parse(right).is_ok(), "{right}");
    }
    for wrong in [
        "",
        "europe",
        "eu-west-1.evil.example",
        "eu-west-1/",
        "eu-west-1@x",
        "EU-WEST-1",
        "-eu-west-1",
        "eu-west-1-",
        "eu west-1",
        "eu-west-1\n",
        "eu-wést-1",
    ] {
        assert!(Region::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_landing_uri_has_a_known_form_and_stays_below_it() {
    for right in [
        "studio::",
        "studio::jobs/x",
        "app:JupyterLab:lab/tree/a.ipynb",
        "app:JupyterServer:",
        "app:RStudioServerPro:",
        "app:CodeEditor:x",
        "app:Canvas:",
        "studio::a..b/...",
        "studio::100%",
        "studio::a%20b",
    ] {
        assert!(LandingUri::parse(right).is_ok(), "{right}");
    }
    for wrong in [
        "",
        "studio:",
        "studio",
        "app:",
        "app:JupyterLab",
        "app:Unknown:",
        "APP:JupyterLab:",
        "https://evil.example/",
        " studio::",
        "studio::/",
        "studio::/x",
        "studio:://evil.example",
        "studio::..",
        "studio::..?",
        "studio::a/%2E.%3Fb",
        "studio::a/../b",
        "studio::./a",
        "studio::a\\b",
        "studio::a b",
        "studio::a\nb",
        "studio::a\0",
        "studio::a#b",
        "studio::\u{a0}",
        "studio::%2e%2e/a",
        "studio::a/%2E./b",
        "studio::.%2e",
        "studio::a%2fb",
        "studio::a%5Cb",
        "studio::%2F",
    ] {
        assert!(LandingUri::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn seconds_have_both_ends() {
    for (seconds, legal) in [
        (4, false),
        (5, true),
        (300, true),
        (301, false),
        (-5, false),
        (i64::MAX, false),
        (4_294_967_301, false),
    ] {
        assert_eq!(EXPIRES_IN.parse(seconds).is_ok(), legal, "{seconds}");
    }
    for (seconds, legal) in [(1799, false), (1800, true), (43_200, true), (43_201, false)] {
        assert_eq!(SESSION_EXPIRATION.parse(seconds).is_ok(), legal, "{seconds}");
    }
}

/// A target is of its kind, whole, and made of nothing that AWS refuses.
#[test]
fn a_target_holds_what_its_kind_has() {
    let text = |text: &str| Value::Text(text.into());
    let studio = |values: Vec<(&'static str, Value)>| Target::new(Kind::StudioDomain, values);
    let whole = vec![("domain_id", text("d-abc")), ("user_profile_name", text("ada"))];
    let target = studio(whole.clone()).unwrap();
    assert_eq!(
        (target.names(), target.to_string().as_str()),
        (vec!["d-abc", "ada"], "user profile ada of d-abc")
    );
    let reversed: Vec<_> = whole.iter().rev().cloned().collect();
    assert_eq!(studio(reversed).unwrap(), target, "the order of the fields means nothing");
    assert_eq!(studio(whole[..1].to_vec()), Err(InvalidTarget::Missing("user_profile_name")));
    let foreign = Err(InvalidTarget::Foreign("arn"));
    assert_eq!(studio([whole.clone(), vec![("arn", text("x"))]].concat()), foreign);
    assert_eq!(
        target.with("expires_in_seconds", text("20")),
        Err(InvalidTarget::Foreign("expires_in_seconds"))
    );
    assert_eq!(
        target.with("expires_in_seconds", Value::Seconds(20)).unwrap().seconds("expires_in_seconds"),
        Some(20)
    );
    for (key, value) in [
        ("user_profile_name", text("a_b")),
        ("landing_uri", text("https://evil.example")),
        ("expires_in_seconds", Value::Seconds(301)),
    ] {
        let refused = target.with(key, value).unwrap_err();
        assert!(matches!(refused, InvalidTarget::Invalid(found, _) if found == key), "{refused}");
    }
}

/// What stands in the table of one kind fits together.
#[test]
fn the_table_names_its_own_fields() {
    for kind in Kind::ALL {
        let description = kind.description();
        assert_eq!(description.kind, kind);
        assert!(!description.names.is_empty(), "{kind:?}");
        for key in description.names {
            let field = kind.field(key).unwrap_or_else(|| panic!("{kind:?} is named by its field {key}"));
            assert!(field.is_required && field.makes_place, "{kind:?}: {key}");
        }
        assert_eq!(kind.field("landing_uri").is_some(), description.links == Links::LandingUri, "{kind:?}");
        assert!(description.fields.iter().all(|field| !field.description.is_empty()), "{kind:?}");
    }
}

#[test]
fn an_invalid_name_is_shown_without_its_control_characters() {
    let invalid: InvalidName = DomainId::parse("d-\n\u{1b}[31m").unwrap_err();
    assert!(
        invalid.to_string().starts_with(r"`d-\n\u{1b}[31m` is not allowed here: `d-` and then"),
        "{invalid}"
    );
}

/// The example with up to three characters changed, or a short text of the characters that matter.
fn near(example: &'static str) -> impl Strategy<Value = String> {
    let character = prop_oneof![
        Just('-'),
        Just('a'),
        Just('A'),
        Just('0'),
        Just('/'),
        Just(':'),
        Just('\n'),
        any::<char>()
    ];
    let edit = (any::<proptest::sample::Index>(), proptest::option::of(character), any::<bool>());
    let edited = proptest::collection::vec(edit, 0..4).prop_map(move |edits| {
        let mut characters: Vec<char> = example.chars().collect();
        for (index, with, replace) in edits {
            let at = index.index(characters.len() + 1);
            if replace && at < characters.len() {
                characters.remove(at);
            }
            if let Some(with) = with {
                characters.insert(at.min(characters.len()), with);
            }
        }
        characters.into_iter().collect::<String>()
    });
    prop_oneof![edited, "(d-)?[aA0-]{0,70}", "\\PC{0,5}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn what_a_type_accepts_the_model_accepts(texts in NAMES.map(|(_, name)| near(name.example))) {
        for (((kind, name), model), text) in NAMES.iter().zip(&*MODELS).zip(texts) {
            let accepted = (name.parses)(&text);
            let modelled = model.is_match(&text) && text.chars().count() <= name.longest;
            prop_assert!(!accepted || modelled, "{kind} accepts {text:?}");
            prop_assert!(!name.exact || accepted == modelled, "{kind}: {text:?}");
        }
    }
}
