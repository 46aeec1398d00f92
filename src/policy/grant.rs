//! The two ends of a decision: a [`Grant`] or a [`Denial`].

use super::question::Question;
use crate::provider::principal::Principal;
use crate::target::{Access, Mint, NewProfile};
use std::sync::Arc;
use url::Url;

/// The permission of one person to open one resolved target, now.
///
/// Only `policy` makes one (the fields are private to it and there is no other constructor), and presigning takes
/// nothing else: nothing is minted without a grant.
#[derive(Clone, Debug)]
pub struct Grant {
    principal: Arc<Principal>,
    destination: Arc<str>,
    path: Option<Box<str>>,
    mint: Mint,
    api: Option<Arc<Api>>,
    studio: Option<Arc<Studio>>,
    trace: Trace,
}

/// How a destination opens a Studio domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Studio {
    /// Creates the person's profile on a first visit.
    pub new_profile: Option<NewProfile>,
    /// Sends people to the address of a domain that is signed in to by Identity Center.
    pub redirects_sso: bool,
}

/// How programs call an MLflow target's API.
#[derive(Debug)]
pub struct Api {
    /// Replaces the region's public endpoint.
    pub(crate) endpoint_url: Option<Url>,
    /// How files of runs and models are carried; `None` if they are not.
    pub(crate) artifacts: Option<Artifacts>,
}

/// How the files of an artifact store are carried.
#[derive(Clone, Debug)]
pub(crate) struct Artifacts {
    /// Replaces the region's public endpoint of S3.
    pub(crate) s3_endpoint_url: Option<Url>,
    /// The most bytes of one uploaded file.
    pub(crate) body_size: u64,
}

impl Grant {
    pub(super) fn new(
        question: &Question<'_>,
        destination: Arc<str>,
        mint: Mint,
        (api, studio): (Option<Arc<Api>>, Option<Arc<Studio>>),
        trace: Trace,
    ) -> Self {
        let principal = Arc::clone(question.principal);
        Self { principal, destination, path: question.path.map(Box::from), mint, api, studio, trace }
    }

    /// The same grant with no more than this access to the API. Never gives more.
    #[must_use]
    pub fn narrowed(mut self, most: Access) -> Self {
        self.mint.access = self.mint.access.map(|given| given.min(most));
        self
    }

    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    pub fn destination(&self) -> &Arc<str> {
        &self.destination
    }

    /// The deep link that was asked for.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    pub fn mint(&self) -> &Mint {
        &self.mint
    }

    /// How programs call the target, where they may.
    pub fn api(&self) -> Option<&Api> {
        self.api.as_deref()
    }

    /// The profile to create if the person has none, where the destination creates profiles.
    pub fn new_profile(&self) -> Option<&NewProfile> {
        self.studio.as_ref()?.new_profile.as_ref()
    }

    /// Whether people are sent to the address of a domain that is signed in to by Identity Center.
    pub fn redirects_sso(&self) -> bool {
        self.studio.as_ref().is_some_and(|studio| studio.redirects_sso)
    }

    pub fn trace(&self) -> &Trace {
        &self.trace
    }
}

/// The permission of one person to start one resolved target, now.
///
/// Like a [`Grant`], only `policy` makes one, and starting takes nothing else.
#[derive(Clone, Debug)]
pub struct StartGrant(Grant);

impl StartGrant {
    pub(super) fn new(grant: Grant) -> Self {
        Self(grant)
    }

    /// The permission to open it, which comes first.
    pub fn grant(&self) -> &Grant {
        &self.0
    }
}

/// Why a person may not open a destination.
#[derive(Clone, Debug)]
pub struct Denial {
    pub reason: DenialReason,
    /// The advice to the person, by the author of the deciding rule.
    pub remedy: Option<Arc<str>>,
    pub trace: Trace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialReason {
    /// A `deny` rule matched.
    RuleDenied,
    /// No rule matched.
    NoRule,
    /// A rule failed to evaluate, or its target did not resolve to legal names.
    RuleError,
    /// A rule asked for groups that the provider left out.
    GroupsOverage,
}

impl DenialReason {
    /// The stable word that programs, the audit record and the policy tests see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RuleDenied => "rule-denied",
            Self::NoRule => "no-rule",
            Self::RuleError => "rule-error",
            Self::GroupsOverage => "groups-overage",
        }
    }
}

/// The rules that were tried, in order, with the outcome of each. The last step decided, unless nothing matched.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub rule: Arc<str>,
    pub effect: Effect,
    /// The expression as written in the config.
    pub expression: Arc<str>,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Matched,
    NotMatched,
    /// The expression, or a template of the rule's target, could not be evaluated; the text says why, for the admin.
    Failed(String),
}

impl Trace {
    /// Names the rule that could not be evaluated, and says why, for the admin.
    pub fn failure(&self) -> Option<String> {
        let step = self.deciding()?;
        match &step.outcome {
            Outcome::Failed(why) => Some(format!("the rule `{}`: {why}", step.rule)),
            Outcome::Matched | Outcome::NotMatched => None,
        }
    }

    /// The rule that decided, if one did.
    pub fn deciding(&self) -> Option<&Step> {
        self.steps.last().filter(|step| step.outcome != Outcome::NotMatched)
    }
}

#[cfg(test)]
impl Grant {
    /// For tests of code that takes a grant; the shipped program does not have it.
    pub(crate) fn for_tests(realm: &str, user: &str, mint: Mint) -> Self {
        let principal = Principal {
            realm: realm.into(),
            user: user.to_owned(),
            issuer: realm.into(),
            subject: user.to_owned(),
            name: None,
            groups: crate::provider::principal::Groups::LeftOut,
            groups_total: None,
            claims: Arc::default(),
        };
        let question = Question { principal: &Arc::new(principal), client_ip: None, path: None, query: None };
        Self::new(&question, "destination".into(), mint, (None, None), Trace::default())
    }
}
