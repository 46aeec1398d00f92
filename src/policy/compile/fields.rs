//! The fields of a target, as a destination and the `set` of its rules write them.

use super::compiler::{CompileContext, Compiler};
use crate::config;
use crate::config::diagnostics::{Checked, Diagnostic, Refused, listed};
use crate::config::file::fields::{Fields as WrittenFields, REGION, ROLE_ARN, Set, Written};
use crate::config::file::policy as file;
use crate::config::located::{At, Location};
use crate::config::servers::{DeclaredServer, ServerKind};
use crate::policy::apart::{Folds, Opened, Text};
use crate::policy::blueprint::{Blueprint, Computed, Field};
use crate::policy::expression::Condition;
use crate::policy::template::Template;
use crate::target::{self, Access, DOMAIN_ID, Form, InvalidName, Kind, Region, RoleArn, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The fields as written, before it is known whether they are complete.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    /// By key, with `region` and `role_arn`.
    given: BTreeMap<&'static str, Field>,
    endpoint_url: Option<String>,
}

impl Fields {
    /// These fields; where one is missing, that of `base`.
    pub(super) fn or(self, base: &Self) -> Self {
        let mut given = base.given.clone();
        // Either of the two names an App.
        for (one, other) in [(target::ARN, target::APP_NAME), (target::APP_NAME, target::ARN)] {
            if self.has(one) {
                given.remove(other);
            }
        }
        given.extend(self.given);
        Self { given, endpoint_url: self.endpoint_url.or_else(|| base.endpoint_url.clone()) }
    }

    /// The target of a rule with these fields, for the check that people stay apart.
    pub(super) fn opened<'r>(&'r self, kind: Kind, condition: &'r Condition, line: u32) -> Opened<'r> {
        let text = |key: &str| self.given.get(key).and_then(text);
        let places = kind.description().fields.iter().filter(|field| field.makes_place);
        Opened {
            condition,
            line,
            kind: kind.as_str(),
            places: places.filter_map(|field| Some((field.key, text(field.key)?))).collect(),
            region: text(REGION),
            role_arn: text(ROLE_ARN),
            domain_id: text(DOMAIN_ID),
        }
    }

    /// An ARN that the region does not know, by its key.
    pub(super) fn foreign_arn(&self) -> Option<(&'static str, &str, Region)> {
        let constant = |key: &str| self.given.get(key).and_then(Field::constant);
        let region = self.constant_region()?;
        let foreign = |key: &&str| constant(key).is_some_and(|arn| !region.knows(arn));
        let key = [ROLE_ARN, target::ARN].into_iter().find(foreign)?;
        Some((key, constant(key)?, region))
    }

    /// The role, if it is the same for everyone.
    pub(super) fn constant_role(&self) -> Option<&str> {
        self.given.get(ROLE_ARN).and_then(Field::constant)
    }

    /// The declared server or App that these fields name, if it is declared in another region.
    pub(super) fn declared_elsewhere<'c>(
        &self,
        context: &CompileContext<'c>,
    ) -> Option<(&'c DeclaredServer, &str)> {
        let constant = |key: &str| self.given.get(key).and_then(Field::constant);
        let region = constant(REGION)?;
        let is_named = |server: &&DeclaredServer| {
            let key = match server.kind {
                ServerKind::TrackingServer => target::TRACKING_SERVER_NAME,
                ServerKind::MlflowApp => target::APP_NAME,
            };
            constant(key) == Some(server.name.as_str())
        };
        let server = context.servers.iter().find(is_named)?;
        (server.region.as_str() != region).then_some((server, region))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// The target of one kind; `None` where a field that it needs is missing or wrong.
    pub(super) fn plan(&self, kind: Kind, access: Option<Access>) -> Option<Blueprint> {
        let description = kind.description();
        let is_complete = |field: &target::Field| kind.is_met(field, |key| self.has(key));
        let given = description
            .fields
            .iter()
            .filter_map(|field| self.given.get(field.key).map(|given| (field.key, given.clone())));
        description.fields.iter().all(is_complete).then_some(())?;
        Some(Blueprint {
            kind,
            fields: given.collect(),
            region: self.given.get(REGION)?.clone(),
            role_arn: self.given.get(ROLE_ARN).cloned(),
            endpoint_url: self.endpoint_url.clone(),
            access,
        })
    }

    /// `None` where a person's facts decide, or where the region is wrong.
    pub(super) fn constant_region(&self) -> Option<Region> {
        Region::parse(self.given.get(REGION).and_then(Field::constant)?).ok()
    }
}

impl Compiler<'_> {
    /// The fields of a destination, with the configuration's defaults.
    pub(super) fn base_fields(&mut self, path: &str, written: &file::Destination) -> (Kind, Fields) {
        let kind = written.target.kind;
        let target = format!("{path}.target.{}", kind.as_str());
        let fields = self.fields(&target, &written.target.fields, kind);
        let place = [(REGION, &written.region), (ROLE_ARN, &written.role_arn)];
        let place = place.into_iter().filter_map(|(key, text)| {
            let At { value, location } = text.clone()?;
            Some((key, At::new(Written::Text(value), location)))
        });
        let fields = self.fields(path, &WrittenFields(place.collect()), kind).or(&fields);
        let endpoint_url = self.endpoint_url(path, written.endpoint_url.as_ref());
        let constant = |text: &str| Field::Constant(Value::Text(text.into()));
        let region = Some((REGION, constant(self.context.region.as_str())));
        let role_arn = self.context.role_arn.map(|role_arn| (ROLE_ARN, constant(role_arn.as_str())));
        let defaults = Fields {
            given: region.into_iter().chain(role_arn).collect(),
            endpoint_url: endpoint_url.or_else(|| self.context.endpoint_url.map(ToString::to_string)),
        };
        (kind, fields.or(&defaults))
    }

    /// The fields that a rule changes.
    pub(super) fn set_fields(&mut self, path: &str, written: &At<Set>, kind: Kind) -> Fields {
        let Set(fields) = &written.value;
        if fields.0.is_empty() {
            self.problem(path, written.location, "`set` is empty");
        }
        for (key, value) in &fields.0 {
            self.key(path, key, value.location, kind);
        }
        self.fields(path, fields, kind)
    }

    /// Refuses a field that this kind of target does not have.
    pub(super) fn key(&mut self, path: &str, key: &str, location: Location, kind: Kind) {
        if kind.field(key).is_none() && !matches!(key, REGION | ROLE_ARN) {
            let message = format!("`{key}` is not a field of `{}`", kind.as_str());
            let keys = kind.description().fields.iter().map(|field| field.key);
            let help = format!("it has {}, `region` and `role_arn`", listed(keys));
            self.diagnostics.push(Diagnostic::new(format!("{path}.{key}"), location, message).help(help));
        }
    }

    fn fields(&mut self, path: &str, written: &WrittenFields, kind: Kind) -> Fields {
        let mut fields = Fields::default();
        for (key, value) in &written.0 {
            let path = format!("{path}.{key}");
            let (form, makes_place) = match (*key, kind.field(key)) {
                (REGION, _) => (Form::Text(|text| Region::parse(text).map(drop)), false),
                (ROLE_ARN, _) => (Form::Text(|text| RoleArn::parse(text).map(drop)), false),
                (_, Some(field)) => (field.form, field.makes_place),
                _ => continue,
            };
            let field = match (form, &value.value) {
                (Form::Text(parse), Written::Text(text)) => {
                    let key = makes_place.then_some(*key);
                    self.text(&path, key, text, value.location, parse)
                }
                (Form::Seconds(range), Written::Number(number)) => {
                    let seconds = self.checked(&path, value.location, range.parse(*number)).ok();
                    seconds.map(|seconds| Field::Constant(Value::Seconds(seconds)))
                }
                _ => None,
            };
            fields.given.extend(field.map(|field| (*key, field)));
        }
        if let Some(At { value: Written::Text(name), location }) = written.find(target::APP_NAME) {
            self.declared_app(&format!("{path}.{}", target::APP_NAME), name, *location);
        }
        fields
    }

    /// AWS knows an App by its ARN alone and lets two carry one name, so a name refers to the declarations of the same file.
    fn declared_app(&mut self, path: &str, name: &str, location: Location) {
        let declared: Vec<&str> =
            self.context.declared(ServerKind::MlflowApp).map(|app| app.name.as_str()).collect();
        if declared.contains(&name) {
            return;
        }
        let allowed = match declared.as_slice() {
            [] => "the name of an App of `mlflow_apps`, which declares none".to_owned(),
            some => format!("{}, which `mlflow_apps` declares", listed(some.iter().copied())),
        };
        let message = format!("found `{}`; allowed: {allowed}", name.escape_debug());
        let help = "name any other App by its `arn`";
        self.diagnostics.push(Diagnostic::new(path, location, message).help(help));
    }

    /// `place` is the key of a field that makes a place.
    fn text(
        &mut self,
        path: &str,
        place: Option<&'static str>,
        written: &str,
        location: Location,
        parse: fn(&str) -> Result<(), InvalidName>,
    ) -> Option<Field> {
        let template = Template::parse(written, &self.vocabulary, &mut self.gathered);
        let template = template.map_err(|problems| self.problems(path, location, problems)).ok()?;
        if let Some(constant) = template.constant() {
            self.checked(path, location, parse(constant)).ok()?;
            return Some(Field::Constant(Value::Text(constant.into())));
        }
        let folds = match place.map(|key| self.places.judge(key, &template)) {
            None => Folds::default(),
            Some(judged) => judged.map_err(|problem| self.problems(path, location, vec![problem])).ok()?,
        };
        self.judge_looked_up(path, location, &template, parse);
        let patterns = self.places.patterns(&template);
        Some(Field::Computed(Arc::new(Computed { template, folds, patterns })))
    }

    pub(super) fn checked<T>(
        &mut self,
        path: &str,
        location: Location,
        parsed: Result<T, InvalidName>,
    ) -> Checked<T> {
        parsed.map_err(|fault| {
            let reason = Diagnostic::new(path, location, fault.to_string());
            Refused::by(Diagnostic { help: fault.help(), ..reason }, &mut self.diagnostics)
        })
    }

    fn endpoint_url(&mut self, path: &str, written: Option<&At<String>>) -> Option<String> {
        let url = config::endpoint_url(&format!("{path}.endpoint_url"), written?);
        url.map_err(|finding| self.diagnostics.push(finding)).ok().map(String::from)
    }
}

fn text(field: &Field) -> Option<Text<'_>> {
    match field {
        Field::Constant(Value::Text(text)) => Some(Text::Constant(text)),
        Field::Constant(Value::Seconds(_)) => None,
        Field::Computed(computed) => Some(Text::Computed(&computed.template)),
    }
}
