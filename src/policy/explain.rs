//! Decisions for people and programs to read: which rule decided, and what it opens.

use super::grant::{Effect, Outcome, Step, Trace};
use super::{Destination, Policy, Question, Refusal};
use crate::audit::RuleStep;
use crate::provider::policy_inputs::{Names, PolicyInputs};
use crate::provider::principal::Groups;
use crate::target::{self, Kind, Mint};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// One decision with its trace. Serializes to the JSON of `explain --format json`; `Display` is its text.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub destination: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `grant` or `deny`.
    pub decision: &'static str,
    /// The reason why nothing opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Arc<str>>,
    pub steps: Vec<RuleStep>,
    /// If the rules refuse: the facts that they ask about, as they are for this person; null where a fact is not known.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub facts: Map<String, Value>,
    /// If the person's groups are not known: the claim that should hold them, and what came in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups_unbound: Option<String>,
    /// If the path is one of MLflow's API: the decision on each method there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ExplainedCall>,
    /// Whether the person may start the target where it is stopped; absent if nobody may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<RuleStep>,
    /// The API operation that would be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'static str>,
    /// The fields of the target, `region` and `role_arn`; empty where nothing opens.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub target: Map<String, Value>,
}

/// The decision on a program's call.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedCall {
    pub method: &'static str,
    /// MLflow's endpoint, with gaps for the names of things.
    pub endpoint: &'static str,
    /// The class of access that it needs; `nobody` where none suffices.
    pub needs: &'static str,
    /// `forward`, or why not.
    pub decision: &'static str,
}

/// Decides as a request would, and tells why.
pub fn explain(policy: &Policy, destination: &Destination, question: &Question<'_>) -> Explanation {
    let decided = policy.authorize(destination, question);
    let (reason, remedy, mint, trace) = match &decided {
        Ok(grant) => (None, None, Some(grant.mint()), grant.trace()),
        Err(refusal) => (Some(refusal.reason()), refusal.remedy().cloned(), None, refusal.trace()),
    };
    Explanation {
        destination: Arc::clone(destination.name()),
        path: question.path.map(str::to_owned),
        decision: if reason.is_none() { "grant" } else { "deny" },
        reason,
        rule: trace.deciding().map(|step| Arc::clone(&step.rule)),
        remedy,
        steps: steps(trace),
        facts: match &decided {
            Err(Refusal::Denied(_)) => facts(policy, destination, trace, question),
            _ => Map::new(),
        },
        groups_unbound: question.principal.groups.unbound().map(ToString::to_string),
        calls: Vec::new(),
        start: decided.as_ref().ok().and_then(|grant| policy.explain_start(grant, question.client_ip)),
        operation: mint.map(|mint| mint.target.operation()),
        target: mint.map(fields).unwrap_or_default(),
    }
}

/// The facts that the refusing rule asks about; without one, those that every tried rule asks about. If a target may
/// have failed, its templates have asked, too, so the facts are all that the policy reads.
fn facts(
    policy: &Policy,
    destination: &Destination,
    trace: &Trace,
    question: &Question<'_>,
) -> Map<String, Value> {
    let mut tried: Vec<_> = policy.deny.iter().chain(&destination.rules).zip(&trace.steps).collect();
    if trace.deciding().is_some() {
        tried.drain(..tried.len() - 1);
    }
    let target_failed =
        |step: &Step| step.effect == Effect::Allow && matches!(step.outcome, Outcome::Failed(_));
    let all = tried.iter().any(|(_, step)| target_failed(step));
    let asks = |name: &str| all || tried.iter().any(|(rule, _)| rule.condition.evaluated().names(name));
    let principal = question.principal;
    let groups = match &principal.groups {
        Groups::Known(groups) => groups.iter().map(|group| Value::from(&**group)).collect(),
        Groups::LeftOut | Groups::Unbound(_) => Value::Null,
    };
    let known = [
        ("user", principal.user.as_str().into()),
        ("groups", groups),
        ("issuer", principal.issuer.as_ref().into()),
        ("realm", principal.realm.as_ref().into()),
        ("client_ip", question.client_ip.map(|address| address.to_string()).into()),
    ];
    let known =
        known.into_iter().filter(|(name, _)| asks(name)).map(|(name, value)| (name.to_owned(), value));
    let mut reads = if all { policy.reads.clone() } else { PolicyInputs::default() };
    tried.iter().for_each(|(rule, _)| rule.condition.evaluated().gather(&mut reads));
    let claims: Vec<&String> = match &reads.claims {
        Names::All => principal.claims.keys().collect(),
        Names::Only(names) => names.iter().collect(),
    };
    let claims = claims
        .into_iter()
        .map(|name| (format!("claims.{name}"), principal.claims.get(name).cloned().unwrap_or_default()));
    known.chain(claims).collect()
}

/// All destinations, in the order of the configuration.
pub fn explain_all(policy: &Policy, question: &Question<'_>) -> Vec<Explanation> {
    let question = Question { path: None, query: None, ..*question };
    policy.destinations().map(|destination| explain(policy, destination, &question)).collect()
}

/// One line per destination, and one more where the person's groups are not known.
pub fn table(explanations: &[Explanation]) -> String {
    let header = ["DESTINATION", "DECISION", "RULE", "TARGET"].map(str::to_owned);
    let rows = explanations.iter().map(|explanation| {
        let decision = explanation.reason.unwrap_or(explanation.decision).to_owned();
        let rule = explanation.rule.as_deref().unwrap_or("-").to_owned();
        [explanation.destination.to_string(), decision, rule, names(&explanation.target)]
    });
    let rows: Vec<[String; 4]> = std::iter::once(header).chain(rows).collect();
    let [first, second, third, _] = [0, 1, 2, 3].map(|column| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let lines = rows.iter().map(|[destination, decision, rule, target]| {
        let line = format!("{destination:first$}  {decision:second$}  {rule:third$}  {target}");
        format!("{}\n", line.trim_end())
    });
    let unbound = explanations.iter().find_map(|explanation| explanation.groups_unbound.as_ref());
    let note = unbound.map(|unbound| format!("the groups are not known: {unbound}\n"));
    lines.chain(note).collect()
}

/// The fields of a mint by the API's names in snake_case, and the `fragment` that a deep link adds to the URL.
pub fn fields(mint: &Mint) -> Map<String, Value> {
    let json = |value: &target::Value| match value {
        target::Value::Text(text) => Value::from(&**text),
        target::Value::Seconds(seconds) => (*seconds).into(),
    };
    let fields = mint.target.values().map(|(key, value)| (key, Some(json(value))));
    let further = [
        ("access", mint.access.map(|access| access.as_str().into())),
        ("fragment", mint.fragment.as_ref().map(|fragment| fragment.as_str().into())),
        ("region", Some(mint.region.as_str().into())),
        ("role_arn", mint.role_arn.as_ref().map(|role| role.as_str().into())),
    ];
    fields.chain(further).filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A decoded path may hold what a terminal would obey.
        let shown = |path: &str| format!("/{}", path.replace(char::is_control, "\u{fffd}"));
        let path = self.path.as_deref().map(shown).unwrap_or_default();
        write!(f, "{}{path}: {}", self.destination, self.decision)?;
        if let Some(reason) = self.reason {
            write!(f, " ({reason})")?;
        }
        match &self.rule {
            Some(rule) => writeln!(f, " by rule `{rule}`")?,
            None => writeln!(f)?,
        }
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {}. {} {}: {}", number + 1, step.effect, step.rule, step.outcome)?;
            writeln!(f, "     {}", step.expression.replace('\n', "\n     "))?;
            if let Some(detail) = &step.detail {
                writeln!(f, "     {detail}")?;
            }
        }
        if !self.facts.is_empty() {
            writeln!(f, "  asked about")?;
        }
        for (name, value) in &self.facts {
            writeln!(f, "    {name}: {value}")?;
        }
        if let Some(unbound) = &self.groups_unbound {
            writeln!(f, "  the groups are not known: {unbound}")?;
        }
        if let Some(remedy) = &self.remedy {
            writeln!(f, "  remedy: {remedy}")?;
        }
        for ExplainedCall { method, endpoint, needs, decision } in &self.calls {
            writeln!(f, "  {method} {endpoint} needs {needs}: {decision}")?;
        }
        if let Some(RuleStep { expression, outcome, detail, .. }) = &self.start {
            writeln!(f, "  start where it is stopped: {outcome}")?;
            writeln!(f, "     {}", expression.replace('\n', "\n     "))?;
            if let Some(detail) = detail {
                writeln!(f, "     {detail}")?;
            }
        }
        if let Some(operation) = self.operation {
            writeln!(f, "  {operation}")?;
        }
        for (key, value) in &self.target {
            writeln!(f, "    {key}: {}", plain(value))?;
        }
        Ok(())
    }
}

/// The trace alone, as `explain` and the audit trail show it.
pub fn steps(trace: &Trace) -> Vec<RuleStep> {
    let explained = |step: &Step| {
        let (outcome, detail) = match &step.outcome {
            Outcome::Matched => ("matched", None),
            Outcome::NotMatched => ("not-matched", None),
            Outcome::Failed(reason) => ("failed", Some(reason.clone())),
        };
        let effect = match step.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        let (rule, expression) = (Arc::clone(&step.rule), Arc::clone(&step.expression));
        RuleStep { rule, effect, expression, outcome, detail }
    };
    trace.steps.iter().map(explained).collect()
}

/// Whether a field of a target makes a place.
pub(super) fn names_place(key: &str) -> bool {
    Kind::ALL.iter().any(|kind| kind.field(key).is_some_and(|field| field.makes_place))
}

/// The fields that tell one target from another: those that make a place, the region and the role.
fn names(target: &Map<String, Value>) -> String {
    let tells = |key: &str| matches!(key, "region" | "role_arn") || names_place(key);
    let named = target.iter().filter(|(key, _)| tells(key));
    let texts: Vec<String> = named.map(|(_, value)| plain(value)).collect();
    texts.join(" ")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
