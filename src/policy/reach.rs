//! Everything that the rules can open, told from the configuration alone: what permissions have to cover.

use super::blueprint::{Blueprint, TargetPlan};
use super::{Policy, Verdict};
use crate::target::{Kind, Mint};
use std::sync::Arc;

/// Alternatives of one text; where there would be more, they are told by what they have in common.
pub const MOST_OUTLINES: usize = 64;
/// The same for what one rule can open.
pub const MOST_REACHES: usize = 4096;

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
pub struct Outline {
    pieces: Vec<Piece>,
    /// It stands for alternatives that were too many to be listed.
    is_abridged: bool,
}

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
        let roles: Vec<Option<Outline>> = match &self.role_arn {
            Some(role_arn) => role_arn.outlines().into_iter().map(Some).collect(),
            None => vec![None],
        };
        let mut room = MOST_REACHES / roles.len().max(1);
        let mut fitting = |outlines| {
            let outlines = Outline::at_most(room, outlines);
            room /= outlines.len().max(1);
            outlines
        };
        let regions = fitting(self.region.outlines());
        let names: Vec<Vec<Outline>> = match &self.target {
            TargetPlan::StudioDomain { domain_id, user_profile_name, .. } => {
                let domains = fitting(domain_id.outlines());
                let profiles = fitting(user_profile_name.outlines());
                let pairs = domains.into_iter().flat_map(|domain| {
                    profiles.iter().map(move |profile| vec![domain.clone(), profile.clone()])
                });
                pairs.collect()
            }
            TargetPlan::MlflowTrackingServer { tracking_server_name, .. } => {
                singly(fitting(tracking_server_name.outlines()))
            }
            TargetPlan::NotebookInstance { notebook_instance_name, .. } => {
                singly(fitting(notebook_instance_name.outlines()))
            }
            TargetPlan::MlflowApp { arn, .. } => singly(fitting(arn.outlines())),
            TargetPlan::PartnerApp { arn, .. } => singly(fitting(arn.outlines())),
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

impl Reach {
    /// Texts that stand for more alternatives than are listed.
    pub fn abridged(&self) -> impl Iterator<Item = &Outline> {
        let all = self.names.iter().chain([&self.region]).chain(&self.role_arn);
        all.filter(|outline| outline.is_abridged)
    }
}

impl Outline {
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::of(if text.is_empty() { Vec::new() } else { vec![Piece::Text(text)] })
    }

    pub fn anything() -> Self {
        Self::of(vec![Piece::Gap])
    }

    fn of(pieces: Vec<Piece>) -> Self {
        Self { pieces, is_abridged: false }
    }

    /// The text, where there is no gap in it.
    pub fn constant(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// As IAM writes a text with wildcards: `*` for a gap. A `*`, `?` or `$` that is meant stands as `${*}`, and so on.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>
    pub fn to_iam(&self) -> String {
        let mut written = String::new();
        for piece in &self.pieces {
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
        Self::any_of(one)
    }

    /// These, which all differ.
    pub(super) fn any_of(outlines: Vec<Self>) -> Vec<Self> {
        Self::at_most(MOST_OUTLINES, outlines)
    }

    /// Each of the first, followed by each of the second.
    pub(super) fn joined(first: &[Self], second: &[Self]) -> Vec<Self> {
        let covered;
        let (first, second) = if first.len() * second.len() <= MOST_OUTLINES {
            (first, second)
        } else if first.len() > second.len() {
            covered = [Self::covering(first)];
            (&covered[..], second)
        } else {
            covered = [Self::covering(second)];
            (first, &covered[..])
        };
        let pairs = first.iter().flat_map(|one| second.iter().map(move |other| one.then(other)));
        pairs.collect()
    }

    fn at_most(most: usize, outlines: Vec<Self>) -> Vec<Self> {
        if outlines.len() > most { vec![Self::covering(&outlines)] } else { outlines }
    }

    /// One for all of them: a gap where they differ, from one colon to the next where they are ARNs of one form.
    fn covering(outlines: &[Self]) -> Self {
        let fields = |outline: &Self| -> Option<Vec<Self>> {
            Some(outline.constant()?.split(':').map(Self::text).collect())
        };
        let met = |one: Self, other: Self| if one == other { one } else { Self::anything() };
        let covering = outlines.iter().map(fields).reduce(|known, next| {
            let (known, next) = known.zip(next).filter(|(known, next)| known.len() == next.len())?;
            Some(known.into_iter().zip(next).map(|(one, other)| met(one, other)).collect())
        });
        let colon = Self::text(":");
        let fields = covering.flatten().into_iter().flatten();
        let covering = fields.reduce(|before, field| before.then(&colon).then(&field));
        Self { is_abridged: true, ..covering.unwrap_or_else(Self::anything) }
    }

    fn then(&self, next: &Self) -> Self {
        let mut pieces = self.pieces.clone();
        for piece in &next.pieces {
            match (pieces.last_mut(), piece) {
                (Some(Piece::Gap), Piece::Gap) => {}
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(text),
                _ => pieces.push(piece.clone()),
            }
        }
        Self { pieces, is_abridged: self.is_abridged || next.is_abridged }
    }
}
