//! User profiles that were created here, and the tags of all profiles. The others are as the fixture has them.

use super::error::Error;
use super::input::{Input, Patterns, Text};
use super::mlflow::Course;
use super::operation::{DOMAIN_ID, PROFILE_NAME};
use crate::clock::Clock;
use crate::sandbox::lock::lock;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

pub(super) const CREATE: &str = "CreateUserProfile";
pub(super) const LIST: &str = "ListUserProfiles";
const ROLE: Text =
    Text { min: 20, max: 2048, pattern: Some(r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+") };
const NO_ROLE: &str = "The execution role cannot be assumed by SageMaker.";

/// By the ARN in lower case: AWS compares names of profiles without case.
pub(in crate::sandbox) struct Profiles {
    created: Mutex<BTreeMap<String, Created>>,
    tags: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    clock: Clock,
    /// The duration of a creation.
    pace: Duration,
}

#[derive(Clone)]
struct Created {
    name: String,
    settings: Value,
    /// Describe does not know it until then.
    visible: Instant,
    ends: Instant,
    fails: bool,
    at: u64,
}

/// A profile as Describe tells it.
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) status: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) settings: Value,
    pub(super) at: u64,
}

/// A valid input of a creation.
pub(super) struct NewProfile<'a> {
    pub(super) domain_id: String,
    pub(super) name: String,
    pub(super) execution_role: Option<String>,
    members: &'a Map<String, Value>,
}

impl<'a> NewProfile<'a> {
    pub(super) fn read(members: &'a Map<String, Value>, patterns: &Patterns) -> Result<Self, Error> {
        let mut input = Input::new(members, patterns);
        let domain_id = input.required("DomainId", DOMAIN_ID)?;
        let name = input.required("UserProfileName", PROFILE_NAME)?;
        input.finish()?;
        let none = Map::new();
        let settings = members.get("UserSettings").and_then(Value::as_object).unwrap_or(&none);
        let mut input = Input::new(settings, patterns);
        let execution_role = input.text("ExecutionRole", ROLE)?;
        let portal = settings.get("StudioWebPortalSettings").and_then(Value::as_object).unwrap_or(&none);
        let mut of_portal = Input::new(portal, patterns);
        of_portal.one_of("ExecutionRoleSessionNameMode", &["STATIC", "USER_IDENTITY"])?;
        input.finish()?;
        of_portal.finish()?;
        if members.contains_key("SingleSignOnUserIdentifier") || members.contains_key("SingleSignOnUserValue")
        {
            return Err(Error::validation(
                "SingleSignOnUserIdentifier is not supported for the IAM AuthMode.",
            ));
        }
        Ok(Self { domain_id, name, execution_role, members })
    }

    pub(super) fn is_tagged(&self) -> bool {
        self.members.contains_key("Tags")
    }
}

impl Profiles {
    pub(in crate::sandbox) fn new(clock: Clock, pace: Duration) -> Self {
        Self { created: Mutex::default(), tags: Mutex::default(), clock, pace }
    }

    /// As Describe tells it; `None` for a profile that nobody created here.
    pub(super) fn profile(&self, arn: &str) -> Option<Profile> {
        let created = lock(&self.created).get(&arn.to_ascii_lowercase()).cloned()?;
        if created.visible > Instant::now() {
            return None;
        }
        let (status, reason) = match (created.ends <= Instant::now(), created.fails) {
            (false, _) => ("Pending", None),
            (true, false) => ("InService", None),
            (true, true) => ("Failed", Some(NO_ROLE)),
        };
        let Created { name, settings, at, .. } = created;
        Some(Profile { name, status, reason, settings, at })
    }

    /// The names of those that were created here and whose ARNs begin so.
    pub(super) fn names(&self, prefix: &str) -> Vec<String> {
        let prefix = prefix.to_ascii_lowercase();
        let created = lock(&self.created);
        let there = created.iter().filter(|(arn, _)| arn.starts_with(&prefix));
        there.map(|(_, created)| created.name.clone()).collect()
    }

    /// `is_there`: the fixture has it.
    pub(super) fn create(
        &self,
        new: &NewProfile<'_>,
        arn: &str,
        is_there: bool,
        course: Course,
    ) -> Result<Value, Error> {
        let key = arn.to_ascii_lowercase();
        let mut created = lock(&self.created);
        if is_there || created.contains_key(&key) {
            let message = format!("UserProfile {} already exists in domain {}.", new.name, new.domain_id);
            return Err(Error::new("ResourceInUse", message));
        }
        let now = Instant::now();
        let settings = new.members.get("UserSettings").cloned().unwrap_or_else(|| json!({}));
        let profile = Created {
            name: new.name.clone(),
            settings,
            visible: now + course.lag,
            ends: now + self.pace,
            fails: course.fails,
            at: self.clock.now().0,
        };
        created.insert(key.clone(), profile);
        self.tag(&key, new.members);
        Ok(json!({"UserProfileArn": arn}))
    }

    pub(super) fn tags_of(&self, arn: &str) -> Value {
        let tags = lock(&self.tags).get(&arn.to_ascii_lowercase()).cloned().unwrap_or_default();
        let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        json!({"Tags": tags})
    }

    pub(super) fn tag(&self, arn: &str, members: &Map<String, Value>) {
        let mut tags = lock(&self.tags);
        let own = tags.entry(arn.to_ascii_lowercase()).or_default();
        let text =
            |tag: &Value, name: &str| tag.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        for tag in members.get("Tags").and_then(Value::as_array).into_iter().flatten() {
            own.insert(text(tag, "Key"), text(tag, "Value"));
        }
    }
}
