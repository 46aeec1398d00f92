//! The fields of a target as they are written, read from the one [table of targets](crate::target).

use crate::config::located::{At, Named};
use crate::target::{Field, Form, Kind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fmt;

/// The target that a destination opens. Texts may hold `${…}` templates.
#[derive(Clone, Debug)]
pub struct Target {
    pub kind: Kind,
    pub fields: Fields,
    /// For a Studio domain only.
    pub create_profile: Option<At<CreateProfile>>,
}

/// The user profiles that are created for people on their first visit: `{}` or more. By default none is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateProfile {
    /// The execution role of new profiles, in place of the domain's.
    pub execution_role: Option<At<String>>,
    /// Further tags of new profiles and of what they launch, beside `postern:realm` and `postern:person`.
    #[serde(default)]
    pub tags: Named<At<String>>,
    /// The name that Studio's calls to AWS carry, for example in CloudTrail: the person's (`user_identity`) or `SageMaker`
    /// (`static`). By default the person's.
    pub session_name: Option<SessionNameMode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionNameMode {
    UserIdentity,
    Static,
}

/// The key of [`CreateProfile`] among the fields of a Studio domain.
pub const CREATE_PROFILE: &str = "create_profile";

/// The fields of all kinds of target, with `region` and `role_arn`; `policy::compile` refuses those that the destination's
/// kind does not have.
#[derive(Clone, Debug, Default)]
pub struct Set(pub Fields);

/// The outcome that a test expects: every key that is written must hold; a field not written is not checked.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    pub rule: Option<At<String>>,
    pub deny: Option<At<String>>,
    pub access: Option<At<String>>,
    /// Whether the person may start the target.
    pub start: Option<At<bool>>,
    /// The fields of any kind, with `region`, `role_arn` and `fragment`.
    pub fields: Fields,
}

/// Keys and values in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Fields(pub Vec<(&'static str, At<Written>)>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    Text(String),
    Number(i64),
}

pub const REGION: &str = "region";
pub const ROLE_ARN: &str = "role_arn";
/// The key for the part that a deep link adds to the URL of an MLflow target.
pub const FRAGMENT: &str = "fragment";
const IN_REGION: &str = "The region that the target is in, in place of the destination's.";
const BY_ROLE: &str = "The role that is assumed for the person, in place of the destination's.";
const RULE: &str = "rule";
const DENY: &str = "deny";
const ACCESS: &str = "access";
const START: &str = "start";

impl Fields {
    pub fn find(&self, key: &str) -> Option<&At<Written>> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// `None` also if the value is a number.
    pub fn text(&self, key: &str) -> Option<At<String>> {
        let found = self.find(key)?;
        match &found.value {
            Written::Text(text) => Some(At::new(text.clone(), found.location)),
            Written::Number(_) => None,
        }
    }
}

/// Reads a map of these keys, each with whether its value is a number.
struct KnownKeys(Vec<(&'static str, bool)>);

impl KnownKeys {
    fn of<'f>(fields: impl IntoIterator<Item = &'f Field>, further: &[&'static str]) -> Self {
        let is_number = |field: &Field| matches!(field.form, Form::Seconds(_));
        let fields = fields.into_iter().map(|field| (field.key, is_number(field)));
        Self(fields.chain(further.iter().map(|key| (*key, false))).collect())
    }

    /// The value of a key that was read.
    fn value<'de, A: MapAccess<'de>>(
        &self,
        key: &str,
        map: &mut A,
    ) -> Result<(&'static str, At<Written>), A::Error> {
        let known = self.0.iter().find(|(known, _)| *known == key);
        let (key, is_number) = known.ok_or_else(|| A::Error::custom(format!("unknown field `{key}`")))?;
        let value = if *is_number {
            let At { value, location } = map.next_value::<At<i64>>()?;
            At::new(Written::Number(value), location)
        } else {
            let At { value, location } = map.next_value::<At<String>>()?;
            At::new(Written::Text(value), location)
        };
        Ok((*key, value))
    }
}

impl<'de> DeserializeSeed<'de> for KnownKeys {
    type Value = Fields;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields, D::Error> {
        deserializer.deserialize_map(self)
    }
}

/// Reads the fields of one kind of target.
struct TargetKeys(Kind);

impl<'de> DeserializeSeed<'de> for TargetKeys {
    type Value = (Fields, Option<At<CreateProfile>>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TargetKeys {
    type Value = (Fields, Option<At<CreateProfile>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let known = KnownKeys::of(self.0.description().fields, &[]);
        let (mut fields, mut create_profile) = (Fields::default(), None);
        while let Some(key) = map.next_key::<String>()? {
            if key == CREATE_PROFILE && self.0 == Kind::StudioDomain {
                create_profile = Some(map.next_value()?);
            } else {
                fields.0.push(known.value(&key, &mut map)?);
            }
        }
        Ok((fields, create_profile))
    }
}

impl<'de> Visitor<'de> for KnownKeys {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<String>()? {
            fields.0.push(self.value(&key, &mut map)?);
        }
        Ok(fields)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneKind;

        impl<'de> Visitor<'de> for OneKind {
            type Value = Target;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of one kind of target")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Target, A::Error> {
                let name = map.next_key::<String>()?.unwrap_or_default();
                let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == name);
                let kind =
                    kind.ok_or_else(|| A::Error::custom(format!("unknown kind of target `{name}`")))?;
                let (fields, create_profile) = map.next_value_seed(TargetKeys(kind))?;
                match map.next_key::<String>()? {
                    Some(other) => Err(A::Error::custom(format!("a second kind of target `{other}`"))),
                    None => Ok(Target { kind, fields, create_profile }),
                }
            }
        }

        deserializer.deserialize_map(OneKind)
    }
}

impl<'de> Deserialize<'de> for Set {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        KnownKeys::of(Kind::all_fields(), &[REGION, ROLE_ARN]).deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ExpectKeys)
    }
}

/// Reads what a test expects.
struct ExpectKeys;

impl<'de> Visitor<'de> for ExpectKeys {
    type Value = Expect;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Expect, A::Error> {
        let further = [FRAGMENT, REGION, ROLE_ARN, RULE, DENY, ACCESS];
        let known = KnownKeys::of(Kind::all_fields(), &further);
        let (mut fields, mut start) = (Fields::default(), None);
        while let Some(key) = map.next_key::<String>()? {
            if key == START {
                start = Some(map.next_value()?);
            } else {
                fields.0.push(known.value(&key, &mut map)?);
            }
        }
        let (rule, deny, access) = (fields.text(RULE), fields.text(DENY), fields.text(ACCESS));
        fields.0.retain(|(key, _)| ![RULE, DENY, ACCESS].contains(key));
        Ok(Expect { rule, deny, access, start, fields })
    }
}

impl JsonSchema for Target {
    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let create_profile = generator.subschema_for::<CreateProfile>().to_value();
        let kind = |kind: Kind| {
            let description = kind.description();
            let choice = description.declared_name.map(|name| [name.stands_for, name.key]);
            let is_choice = |key: &str| choice.is_some_and(|choice| choice.contains(&key));
            let required =
                description.fields.iter().filter(|field| field.is_required && !is_choice(field.key));
            let required: Vec<&str> = required.map(|field| field.key).collect();
            let remark = if description.remark.is_empty() {
                String::new()
            } else {
                format!(": {}", description.remark)
            };
            let mut known = properties(description.fields, &[], true);
            if kind == Kind::StudioDomain {
                known.insert(CREATE_PROFILE.to_owned(), create_profile.clone());
            }
            let mut fields = json_schema!({
                "description": format!("`{}`{remark}.", description.presign_operation),
                "type": "object",
                "properties": known,
                "required": required,
                "additionalProperties": false,
            });
            if let Some(choice) = choice {
                fields
                    .insert("oneOf".to_owned(), choice.map(|key| json!({"required": [key]})).to_vec().into());
            }
            json!({
                "type": "object",
                "properties": {description.name: fields},
                "required": [description.name],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "description": "What a destination opens. Texts may hold `${…}` templates.",
            "oneOf": Kind::ALL.map(kind),
        })
    }
}

impl JsonSchema for Set {
    fn schema_name() -> Cow<'static, str> {
        "Set".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The fields of all kinds of target, `region` and `role_arn`; those that the destination's kind does \
                            not have are refused.",
            "type": "object",
            "properties": properties(Kind::all_fields(), &[(REGION, IN_REGION), (ROLE_ARN, BY_ROLE)], true),
            "additionalProperties": false,
        })
    }
}

impl JsonSchema for Expect {
    fn schema_name() -> Cow<'static, str> {
        "Expect".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let further = [
            (RULE, "The name of the rule that decides."),
            (DENY, "The reason of a denial, such as `rule-denied`."),
            (ACCESS, "What the person may do at an MLflow target: `read`, `log` or `write`."),
            (FRAGMENT, "What a deep link adds to the URL of an MLflow target, such as `/experiments/1`."),
            (REGION, IN_REGION),
            (ROLE_ARN, BY_ROLE),
        ];
        let mut known = properties(Kind::all_fields(), &further, false);
        let start = "Whether the person may start the target where it is stopped.";
        known.insert(START.to_owned(), json!({ "type": "boolean", "description": start }));
        json_schema!({
            "description": "What a test expects: every key that is written must hold; a field not written is not looked at.",
            "type": "object",
            "properties": known,
            "additionalProperties": false,
            "minProperties": 1,
        })
    }
}

/// `further` are text fields, each with its description.
fn properties<'f>(
    fields: impl IntoIterator<Item = &'f Field>,
    further: &[(&str, &str)],
    are_templates: bool,
) -> Map<String, Value> {
    let text = |description: &str| match are_templates {
        true => json!({ "type": "string", "description": description, "x-text": "template" }),
        false => json!({ "type": "string", "description": description }),
    };
    let schema = |field: &Field| match field.form {
        Form::Text(_) => text(field.description),
        Form::Seconds(range) if are_templates => json!({
            "type": "integer", "format": "int64", "minimum": range.least, "maximum": range.most,
            "description": field.description,
        }),
        Form::Seconds(_) => json!({ "type": "integer", "format": "int64", "description": field.description }),
    };
    let fields = fields.into_iter().map(|field| (field.key.to_owned(), schema(field)));
    fields.chain(further.iter().map(|(key, description)| ((*key).to_owned(), text(description)))).collect()
}
