//! The target of an allowing rule, with templates that are resolved for one person.

use super::apart::Folds;
use super::expression::facts::Facts;
use super::name_pattern::NamePattern;
use super::template::Template;
use crate::config::file::fields::{REGION, ROLE_ARN};
use crate::target::{ARN, Access, InvalidName, InvalidTarget, Kind, Mint, Region, RoleArn, Target, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// The most of an illegal name that a message shows.
const LONGEST_SHOWN: usize = 80;
const LOWER_CASE: &str =
    "a computed name is lower case, since AWS compares it without case; `profile_name(…)` keeps people apart";

#[derive(Clone, Debug)]
pub(super) struct Blueprint {
    pub(super) kind: Kind,
    /// The fields that are given.
    pub(super) fields: Vec<(&'static str, Field)>,
    pub(super) region: Field,
    pub(super) role_arn: Option<Field>,
    pub(super) endpoint_url: Option<String>,
    pub(super) access: Option<Access>,
}

/// A value of a target: checked at load where it is constant, at each decision where it is computed.
#[derive(Clone, Debug)]
pub(super) enum Field {
    Constant(Value),
    Computed(Arc<Computed>),
}

#[derive(Debug)]
pub(super) struct Computed {
    pub(super) template: Template,
    pub(super) folds: Folds,
    /// The values that it can have, with gaps where a person's facts decide.
    pub(super) patterns: Vec<NamePattern>,
}

impl Blueprint {
    /// # Errors
    ///
    /// Names the field that has no legal value, and says why.
    pub(super) fn resolve(&self, facts: &Facts<'_>) -> Result<Mint, String> {
        self.resolve_by(Some(facts))
    }

    /// The mint that is the same for everyone; `None` where a person's facts decide.
    pub(super) fn constant(&self) -> Option<Mint> {
        self.resolve_by(None).ok()
    }

    pub(super) fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|(known, _)| *known == key).map(|(_, field)| field)
    }

    /// The templates of the computed fields.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        let fields = self.fields.iter().map(|(_, field)| field).chain([&self.region]).chain(&self.role_arn);
        fields.filter_map(|field| match field {
            Field::Constant(_) => None,
            Field::Computed(computed) => Some(&computed.template),
        })
    }

    fn resolve_by(&self, facts: Option<&Facts<'_>>) -> Result<Mint, String> {
        let resolved = |(key, field): &(&'static str, Field)| Ok((*key, field.resolve(key, facts)?));
        let values = self.fields.iter().map(resolved).collect::<Result<_, String>>()?;
        let target = Target::new(self.kind, values).map_err(|invalid| match invalid {
            InvalidTarget::Invalid(key, invalid) => {
                InvalidTarget::Invalid(key, shortened(&invalid)).to_string()
            }
            invalid => invalid.to_string(),
        })?;
        let region = self.region.parsed(REGION, facts, Region::parse)?;
        let role_arn =
            self.role_arn.as_ref().map(|role| role.parsed(ROLE_ARN, facts, RoleArn::parse)).transpose()?;
        keep_to_region(&region, ROLE_ARN, role_arn.as_ref().map(RoleArn::as_str))?;
        keep_to_region(&region, ARN, target.text(ARN))?;
        let (endpoint_url, access) = (self.endpoint_url.clone(), self.access);
        Ok(Mint { target, region, role_arn, endpoint_url, fragment: None, access })
    }
}

impl Field {
    /// Without facts, only a constant has a value. Whether it is legal is not judged.
    fn resolve(&self, key: &str, facts: Option<&Facts<'_>>) -> Result<Value, String> {
        match (self, facts) {
            (Self::Constant(value), _) => Ok(value.clone()),
            (Self::Computed(_), None) => Err(format!("`{key}` depends on the person")),
            (Self::Computed(computed), Some(facts)) => {
                let text = computed.resolve(facts).map_err(|reason| format!("`{key}`: {reason}"))?;
                Ok(Value::Text(text.into()))
            }
        }
    }

    fn parsed<T>(
        &self,
        key: &str,
        facts: Option<&Facts<'_>>,
        parse: fn(&str) -> Result<T, InvalidName>,
    ) -> Result<T, String> {
        match self.resolve(key, facts)? {
            Value::Text(text) => parse(&text).map_err(|invalid| format!("`{key}`: {}", shortened(&invalid))),
            Value::Seconds(_) => Err(format!("`{key}` is a number")),
        }
    }

    /// The text that is the same for everyone.
    pub(super) fn constant(&self) -> Option<&str> {
        match self {
            Self::Constant(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The values that it can have, with gaps where a person's facts decide.
    pub(super) fn patterns(&self) -> Cow<'_, [NamePattern]> {
        match self {
            Self::Constant(Value::Text(text)) => vec![NamePattern::text(&**text)].into(),
            Self::Constant(Value::Seconds(seconds)) => vec![NamePattern::text(seconds.to_string())].into(),
            Self::Computed(computed) => computed.patterns.as_slice().into(),
        }
    }
}

impl Computed {
    fn resolve(&self, facts: &Facts<'_>) -> Result<String, String> {
        let text = self.template.resolve(facts)?;
        let principal = facts.principal();
        let folded = [(self.folds.user, &principal.user), (self.folds.subject, &principal.subject)];
        let upper =
            |(folds, own): &(bool, &String)| *folds && own.bytes().any(|byte| byte.is_ascii_uppercase());
        match folded.into_iter().find(upper) {
            Some((_, own)) => {
                Err(shortened(&InvalidName { found: own.clone(), allowed: LOWER_CASE }).to_string())
            }
            None => Ok(text),
        }
    }
}

/// AWS knows an ARN in its own region and partition only.
fn keep_to_region(region: &Region, key: &str, arn: Option<&str>) -> Result<(), String> {
    let Some(arn) = arn.filter(|arn| !region.knows(arn)) else { return Ok(()) };
    let shown: String = arn.chars().take(LONGEST_SHOWN).collect();
    Err(format!(
        "`{key}`: `{shown}` is of another region or partition than `{region}`, where this rule opens"
    ))
}

fn shortened(invalid: &InvalidName) -> InvalidName {
    let found = invalid.found.chars().take(LONGEST_SHOWN).collect();
    InvalidName { found, allowed: invalid.allowed }
}
