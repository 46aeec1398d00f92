//! Everything that the rules can open, told from the configuration alone. Permissions have to cover it.

use super::blueprint::Blueprint;
use super::grant::Studio;
use super::name_pattern::NamePattern;
use super::{Policy, Verdict};
use crate::target::{Access, Kind, Mint};
use std::sync::Arc;

/// The most targets of one rule that are listed; more are described by patterns.
pub const MOST_POSSIBLE: usize = 4096;

/// One target that a rule of a destination can open. Every [`Mint`] of a grant by this rule is one of its possible targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PossibleTarget {
    pub destination: Arc<str>,
    pub rule: Arc<str>,
    pub kind: Kind,
    /// The names in the resource's ARN, in their order; for an app, the ARN itself.
    pub names: Vec<NamePattern>,
    pub region: NamePattern,
    pub role_arn: Option<NamePattern>,
    pub endpoint_url: Option<String>,
    /// Whether programs may call its API.
    pub is_called: bool,
    /// Whether somebody may start it.
    pub is_started: bool,
    /// The settings of a Studio domain.
    pub studio: Option<Arc<Studio>>,
    /// The access with which files are carried from and to its artifact store.
    pub carried: Option<Access>,
}

/// One rule of a destination, and the mint that it opens for everyone alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub destination: Arc<str>,
    pub rule: Arc<str>,
    /// `None` where a person's facts decide.
    pub mint: Option<Mint>,
}

impl Policy {
    /// In the order of the configuration; a rule whose target has alternatives has several.
    pub fn possible_targets(&self) -> Vec<PossibleTarget> {
        let mut found = Vec::new();
        for destination in &self.destinations {
            for rule in &destination.rules {
                if let Verdict::Allow(blueprint) = &rule.verdict {
                    let possible = blueprint.possible_targets(&destination.name, &rule.name);
                    let (is_called, is_started) = (destination.has_api(), destination.can_be_started());
                    let carried = blueprint.access.filter(|_| destination.artifacts().is_some());
                    found.extend(possible.into_iter().map(|target| PossibleTarget {
                        is_called,
                        is_started,
                        studio: destination.studio.clone(),
                        carried,
                        ..target
                    }));
                }
            }
        }
        found
    }

    /// The mints that the rules open for everyone alike; a rule whose target depends on the person has no mint. Where
    /// several rules of a destination open the same, the first stands for all.
    pub fn openings(&self) -> Vec<Opening> {
        let mut found: Vec<Opening> = Vec::new();
        for destination in &self.destinations {
            for rule in &destination.rules {
                let Verdict::Allow(blueprint) = &rule.verdict else { continue };
                let (name, mint) = (&destination.name, blueprint.constant());
                if !found.iter().any(|known| known.destination == *name && known.mint == mint) {
                    found.push(Opening { destination: Arc::clone(name), rule: Arc::clone(&rule.name), mint });
                }
            }
        }
        found
    }
}

impl Blueprint {
    fn possible_targets(&self, destination: &Arc<str>, rule: &Arc<str>) -> Vec<PossibleTarget> {
        let roles: Vec<Option<NamePattern>> = match &self.role_arn {
            Some(role_arn) => role_arn.patterns().iter().cloned().map(Some).collect(),
            None => vec![None],
        };
        let mut room = MOST_POSSIBLE / roles.len().max(1);
        let mut fitting = |patterns| {
            let patterns = NamePattern::at_most(room, patterns);
            room /= patterns.len().max(1);
            patterns
        };
        let regions = fitting(self.region.patterns().into_owned());
        let mut names: Vec<Vec<NamePattern>> = vec![Vec::new()];
        for key in self.kind.description().names {
            // A declared App may have any ARN until AWS is asked.
            let anything = || vec![NamePattern::anything()];
            let patterns = self.field(key).map_or_else(anything, |field| field.patterns().into_owned());
            let patterns = fitting(patterns);
            let longer = names.iter().flat_map(|before| {
                patterns.iter().map(move |next| [before.as_slice(), std::slice::from_ref(next)].concat())
            });
            names = longer.collect();
        }
        let mut found = Vec::new();
        for role_arn in &roles {
            for region in &regions {
                for names in &names {
                    found.push(PossibleTarget {
                        destination: Arc::clone(destination),
                        rule: Arc::clone(rule),
                        kind: self.kind,
                        names: names.clone(),
                        region: region.clone(),
                        role_arn: role_arn.clone(),
                        endpoint_url: self.endpoint_url.clone(),
                        is_called: false,
                        is_started: false,
                        studio: None,
                        carried: None,
                    });
                }
            }
        }
        found
    }
}

impl PossibleTarget {
    /// Texts that stand for more alternatives than are listed.
    pub fn abridged(&self) -> impl Iterator<Item = &NamePattern> {
        let all = self.names.iter().chain([&self.region]).chain(&self.role_arn);
        all.filter(|pattern| pattern.is_abridged())
    }
}
