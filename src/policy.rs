//! The decision on access: a pure function of a person, a request and the configured rules. No I/O, never `async`.
//!
//! [`compile`](compile::compile) turns the written rules into a [`Policy`], or reports every fault in them.
//! [`Policy::authorize`] is the only way to a [`Grant`].

mod apart;
mod blueprint;
pub mod compile;
pub mod coverage;
pub mod explain;
mod expression;
mod forms;
pub mod grant;
mod join;
pub mod judge;
pub mod link;
pub mod lookup;
pub mod name_pattern;
pub mod named_profiles;
mod paths;
pub mod policy_test;
pub mod possible;
pub mod profile_name;
mod question;
mod recorded;
pub mod start;
mod template;

pub use crate::target::Kind;
pub use forms::Issuer;
pub use question::Question;

use crate::provider::policy_inputs::PolicyInputs;
use crate::target::{LANDING_URI, Links, Mint, NewProfile, Value};
use blueprint::Blueprint;
use expression::Condition;
use expression::facts::Facts;
use expression::functions::Library;
use grant::{Api, Denial, DenialReason, Effect, Grant, Outcome, Step, Studio, Trace};
use paths::Glob;
use start::Start;
use std::sync::Arc;

/// The rules in force. It never changes; a reload makes another one.
#[derive(Debug)]
pub struct Policy {
    library: Library,
    /// Tried before every destination's own rules.
    deny: Vec<Rule>,
    /// In the order of the configuration.
    destinations: Vec<Destination>,
    reads: PolicyInputs,
}

/// A name under which people open a target, and the rules for it.
#[derive(Debug)]
pub struct Destination {
    name: Arc<str>,
    title: String,
    description: Option<String>,
    kind: Kind,
    prewarm: bool,
    rules: Vec<Rule>,
    paths: Vec<Glob>,
    /// The inputs of its own rules and of the global ones.
    reads: PolicyInputs,
    api: Option<Arc<Api>>,
    /// The settings of a Studio domain.
    studio: Option<Arc<Studio>>,
    /// `None` if nobody may start its target.
    start: Option<Start>,
}

/// The reason why no [`Grant`] was made.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The rules say no: 403.
    Denied(Box<Denial>),
    /// The rules say yes, but the destination has no such path: 404. A person who is denied never learns this.
    NoSuchPath(Trace),
}

/// The word for [`Refusal::NoSuchPath`].
pub const NO_SUCH_PATH: &str = "no-such-path";

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    /// As written in the configuration.
    expression: Arc<str>,
    condition: Condition,
    verdict: Verdict,
    remedy: Option<Arc<str>>,
}

#[derive(Debug)]
enum Verdict {
    Deny,
    Allow(Arc<Blueprint>),
}

impl Policy {
    /// Tries the rules in order, the global ones first. The first that matches decides; one that cannot be evaluated
    /// denies; and so does the end of the list.
    ///
    /// # Errors
    ///
    /// [`Refusal`], with the trace of every rule that was tried.
    pub fn authorize(&self, destination: &Destination, question: &Question<'_>) -> Result<Grant, Refusal> {
        let facts = Facts::new(&self.library, question);
        let mut trace = Trace::default();
        for rule in self.deny.iter().chain(&destination.rules) {
            let decision = rule.decide(&facts);
            trace.steps.push(rule.step(&decision));
            match decision {
                Decision::NotMatched => {}
                Decision::Refused { reason, .. } => {
                    return Err(Refusal::denied(reason, Some(rule), trace));
                }
                Decision::Allowed(mint) => {
                    let name = Arc::clone(&destination.name);
                    return match destination.land(mint, question) {
                        Some(mint) => {
                            let ways = (destination.api.clone(), destination.studio.clone());
                            Ok(Grant::new(question, name, mint, ways, trace))
                        }
                        None => Err(Refusal::NoSuchPath(trace)),
                    };
                }
            }
        }
        Err(Refusal::denied(DenialReason::NoRule, None, trace))
    }

    /// Whether one of the first `tried` rules of a destination asks about this variable.
    pub fn asks(&self, destination: &Destination, tried: usize, variable: &str) -> bool {
        self.deny
            .iter()
            .chain(&destination.rules)
            .take(tried)
            .any(|rule| rule.condition.evaluated().names(variable))
    }

    /// The facts of a person that the rules and the targets can read, found in the text of their expressions.
    pub fn reads(&self) -> &PolicyInputs {
        &self.reads
    }

    pub fn destination(&self, name: &str) -> Option<&Destination> {
        self.destinations.iter().find(|destination| &*destination.name == name)
    }

    /// In the order of the configuration.
    pub fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.destinations.iter()
    }
}

impl Refusal {
    fn denied(reason: DenialReason, rule: Option<&Rule>, trace: Trace) -> Self {
        // A remedy answers a rule that matched; one that could not be evaluated says nothing about the person.
        let remedy = rule.filter(|_| reason == DenialReason::RuleDenied).and_then(|rule| rule.remedy.clone());
        Self::Denied(Box::new(Denial { reason, remedy, trace }))
    }

    /// The stable word that programs, the audit record and the policy tests see.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Denied(denial) => denial.reason.as_str(),
            Self::NoSuchPath(_) => NO_SUCH_PATH,
        }
    }

    pub fn trace(&self) -> &Trace {
        match self {
            Self::Denied(denial) => &denial.trace,
            Self::NoSuchPath(trace) => trace,
        }
    }

    /// The advice to the person, by the author of the deciding rule.
    pub fn remedy(&self) -> Option<&Arc<str>> {
        match self {
            Self::Denied(denial) => denial.remedy.as_ref(),
            Self::NoSuchPath(_) => None,
        }
    }
}

/// The answer of one rule to one question.
enum Decision {
    NotMatched,
    Allowed(Mint),
    /// A `deny` rule matched, or the expression or the target could not be evaluated; `failure` says why, for the admin.
    Refused {
        reason: DenialReason,
        failure: Option<String>,
    },
}

impl Rule {
    fn decide(&self, facts: &Facts<'_>) -> Decision {
        facts.begin_rule();
        let decided = match (self.condition.holds(facts), &self.verdict) {
            (Ok(false), _) => Ok(Decision::NotMatched),
            (Ok(true), Verdict::Deny) => {
                Ok(Decision::Refused { reason: DenialReason::RuleDenied, failure: None })
            }
            (Ok(true), Verdict::Allow(blueprint)) => blueprint.resolve(facts).map(Decision::Allowed),
            (Err(failure), _) => Err(failure),
        };
        decided.unwrap_or_else(|failure| {
            let overage = facts.missed_groups();
            let reason = if overage { DenialReason::GroupsOverage } else { DenialReason::RuleError };
            Decision::Refused { reason, failure: Some(failure) }
        })
    }

    /// Whether it allows every person. Later rules are then never asked, even where its target cannot be resolved.
    fn allows_everybody(&self) -> bool {
        matches!(self.verdict, Verdict::Allow(_)) && self.condition.is_always_true()
    }

    fn step(&self, decision: &Decision) -> Step {
        Step {
            rule: Arc::clone(&self.name),
            effect: match self.verdict {
                Verdict::Deny => Effect::Deny,
                Verdict::Allow(_) => Effect::Allow,
            },
            expression: Arc::clone(&self.expression),
            outcome: match decision {
                Decision::NotMatched => Outcome::NotMatched,
                Decision::Allowed(_) | Decision::Refused { failure: None, .. } => Outcome::Matched,
                Decision::Refused { failure: Some(failure), .. } => Outcome::Failed(failure.clone()),
            },
        }
    }
}

impl Destination {
    /// The first path segment of its URL.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn title(&self) -> &str {
        &self.title
    }

    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a URL may be minted ahead of the visit.
    pub fn prewarm(&self) -> bool {
        self.prewarm
    }

    /// The profiles that it creates on a first visit.
    pub fn new_profile(&self) -> Option<&NewProfile> {
        self.studio.as_ref()?.new_profile.as_ref()
    }

    /// Whether somebody may start its target.
    pub fn can_be_started(&self) -> bool {
        self.start.is_some()
    }

    /// Whether programs may call its API.
    pub fn has_api(&self) -> bool {
        self.api.is_some()
    }

    /// How programs call it, where they may.
    pub(crate) fn api(&self) -> Option<&Arc<grant::Api>> {
        self.api.as_ref()
    }

    /// How files of its runs and models are carried, if they are.
    pub(crate) fn artifacts(&self) -> Option<&grant::Artifacts> {
        self.api.as_ref().and_then(|api| api.artifacts.as_ref())
    }

    /// The mint with its deep link, if `paths` allows it.
    fn land(&self, mut mint: Mint, question: &Question<'_>) -> Option<Mint> {
        let Some(path) = question.path else { return Some(mint) };
        match self.kind.description().links {
            Links::LandingUri => {
                let landing_uri = paths::land(&self.paths, mint.target.text(LANDING_URI)?, path)?;
                mint.target = mint.target.with(LANDING_URI, Value::Text(landing_uri.into())).ok()?;
                Some(mint)
            }
            Links::Fragment => {
                mint.fragment = Some(paths::fragment(&self.paths, path, question.query)?);
                Some(mint)
            }
            Links::No => None,
        }
    }
}

/// `[a-z0-9][a-z0-9-]{0,62}`
pub fn is_destination_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|first: char| first != '-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
