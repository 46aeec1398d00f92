//! The changes that bring a server to its declaration: a pure function of the declaration and AWS's description.

use super::standing::{Standing, standing};
use crate::aws::mlflow::Described;
use crate::config::servers::{DeclaredServer, Field, Fields, ServerKind};
use aws_lc_rs::digest;
use serde::Serialize;

/// The tag with the digest of the declaration by which `postern servers apply` last created or changed the server. It
/// tells a change of the configuration from a change that somebody made at AWS.
pub(super) const DECLARED_TAG: &str = "postern:declared";
/// `AddTags` refuses longer ARNs.
const LONGEST_TAGGED_ARN: usize = 256;

/// The planned change of one server.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ServerPlan {
    #[serde(serialize_with = "kind_key")]
    pub(crate) kind: ServerKind,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) arn: Option<String>,
    /// AWS's status word; absent if the server does not exist.
    pub(crate) status: Option<String>,
    pub(crate) action: Action,
    /// By field, in the order of the table; the declared fields only, and at a creation AWS's defaults.
    pub(crate) lines: Vec<Line>,
    pub(crate) notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    /// Everything that can be changed is as declared.
    Keep,
    Create,
    Update,
    /// AWS is at work on the server; the plan is made after that.
    Wait,
    /// Something stands in the way that only a person can remove: the notes say what.
    Refuse,
}

/// One field, or one tag as `tags.KEY`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub(crate) field: String,
    pub(crate) change: Change,
    /// AWS's value.
    pub(crate) is: Option<String>,
    /// The declared value, or AWS's default at a creation.
    pub(crate) would_be: Option<String>,
    /// The cause of the difference, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<Cause>,
    /// Advice on a field that cannot be changed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    Create,
    Update,
    /// AWS, or this program without a flag, does not change it.
    Blocked,
    Same,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cause {
    /// The declaration is the one that was applied last: somebody changed the server at AWS.
    Drift,
    /// The declaration has changed since, or the server was made by other means.
    Declared,
}

/// The further changes that a run may make.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Permits {
    /// A changed artifact store may be sent to AWS.
    pub(crate) new_artifact_store: bool,
}

pub(crate) fn plan(declared: &DeclaredServer, described: Option<&Described>, permits: Permits) -> ServerPlan {
    let mut plan = ServerPlan {
        kind: declared.kind,
        name: declared.name.clone(),
        region: declared.region.to_string(),
        arn: described.map(|described| described.arn.clone()),
        status: described.map(|described| described.status.clone()),
        action: Action::Create,
        lines: Vec::new(),
        notes: Vec::new(),
    };
    let Some(described) = described else {
        plan.lines = creation(declared);
        plan.notes.extend(cost(declared.kind));
        return plan;
    };
    plan.lines = comparison(declared, described, permits);
    let differs = plan.lines.iter().any(|line| line.change == Change::Update);
    plan.action = match standing(declared.kind, &described.status) {
        Standing::Busy => Action::Wait,
        Standing::Stuck(advice) => {
            plan.notes.push(advice.to_owned());
            Action::Refuse
        }
        Standing::Unknown => {
            let status = &described.status;
            plan.notes
                .push(format!("AWS says `{status}`, which this version does not know: nothing is done"));
            Action::Refuse
        }
        Standing::Ready if differs => Action::Update,
        Standing::Ready if plan.is_blocked() => Action::Refuse,
        Standing::Ready => Action::Keep,
    };
    plan
}

impl ServerPlan {
    /// Whether AWS differs from the declaration, whoever has to act.
    pub(crate) fn has_something_to_do(&self) -> bool {
        self.action != Action::Keep
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.lines.iter().any(|line| line.change == Change::Blocked)
    }
}

fn creation(declared: &DeclaredServer) -> Vec<Line> {
    let fields = declared.kind.fields().iter().map(|field| {
        let written = declared.fields.get(*field).map(ToString::to_string);
        (field.as_str().to_owned(), written.unwrap_or_else(|| format!("({})", field.default())))
    });
    let tags = declared.tags.iter().map(|(key, value)| (format!("tags.{key}"), value.clone()));
    let line = |(field, would_be)| Line {
        field,
        change: Change::Create,
        is: None,
        would_be: Some(would_be),
        cause: None,
        advice: None,
    };
    fields.chain(tags).map(line).collect()
}

fn comparison(declared: &DeclaredServer, described: &Described, permits: Permits) -> Vec<Line> {
    let applied = described.tags.iter().find(|(key, _)| key == DECLARED_TAG).map(|(_, value)| value.as_str());
    let cause = if applied == Some(digest_of(declared).as_str()) { Cause::Drift } else { Cause::Declared };
    let fields = declared.fields.iter().map(|(field, value)| {
        let is = described.fields.get(field);
        let same = is.is_some_and(|is| field.agrees(value, is));
        let advice = (!same).then(|| advice(field, permits)).flatten();
        (field.as_str().to_owned(), is.map(ToString::to_string), value.to_string(), same, advice)
    });
    let tags = declared.tags.iter().map(|(key, value)| {
        let is = described.tags.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
        let same = is.as_ref() == Some(value);
        let too_long = !same && described.arn.len() > LONGEST_TAGGED_ARN;
        let advice =
            too_long.then(|| "AWS tags no resource whose ARN is longer than 256 characters".to_owned());
        (format!("tags.{key}"), is, value.clone(), same, advice)
    });
    let removed =
        described.tags.iter().filter(|(key, _)| declared.removed_tags.contains(key)).map(|(key, value)| {
            Line {
                field: format!("tags.{key}"),
                change: Change::Update,
                is: Some(value.clone()),
                would_be: None,
                cause: Some(cause),
                advice: None,
            }
        });
    let line =
        |(field, is, would_be, same, advice): (String, Option<String>, String, bool, Option<String>)| Line {
            field,
            change: match (same, &advice) {
                (true, _) => Change::Same,
                (false, Some(_)) => Change::Blocked,
                (false, None) => Change::Update,
            },
            is,
            would_be: Some(would_be),
            cause: (!same).then_some(cause),
            advice,
        };
    fields.chain(tags).map(line).chain(removed).collect()
}

fn advice(field: Field, permits: Permits) -> Option<String> {
    if field == Field::ArtifactStoreUri && !permits.new_artifact_store {
        return Some(
            "an update of the store was seen to hang at AWS for a day, and the artifacts stay where they are: copy them, \
             then run apply with --accept-new-artifact-store"
                .to_owned(),
        );
    }
    field.immutable().map(str::to_owned)
}

/// The fields that an Update must carry: those that differ and can be changed, and no other.
pub(super) fn update(declared: &DeclaredServer, described: &Described, permits: Permits) -> Fields {
    let differs = |(field, value): &(Field, &_)| {
        let is = described.fields.get(*field);
        !is.is_some_and(|is| field.agrees(value, is)) && advice(*field, permits).is_none()
    };
    declared.fields.iter().filter(differs).map(|(field, value)| (field, value.clone())).collect()
}

/// The tags that are absent or of another value.
pub(super) fn new_tags(declared: &DeclaredServer, described: &Described) -> Vec<(String, String)> {
    let can_be_tagged = described.arn.len() <= LONGEST_TAGGED_ARN;
    let differs = |tag: &&(String, String)| !described.tags.contains(tag);
    declared.tags.iter().filter(differs).filter(|_| can_be_tagged).cloned().collect()
}

/// The keys of tags to remove.
pub(super) fn old_tags(declared: &DeclaredServer, described: &Described) -> Vec<String> {
    let is_there = |key: &&String| described.tags.iter().any(|(known, _)| known == *key);
    declared.removed_tags.iter().filter(is_there).cloned().collect()
}

/// The declaration's digest as the tag's value: 32 hexadecimal digits.
pub(super) fn digest_of(declared: &DeclaredServer) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut add = |text: &str| {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    };
    for (field, value) in declared.fields.iter() {
        add(field.as_str());
        add(&value.to_string());
    }
    for (key, value) in &declared.tags {
        add(key);
        add(value);
    }
    context.finish().as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn cost(kind: ServerKind) -> Option<String> {
    (kind == ServerKind::TrackingServer).then(|| {
        "a tracking server is billed from its creation until it is stopped, also while nobody uses it \
         (aws sagemaker stop-mlflow-tracking-server)"
            .to_owned()
    })
}

fn kind_key<S: serde::Serializer>(kind: &ServerKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.key())
}
