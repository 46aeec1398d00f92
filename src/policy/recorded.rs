//! The facts of a question that a destination's rules read, for the audit record of the decision.

use super::expression::Evaluated;
use super::template::Part;
use super::{Destination, Question, Rule, Verdict};
use crate::audit::facts::Facts;
use crate::provider::policy_inputs::{Names, PolicyInputs};
use crate::provider::principal::Groups;
use serde_json::Value;

static ABSENT: Value = Value::Null;

impl Rule {
    /// Adds the inputs of its condition and of its target.
    pub(super) fn gather(&self, reads: &mut PolicyInputs) {
        self.expressions().for_each(|expression| expression.gather(reads));
    }

    /// Its condition, and then the expressions in its target.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Evaluated> {
        let blueprint = match &self.verdict {
            Verdict::Allow(blueprint) => Some(blueprint),
            Verdict::Deny => None,
        };
        let templates = blueprint.into_iter().flat_map(|blueprint| blueprint.templates());
        let of_target = templates.flat_map(|template| template.parts()).filter_map(|part| match part {
            Part::Computed(expression) => Some(expression.evaluated()),
            Part::Constant(_) => None,
        });
        std::iter::once(self.condition.evaluated()).chain(of_target)
    }
}

impl Destination {
    /// Facts that the rules read, the global ones included, as they are for this question.
    pub fn facts<'a>(&'a self, question: &Question<'a>) -> Facts<'a> {
        let principal = &**question.principal;
        let mut facts = Facts::new(&principal.realm, question.client_ip);
        if let Some(path) = question.path {
            facts.path(path);
        }
        match &self.reads.claims {
            Names::All => {
                principal.claims.iter().for_each(|(name, value)| facts.claim(name, value));
                facts.claims_are_all();
            }
            Names::Only(names) => {
                names
                    .iter()
                    .for_each(|name| facts.claim(name, principal.claims.get(name).unwrap_or(&ABSENT)));
            }
        }
        let asked = match &self.reads.groups {
            Names::All => None,
            Names::Only(names) if names.is_empty() => return facts,
            Names::Only(names) => Some(names),
        };
        match (&principal.groups, asked) {
            (Groups::Known(groups), asked) if principal.groups_total.is_some() => match asked {
                Some(asked) => facts.groups_asked(groups, asked),
                None => facts.cut(),
            },
            (Groups::Known(groups), asked) => facts.all_groups(groups, asked),
            (Groups::LeftOut, _) => facts.groups_unknown(None),
            (Groups::Unbound(unbound), _) => facts.groups_unknown(Some(unbound.as_str())),
        }
        facts
    }
}
