//! Everything that the rules can open, told from the configuration alone: what permissions have to cover.

use super::blueprint::{Blueprint, TargetPlan};
use super::{Policy, Verdict};
use crate::target::{Kind, Mint};
use std::sync::Arc;

/// Alternatives of one text; where there would be more, they are told as "anything".
const MOST_OUTLINES: usize = 16;

/// What one rule of a destination can open. Every [`Mint`] of a grant by this rule fits one of the rule's reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    pub destination: Arc<str>,
    pub rule: Arc<str>,
    pub kind: Kind,
    /// The names in the resource's ARN, in their order; for an app, the ARN itself.
    pub names: Vec<Outline>,
    pub region: Outline,
    pub role_arn: Option<Outline>,
    pub endpoint_url: Option<String>,
}

/// What one rule of a destination opens for everyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub destination: Arc<str>,
    pub rule: Arc<str>,
    /// `None` where a person's facts decide.
    pub mint: Option<Mint>,
}

/// A text with gaps, each of which may be filled by any text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outline(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Piece {
    Text(String),
    Gap,
}

impl Policy {
    /// In the order of the configuration; a rule whose target has alternatives has several.
    pub fn reach(&self) -> Vec<Reach> {
        let mut found = Vec::new();
        for destination in &self.destinations {
            for rule in &destination.rules {
                if let Verdict::Allow(blueprint) = &rule.verdict {
                    let reaches = blueprint.reach(&destination.name, &rule.name, destination.kind);
                    found.extend(reaches);
                }
            }
        }
        found
    }

    /// What the rules open where it is the same for everyone; a rule whose target depends on the person has no mint. Of
    /// rules of a destination that open the same, the first.
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
    fn reach(&self, destination: &Arc<str>, rule: &Arc<str>, kind: Kind) -> Vec<Reach> {
        let names: Vec<Vec<Outline>> = match &self.target {
            TargetPlan::StudioDomain { domain_id, user_profile_name, .. } => {
                let profiles = user_profile_name.outlines();
                let pairs = domain_id.outlines().into_iter().flat_map(|domain| {
                    profiles.iter().map(move |profile| vec![domain.clone(), profile.clone()])
                });
                pairs.collect()
            }
            TargetPlan::MlflowTrackingServer { tracking_server_name, .. } => {
                singly(tracking_server_name.outlines())
            }
            TargetPlan::NotebookInstance { notebook_instance_name, .. } => {
                singly(notebook_instance_name.outlines())
            }
            TargetPlan::MlflowApp { arn, .. } => singly(arn.outlines()),
            TargetPlan::PartnerApp { arn, .. } => singly(arn.outlines()),
        };
        let regions = self.region.outlines();
        let roles: Vec<Option<Outline>> = match &self.role_arn {
            Some(role_arn) => role_arn.outlines().into_iter().map(Some).collect(),
            None => vec![None],
        };
        let mut found = Vec::new();
        for role_arn in &roles {
            for region in &regions {
                for names in &names {
                    found.push(Reach {
                        destination: Arc::clone(destination),
                        rule: Arc::clone(rule),
                        kind,
                        names: names.clone(),
                        region: region.clone(),
                        role_arn: role_arn.clone(),
                        endpoint_url: self.endpoint_url.clone(),
                    });
                }
            }
        }
        found
    }
}

fn singly(outlines: Vec<Outline>) -> Vec<Vec<Outline>> {
    outlines.into_iter().map(|outline| vec![outline]).collect()
}

impl Outline {
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self(if text.is_empty() { Vec::new() } else { vec![Piece::Text(text)] })
    }

    pub fn anything() -> Self {
        Self(vec![Piece::Gap])
    }

    /// The text, where there is no gap in it.
    pub fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// As IAM writes a text with wildcards: `*` for a gap. A `*`, `?` or `$` that is meant stands as `${*}`, and so on.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>
    pub fn to_iam(&self) -> String {
        let mut written = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Gap => written.push('*'),
                Piece::Text(text) => {
                    for character in text.chars() {
                        match character {
                            '*' | '?' | '$' => written.extend(['$', '{', character, '}']),
                            _ => written.push(character),
                        }
                    }
                }
            }
        }
        written
    }

    /// The one or the other.
    pub(super) fn either(mut one: Vec<Self>, other: Vec<Self>) -> Vec<Self> {
        for outline in other {
            if !one.contains(&outline) {
                one.push(outline);
            }
        }
        within_bounds(one)
    }

    /// Each of the first, followed by each of the second.
    pub(super) fn joined(first: &[Self], second: &[Self]) -> Vec<Self> {
        if first.len() * second.len() > MOST_OUTLINES {
            return vec![Self::anything()];
        }
        let pairs = first.iter().flat_map(|one| second.iter().map(move |other| one.then(other)));
        pairs.collect()
    }

    fn then(&self, next: &Self) -> Self {
        let mut pieces = self.0.clone();
        for piece in &next.0 {
            match (pieces.last_mut(), piece) {
                (Some(Piece::Gap), Piece::Gap) => {}
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(text),
                _ => pieces.push(piece.clone()),
            }
        }
        Self(pieces)
    }
}

fn within_bounds(outlines: Vec<Outline>) -> Vec<Outline> {
    if outlines.len() > MOST_OUTLINES { vec![Outline::anything()] } else { outlines }
}
