//! The fields of a target, as a destination and the `set` of its rules write them.

use super::compiler::Compiler;
use crate::config;
use crate::config::diagnostics::{Diagnostic, listed};
use crate::config::file::policy as file;
use crate::config::located::{At, Location};
use crate::policy::apart::{Folds, Opened, Text};
use crate::policy::blueprint::{Blueprint, Computed, Field, TargetPlan};
use crate::policy::expression::{Condition, Problem};
use crate::policy::template::Template;
use crate::target::{
    DomainId, ExpiresInSeconds, InvalidName, Kind, LandingUri, MlflowAppArn, NotebookInstanceName,
    PartnerAppArn, Region, RoleArn, SessionExpirationSeconds, SpaceName, TrackingServerName, UserProfileName,
    arn,
};
use std::sync::Arc;

/// What is written, before it is known whether it is complete.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    domain_id: Option<Field<DomainId>>,
    user_profile_name: Option<Field<UserProfileName>>,
    space_name: Option<Field<SpaceName>>,
    landing_uri: Option<Field<LandingUri>>,
    tracking_server_name: Option<Field<TrackingServerName>>,
    mlflow_app_arn: Option<Field<MlflowAppArn>>,
    partner_app_arn: Option<Field<PartnerAppArn>>,
    notebook_instance_name: Option<Field<NotebookInstanceName>>,
    expires_in: Option<ExpiresInSeconds>,
    session_expiration: Option<SessionExpirationSeconds>,
    region: Option<Field<Region>>,
    role_arn: Option<Field<RoleArn>>,
    endpoint_url: Option<String>,
}

impl Fields {
    /// These fields, and where one is missing the other's.
    pub(super) fn or(self, base: &Self) -> Self {
        let base = base.clone();
        Self {
            domain_id: self.domain_id.or(base.domain_id),
            user_profile_name: self.user_profile_name.or(base.user_profile_name),
            space_name: self.space_name.or(base.space_name),
            landing_uri: self.landing_uri.or(base.landing_uri),
            tracking_server_name: self.tracking_server_name.or(base.tracking_server_name),
            mlflow_app_arn: self.mlflow_app_arn.or(base.mlflow_app_arn),
            partner_app_arn: self.partner_app_arn.or(base.partner_app_arn),
            notebook_instance_name: self.notebook_instance_name.or(base.notebook_instance_name),
            expires_in: self.expires_in.or(base.expires_in),
            session_expiration: self.session_expiration.or(base.session_expiration),
            region: self.region.or(base.region),
            role_arn: self.role_arn.or(base.role_arn),
            endpoint_url: self.endpoint_url.or(base.endpoint_url),
        }
    }

    /// What a rule opens by these fields, for the check that people stay apart.
    pub(super) fn opened<'r>(&'r self, kind: Kind, condition: &'r Condition, line: u32) -> Opened<'r> {
        let places = [
            ("user_profile_name", text(self.user_profile_name.as_ref())),
            ("notebook_instance_name", text(self.notebook_instance_name.as_ref())),
            ("tracking_server_name", text(self.tracking_server_name.as_ref())),
            ("arn", text(self.mlflow_app_arn.as_ref())),
            ("arn", text(self.partner_app_arn.as_ref())),
            ("space_name", text(self.space_name.as_ref())),
            ("domain_id", text(self.domain_id.as_ref())),
        ];
        Opened {
            condition,
            line,
            kind: kind.as_str(),
            places: places.into_iter().filter_map(|(key, text)| Some((key, text?))).collect(),
            region: text(self.region.as_ref()),
            role_arn: text(self.role_arn.as_ref()),
            domain_id: text(self.domain_id.as_ref()),
        }
    }

    /// An ARN in another partition than the region, by its key.
    pub(super) fn foreign_arn(&self) -> Option<(&'static str, &str, &Region)> {
        let region = constant(self.region.as_ref())?;
        let arns = [
            ("role_arn", constant(self.role_arn.as_ref()).map(RoleArn::as_str)),
            ("arn", constant(self.mlflow_app_arn.as_ref()).map(MlflowAppArn::as_str)),
            ("arn", constant(self.partner_app_arn.as_ref()).map(PartnerAppArn::as_str)),
        ];
        let foreign = arns
            .into_iter()
            .find(|(_, arn)| arn.is_some_and(|arn| arn::partition(arn) != region.partition()));
        foreign.and_then(|(key, arn)| Some((key, arn?, region)))
    }

    pub(super) fn has_landing_uri(&self) -> bool {
        self.landing_uri.is_some()
    }

    /// The target of one kind; `None` where a field that it needs is missing or wrong.
    pub(super) fn plan(&self, kind: Kind) -> Option<Blueprint> {
        let fields = self.clone();
        let (expires_in, session_expiration) = (fields.expires_in, fields.session_expiration);
        let target = match kind {
            Kind::StudioDomain => TargetPlan::StudioDomain {
                domain_id: fields.domain_id?,
                user_profile_name: fields.user_profile_name?,
                space_name: fields.space_name,
                landing_uri: fields.landing_uri,
                expires_in,
                session_expiration,
            },
            Kind::MlflowTrackingServer => TargetPlan::MlflowTrackingServer {
                tracking_server_name: fields.tracking_server_name?,
                expires_in,
                session_expiration,
            },
            Kind::MlflowApp => {
                TargetPlan::MlflowApp { arn: fields.mlflow_app_arn?, expires_in, session_expiration }
            }
            Kind::NotebookInstance => TargetPlan::NotebookInstance {
                notebook_instance_name: fields.notebook_instance_name?,
                session_expiration,
            },
            Kind::PartnerApp => {
                TargetPlan::PartnerApp { arn: fields.partner_app_arn?, expires_in, session_expiration }
            }
        };
        let (region, role_arn) = (fields.region?, fields.role_arn);
        Some(Blueprint { target, region, role_arn, endpoint_url: fields.endpoint_url })
    }
}

impl Compiler<'_> {
    /// The fields of a destination, with the configuration's defaults.
    pub(super) fn base_fields(&mut self, path: &str, written: &file::Destination) -> (Kind, Fields) {
        let kind = kind(&written.target);
        let target = format!("{path}.target.{}", kind.as_str());
        let fields = self.fields(&target, &flatten(&written.target), kind);
        let (region, role_arn) = (written.region.clone(), written.role_arn.clone());
        let place = file::Set { region, role_arn, ..file::Set::default() };
        let fields = self.fields(path, &place, kind).or(&fields);
        let endpoint_url = self.endpoint_url(path, written.endpoint_url.as_ref());
        let defaults = Fields {
            region: Some(Field::Constant(self.context.region.clone())),
            role_arn: self.context.role_arn.cloned().map(Field::Constant),
            endpoint_url: endpoint_url.or_else(|| self.context.endpoint_url.map(ToString::to_string)),
            ..Fields::default()
        };
        (kind, fields.or(&defaults))
    }

    /// The fields that a rule changes.
    pub(super) fn set_fields(&mut self, path: &str, written: &At<file::Set>, kind: Kind) -> Fields {
        let keys = keys(written);
        if keys.is_empty() {
            self.problem(path, written.location, "`set` is empty");
        }
        for (key, location) in keys {
            self.key(path, key, location, kind);
        }
        self.fields(path, written, kind)
    }

    /// Refuses a field that this kind of target does not have.
    pub(super) fn key(&mut self, path: &str, key: &str, location: Location, kind: Kind) {
        if !allowed(kind).contains(&key) && !matches!(key, "region" | "role_arn") {
            let message = format!("`{key}` is not a field of `{}`", kind.as_str());
            let help = format!("it has {}, `region` and `role_arn`", listed(allowed(kind).iter().copied()));
            self.diagnostics.push(Diagnostic::new(format!("{path}.{key}"), location, message).help(help));
        }
    }

    fn fields(&mut self, path: &str, set: &file::Set, kind: Kind) -> Fields {
        let app = matches!(kind, Kind::MlflowApp);
        let partner = matches!(kind, Kind::PartnerApp);
        Fields {
            domain_id: self.place(path, "domain_id", set.domain_id.as_ref(), DomainId::parse),
            user_profile_name: self.place(
                path,
                "user_profile_name",
                set.user_profile_name.as_ref(),
                UserProfileName::parse,
            ),
            space_name: self.place(path, "space_name", set.space_name.as_ref(), SpaceName::parse),
            landing_uri: self.field(path, "landing_uri", set.landing_uri.as_ref(), LandingUri::parse),
            tracking_server_name: self.place(
                path,
                "tracking_server_name",
                set.tracking_server_name.as_ref(),
                TrackingServerName::parse,
            ),
            mlflow_app_arn: self.place(path, "arn", set.arn.as_ref().filter(|_| app), MlflowAppArn::parse),
            partner_app_arn: self.place(
                path,
                "arn",
                set.arn.as_ref().filter(|_| partner),
                PartnerAppArn::parse,
            ),
            notebook_instance_name: self.place(
                path,
                "notebook_instance_name",
                set.notebook_instance_name.as_ref(),
                NotebookInstanceName::parse,
            ),
            expires_in: self.seconds(
                path,
                "expires_in_seconds",
                set.expires_in_seconds.as_ref(),
                ExpiresInSeconds::new,
            ),
            session_expiration: self.seconds(
                path,
                "session_expiration_duration_in_seconds",
                set.session_expiration_duration_in_seconds.as_ref(),
                SessionExpirationSeconds::new,
            ),
            region: self.field(path, "region", set.region.as_ref(), Region::parse),
            role_arn: self.field(path, "role_arn", set.role_arn.as_ref(), RoleArn::parse),
            endpoint_url: None,
        }
    }

    /// A field that makes a place.
    fn place<T>(
        &mut self,
        path: &str,
        key: &'static str,
        written: Option<&At<String>>,
        parse: fn(&str) -> Result<T, InvalidName>,
    ) -> Option<Field<T>> {
        self.judged(path, key, written, parse, |compiler, template| compiler.places.judge(key, template))
    }

    fn field<T>(
        &mut self,
        path: &str,
        key: &'static str,
        written: Option<&At<String>>,
        parse: fn(&str) -> Result<T, InvalidName>,
    ) -> Option<Field<T>> {
        self.judged(path, key, written, parse, |_, _| Ok(Folds::default()))
    }

    fn judged<T>(
        &mut self,
        path: &str,
        key: &'static str,
        written: Option<&At<String>>,
        parse: fn(&str) -> Result<T, InvalidName>,
        judge: impl Fn(&Self, &Template) -> Result<Folds, Problem>,
    ) -> Option<Field<T>> {
        let written = written?;
        let path = format!("{path}.{key}");
        let template = Template::parse(written, &self.vocabulary, &mut self.gathered);
        let template = template.map_err(|problems| self.problems(&path, written.location, problems)).ok()?;
        let Some(constant) = template.constant() else {
            let judged = judge(self, &template);
            let folds =
                judged.map_err(|problem| self.problems(&path, written.location, vec![problem])).ok()?;
            let patterns = self.places.patterns(&template);
            return Some(Field::Computed(Arc::new(Computed { key, template, parse, folds, patterns })));
        };
        let value = parse(constant);
        value
            .map(Field::Constant)
            .map_err(|fault| self.problem(&path, written.location, fault.to_string()))
            .ok()
    }

    fn seconds<T>(
        &mut self,
        path: &str,
        key: &str,
        written: Option<&At<i64>>,
        new: fn(i64) -> Result<T, InvalidName>,
    ) -> Option<T> {
        let written = written?;
        let seconds = new(written.value);
        seconds
            .map_err(|fault| self.problem(&format!("{path}.{key}"), written.location, fault.to_string()))
            .ok()
    }

    fn endpoint_url(&mut self, path: &str, written: Option<&At<String>>) -> Option<String> {
        let url = config::endpoint_url(&format!("{path}.endpoint_url"), written?);
        url.map_err(|finding| self.diagnostics.push(finding)).ok().map(String::from)
    }
}

fn text<T: ToString>(field: Option<&Field<T>>) -> Option<Text<'_>> {
    Some(match field? {
        Field::Constant(value) => Text::Constant(value.to_string()),
        Field::Computed(computed) => Text::Computed(&computed.template),
    })
}

fn constant<T>(field: Option<&Field<T>>) -> Option<&T> {
    match field {
        Some(Field::Constant(value)) => Some(value),
        _ => None,
    }
}

fn allowed(kind: Kind) -> &'static [&'static str] {
    const EXPIRES: &str = "expires_in_seconds";
    const SESSION: &str = "session_expiration_duration_in_seconds";
    match kind {
        Kind::StudioDomain => {
            &["domain_id", "user_profile_name", "space_name", "landing_uri", EXPIRES, SESSION]
        }
        Kind::MlflowTrackingServer => &["tracking_server_name", EXPIRES, SESSION],
        Kind::MlflowApp | Kind::PartnerApp => &["arn", EXPIRES, SESSION],
        Kind::NotebookInstance => &["notebook_instance_name", SESSION],
    }
}

/// The keys that are written.
fn keys(set: &file::Set) -> Vec<(&'static str, Location)> {
    let text = |key, value: &Option<At<String>>| value.as_ref().map(|value| (key, value.location));
    let number = |key, value: &Option<At<i64>>| value.as_ref().map(|value| (key, value.location));
    [
        text("domain_id", &set.domain_id),
        text("user_profile_name", &set.user_profile_name),
        text("space_name", &set.space_name),
        text("landing_uri", &set.landing_uri),
        text("tracking_server_name", &set.tracking_server_name),
        text("arn", &set.arn),
        text("notebook_instance_name", &set.notebook_instance_name),
        number("expires_in_seconds", &set.expires_in_seconds),
        number("session_expiration_duration_in_seconds", &set.session_expiration_duration_in_seconds),
        text("region", &set.region),
        text("role_arn", &set.role_arn),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn kind(target: &file::Target) -> Kind {
    match target {
        file::Target::StudioDomain(_) => Kind::StudioDomain,
        file::Target::MlflowTrackingServer(_) => Kind::MlflowTrackingServer,
        file::Target::MlflowApp(_) => Kind::MlflowApp,
        file::Target::NotebookInstance(_) => Kind::NotebookInstance,
        file::Target::PartnerApp(_) => Kind::PartnerApp,
    }
}

/// A target of any kind in the form of a `set`.
fn flatten(target: &file::Target) -> file::Set {
    use file::Target as Written;
    let empty = file::Set::default();
    match target.clone() {
        Written::StudioDomain(studio) => file::Set {
            domain_id: Some(studio.domain_id),
            user_profile_name: Some(studio.user_profile_name),
            space_name: studio.space_name,
            landing_uri: studio.landing_uri,
            expires_in_seconds: studio.expires_in_seconds,
            session_expiration_duration_in_seconds: studio.session_expiration_duration_in_seconds,
            ..empty
        },
        Written::MlflowTrackingServer(server) => file::Set {
            tracking_server_name: Some(server.tracking_server_name),
            expires_in_seconds: server.expires_in_seconds,
            session_expiration_duration_in_seconds: server.session_expiration_duration_in_seconds,
            ..empty
        },
        Written::MlflowApp(app) => file::Set {
            arn: Some(app.arn),
            expires_in_seconds: app.expires_in_seconds,
            session_expiration_duration_in_seconds: app.session_expiration_duration_in_seconds,
            ..empty
        },
        Written::NotebookInstance(notebook) => file::Set {
            notebook_instance_name: Some(notebook.notebook_instance_name),
            session_expiration_duration_in_seconds: notebook.session_expiration_duration_in_seconds,
            ..empty
        },
        Written::PartnerApp(app) => file::Set {
            arn: Some(app.arn),
            expires_in_seconds: app.expires_in_seconds,
            session_expiration_duration_in_seconds: app.session_expiration_duration_in_seconds,
            ..empty
        },
    }
}
