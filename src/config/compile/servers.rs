//! Declared tracking servers and Apps: AWS's patterns, and checks of declarations against each other.

use super::aws::{tag_text, tags};
use super::texts::mismatch;
use crate::config::diagnostics::Diagnostic;
use crate::config::file::Document;
use crate::config::file::servers::{
    AccountDefaultStatus, MlflowApp, ModelRegistrationMode, Size, TrackingServer,
};
use crate::config::findings::{Checked, Findings, Problem};
use crate::config::located::{At, Location, Named};
use crate::config::servers::{DeclaredServer, Field, Fields, ServerKind, Value};
use crate::target::{DomainId, Region, RoleArn, TrackingServerName, arn};

/// All declarations, servers first; with warnings for values that AWS accepts and an admin may not have meant.
pub(in crate::config) fn servers(
    document: &Document,
    region: Checked<&Region>,
    findings: &mut Findings,
) -> Checked<Vec<DeclaredServer>> {
    let mut declared = Vec::new();
    let mut stores: Vec<Store<'_>> = Vec::new();
    for (name, server) in &document.mlflow_tracking_servers {
        let compiled = tracking_server(name, server, region, findings);
        stores.push(Store::of(ServerKind::TrackingServer, name, &server.artifact_store_uri));
        declared.push(compiled);
    }
    for (name, app) in &document.mlflow_apps {
        let compiled = app_declared(name, app, region, findings);
        stores.push(Store::of(ServerKind::MlflowApp, name, &app.artifact_store_uri));
        declared.push(compiled);
    }
    keep_stores_apart(&stores, findings);
    declared.into_iter().collect()
}

fn tracking_server(
    name: &At<String>,
    written: &At<TrackingServer>,
    region: Checked<&Region>,
    findings: &mut Findings,
) -> Checked<DeclaredServer> {
    let kind = ServerKind::TrackingServer;
    let mut fields = Reader::new(kind, name, region, findings);
    fields.name(name);
    fields.region(written.region.as_ref());
    fields.text(Field::ArtifactStoreUri, Some(&written.artifact_store_uri), artifact_store);
    fields.text(Field::RoleArn, Some(&written.role_arn), role);
    let size = written.tracking_server_size.as_ref().map(|size| match size.value {
        Size::Small => "Small",
        Size::Medium => "Medium",
        Size::Large => "Large",
    });
    fields.word(Field::TrackingServerSize, size);
    fields.text(Field::MlflowVersion, written.mlflow_version.as_ref(), version);
    fields.flag(Field::AutomaticModelRegistration, written.automatic_model_registration.as_ref());
    fields.text(
        Field::WeeklyMaintenanceWindowStart,
        written.weekly_maintenance_window_start.as_ref(),
        window,
    );
    fields.text(Field::S3BucketOwnerAccountId, written.s3_bucket_owner_account_id.as_ref(), account);
    fields.flag(Field::S3BucketOwnerVerification, written.s3_bucket_owner_verification.as_ref());
    fields.ownership(written);
    fields.finish(&written.tags, &written.removed_tags)
}

fn app_declared(
    name: &At<String>,
    written: &At<MlflowApp>,
    region: Checked<&Region>,
    findings: &mut Findings,
) -> Checked<DeclaredServer> {
    let kind = ServerKind::MlflowApp;
    let mut fields = Reader::new(kind, name, region, findings);
    fields.name(name);
    fields.region(written.region.as_ref());
    fields.text(Field::ArtifactStoreUri, Some(&written.artifact_store_uri), artifact_store);
    fields.text(Field::RoleArn, Some(&written.role_arn), role);
    fields.text(Field::KmsKeyId, written.kms_key_id.as_ref(), kms_key);
    let mode = written.model_registration_mode.as_ref().map(|mode| match mode.value {
        ModelRegistrationMode::AutoModelRegistrationEnabled => "AutoModelRegistrationEnabled",
        ModelRegistrationMode::AutoModelRegistrationDisabled => "AutoModelRegistrationDisabled",
    });
    fields.word(Field::ModelRegistrationMode, mode);
    fields.text(
        Field::WeeklyMaintenanceWindowStart,
        written.weekly_maintenance_window_start.as_ref(),
        window,
    );
    let status = written.account_default_status.as_ref().map(|status| match status.value {
        AccountDefaultStatus::Enabled => "ENABLED",
        AccountDefaultStatus::Disabled => "DISABLED",
    });
    fields.word(Field::AccountDefaultStatus, status);
    fields.domains(written.default_domain_id_list.as_ref());
    fields.finish(&written.tags, &written.removed_tags)
}

/// Reads one declaration; `fields` collects the legal ones.
struct Reader<'a> {
    path: String,
    kind: ServerKind,
    name: &'a At<String>,
    region: Checked<Region>,
    fields: Fields,
    legal: Checked<()>,
    findings: &'a mut Findings,
}

impl<'a> Reader<'a> {
    fn new(
        kind: ServerKind,
        name: &'a At<String>,
        region: Checked<&Region>,
        findings: &'a mut Findings,
    ) -> Self {
        let path = format!("{}.{}", kind.key(), name.value);
        Self { path, kind, name, region: region.cloned(), fields: Fields::default(), legal: Ok(()), findings }
    }

    fn name(&mut self, name: &At<String>) {
        let path = self.path.clone();
        let checked = self.findings.check(&path, name, |text| Ok(TrackingServerName::parse(text)?));
        self.legal = self.legal.and(checked.map(drop));
    }

    fn region(&mut self, written: Option<&At<String>>) {
        let Some(written) = written else { return };
        let path = format!("{}.region", self.path);
        self.region = self.findings.check(&path, written, |text| Ok(Region::parse(text)?));
    }

    fn text(
        &mut self,
        field: Field,
        written: Option<&At<String>>,
        parse: fn(&str) -> Result<String, Problem>,
    ) {
        let Some(written) = written else { return };
        let path = format!("{}.{}", self.path, field.as_str());
        let value = self.findings.check(&path, written, parse);
        match value {
            Ok(value) => self.fields.push(field, Some(Value::Text(value))),
            Err(refused) => self.legal = Err(refused),
        }
    }

    fn word(&mut self, field: Field, word: Option<&str>) {
        self.fields.push(field, word.map(|word| Value::Text(word.to_owned())));
    }

    fn flag(&mut self, field: Field, written: Option<&At<bool>>) {
        self.fields.push(field, written.map(|written| Value::Flag(written.value)));
    }

    fn domains(&mut self, written: Option<&At<Vec<At<String>>>>) {
        let Some(written) = written else { return };
        let path = format!("{}.{}", self.path, Field::DefaultDomainIdList.as_str());
        let domain = |text: &str| Ok(DomainId::parse(text)?.as_str().to_owned());
        let domains = self.findings.each(&path, written, domain);
        match domains {
            Ok(domains) => self.fields.push(Field::DefaultDomainIdList, Some(Value::Texts(domains))),
            Err(refused) => self.legal = Err(refused),
        }
    }

    /// The bucket's owner: AWS's default is the caller's account, which may be another than the role's.
    fn ownership(&mut self, written: &TrackingServer) {
        let mut warn = |field: Field, location: Location, message: String| {
            let path = format!("{}.{}", self.path, field.as_str());
            self.findings.warnings.push(Diagnostic::new(path, location, message));
        };
        if let Some(At { value: false, location }) = written.s3_bucket_owner_verification {
            let message = "AWS does not check who owns the bucket: if the bucket is deleted, whoever makes one of that \
                           name gets the artifacts";
            warn(Field::S3BucketOwnerVerification, location, message.to_owned());
        }
        let role_account = arn::fields(&written.role_arn).map(|[_, _, _, _, account, _]| account.to_owned());
        if let (Some(owner), Some(account)) = (&written.s3_bucket_owner_account_id, role_account)
            && owner.value != account
        {
            let message = format!(
                "the bucket's owner {} is not the account {account} of `role_arn`; \
                                   the bucket's policy must let the role in",
                owner.value
            );
            warn(Field::S3BucketOwnerAccountId, owner.location, message);
        }
    }

    fn finish(self, written: &Named<At<String>>, removed: &[At<String>]) -> Checked<DeclaredServer> {
        let tags = tags(&format!("{}.tags", self.path), "tags", written, self.findings);
        let removed_tags = self.findings.each(&format!("{}.removed_tags", self.path), removed, |text| {
            if written.iter().any(|(key, _)| key.value == text) {
                Err(Problem::new(format!("`{text}` stands under `tags`, too")))
            } else {
                tag_text(text, 128)
            }
        });
        let partition = self.region.as_ref().map(Region::partition);
        let role = self.fields.text(Field::RoleArn).map(arn::partition);
        if let (Ok(partition), Some(role)) = (partition, role)
            && partition != role
        {
            let message = format!("the role is of the partition `{role}`, and the region of `{partition}`");
            return Err(self.findings.refuse(&format!("{}.role_arn", self.path), self.name, message));
        }
        let (tags, removed_tags, region) = (tags?, removed_tags?, self.region?);
        let Self { kind, name, fields, legal, .. } = self;
        legal.map(|()| DeclaredServer { kind, name: name.value.clone(), region, fields, tags, removed_tags })
    }
}

/// The artifact store of a declaration.
struct Store<'a> {
    path: String,
    /// Without a slash at its end.
    uri: &'a str,
    location: Location,
}

impl<'a> Store<'a> {
    fn of(kind: ServerKind, name: &At<String>, uri: &'a At<String>) -> Self {
        let path = format!("{}.{}.artifact_store_uri", kind.key(), name.value);
        Self { path, uri: uri.trim_end_matches('/'), location: uri.location }
    }

    fn holds(&self, other: &Self) -> bool {
        other.uri.strip_prefix(self.uri).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Two servers in one store overwrite and delete each other's artifacts.
fn keep_stores_apart(stores: &[Store<'_>], findings: &mut Findings) {
    for (index, store) in stores.iter().enumerate() {
        let Some(other) = stores
            .iter()
            .take(index)
            .find(|other| other.uri == store.uri || other.holds(store) || store.holds(other))
        else {
            continue;
        };
        let how = if other.uri == store.uri { "is" } else { "overlaps" };
        let message = format!("this store {how} that of `{}`, on line {}", other.path, other.location.line);
        let diagnostic = Diagnostic::new(store.path.clone(), store.location, message);
        findings.errors.push(diagnostic.help("give each server a prefix of its own"));
    }
}

/// `(https|s3)://([^/]+)/?(.*)`, at most 1024 characters, of which AWS's page wants an S3 URI. The bucket's name is
/// checked by S3's rules. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn artifact_store(text: &str) -> Result<String, Problem> {
    let allowed = "`s3://BUCKET` or `s3://BUCKET/PREFIX`, at most 1024 characters";
    let (bucket, prefix) =
        text.strip_prefix("s3://").map_or(("", ""), |rest| rest.split_once('/').unwrap_or((rest, "")));
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let edge =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_bucket = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(legal)
        && edge(bucket.as_bytes().first())
        && edge(bucket.as_bytes().last())
        && !bucket.contains("..");
    let is_prefix = !prefix.contains(|c: char| c.is_control() || c.is_whitespace())
        && prefix.trim_end_matches('/').split('/').all(|part| !matches!(part, "." | ".."))
        && !prefix.trim_end_matches('/').contains("//");
    if is_bucket && is_prefix && text.chars().count() <= 1024 {
        Ok(text.to_owned())
    } else {
        Err(mismatch(text, allowed))
    }
}

fn role(text: &str) -> Result<String, Problem> {
    Ok(RoleArn::parse(text)?.as_str().to_owned())
}

/// `MAJOR.MINOR` or `MAJOR.MINOR.PATCH`, at most 16 characters. AWS documents the first and refused the second.
fn version(text: &str) -> Result<String, Problem> {
    let parts: Vec<_> = text.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if (2..=3).contains(&parts.len()) && parts.iter().all(number) && text.len() <= 16 {
        Ok(text.to_owned())
    } else {
        Err(mismatch(text, "a version such as `\"3.0\"`, in quotes"))
    }
}

/// `(Mon|Tue|Wed|Thu|Fri|Sat|Sun):([01]\d|2[0-3]):([0-5]\d)`. AWS's page writes the day in capitals and its model does
/// not, so any case is read and the model's form is sent.
fn window(text: &str) -> Result<String, Problem> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let allowed = "a day and a time in UTC such as `\"Tue:03:30\"`, in quotes";
    let refused = || mismatch(text, allowed);
    let (day, time) = text.split_once(':').ok_or_else(refused)?;
    let day = DAYS.iter().find(|known| known.eq_ignore_ascii_case(day)).ok_or_else(refused)?;
    let number = |digits: &str, below: u8| {
        digits.len() == 2
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && digits.parse::<u8>().is_ok_and(|number| number < below)
    };
    let is_time = time.split_once(':').is_some_and(|(hour, minute)| number(hour, 24) && number(minute, 60));
    is_time.then(|| format!("{day}:{time}")).ok_or_else(refused)
}

fn account(text: &str) -> Result<String, Problem> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(mismatch(text, "the 12 digits of an AWS account, in quotes"))
    }
}

/// `[a-zA-Z0-9:/_-]*`, at most 2048.
fn kms_key(text: &str) -> Result<String, Problem> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
    if (1..=2048).contains(&text.len()) && text.bytes().all(legal) {
        Ok(text.to_owned())
    } else {
        Err(mismatch(text, "the id, alias or ARN of a KMS key"))
    }
}
