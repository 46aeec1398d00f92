//! The claims that hold the fields of a person, as written: a name, a list of names, or a map that says more.

use crate::config::located::At;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// The claims that hold the fields of a person.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// By default `email`. `{first_of: […]}` names several: the first that is present counts.
    pub user: Option<At<Described<FirstOf>>>,
    /// By default `groups`. `{path: …, absent: …, format: …}` sets the form of the claim.
    pub groups: Option<At<Described<GroupsClaim>>>,
    /// By default `name`. For pages only.
    pub name: Option<At<ClaimName>>,
}

/// Programs of the same issuer, such as Keycloak's service accounts and Entra ID's applications.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Programs {
    /// The claim that tells a program's token from a person's.
    pub claim: At<ClaimName>,
    /// The text that the claim holds in a program's token. By default it is enough that the claim is there.
    pub value: Option<At<String>>,
    /// The claim that names the program.
    pub user: At<ClaimName>,
    /// By default the `claims.groups` of the issuer.
    pub groups: Option<At<Described<GroupsClaim>>>,
    /// A realm that no person is of.
    pub realm: At<String>,
}

/// A claim's name: a text, which may be a dotted path into objects, or a list of names, one for each step.
#[derive(Clone, Debug)]
pub enum ClaimName {
    Text(String),
    Steps(Vec<At<String>>),
}

/// A claim's name, or a map that says more.
#[derive(Clone, Debug)]
pub enum Described<M> {
    Name(ClaimName),
    Map(M),
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstOf {
    /// The first of these claims that is present names the person; all are held to the same `user_domains`.
    #[schemars(length(min = 1))]
    pub first_of: Vec<At<ClaimName>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupsClaim {
    pub path: At<ClaimName>,
    /// The meaning of an absent claim; by default `unknown`.
    pub absent: Option<Absent>,
    /// How the claim is read; by default `list`.
    pub format: Option<GroupsFormat>,
}

/// The meaning of an absent groups claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// The groups are not known: a rule that asks for them fails, which denies.
    Unknown,
    /// The person is in no group: the provider leaves an empty claim out.
    None,
}

/// How a groups claim is read. Any other form than the one named here leaves the groups unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupsFormat {
    /// A list of texts.
    List,
    /// A list of texts, or one text where there is one group.
    ListOrOne,
    /// A text with names between commas, in square brackets or not. A name holds no blanks: with some, the groups are unknown.
    Text,
    /// A text with names between commas, in square brackets or not. A name may hold blanks.
    Commas,
    /// A text with names between blanks.
    Words,
    /// A text that holds a JSON list of texts.
    Json,
    /// An object whose member names are the groups.
    Keys,
}

impl<'de> Deserialize<'de> for ClaimName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl<'de> Visitor<'de> for Name {
            type Value = ClaimName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a claim's name in quotes, or a list of names")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ClaimName, E> {
                Ok(ClaimName::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<ClaimName, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(ClaimName::Steps)
            }
        }

        deserializer.deserialize_any(Name)
    }
}

impl<'de, M: Deserialize<'de>> Deserialize<'de> for Described<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrMap<M>(PhantomData<M>);

        impl<'de, M: Deserialize<'de>> Visitor<'de> for NameOrMap<M> {
            type Value = Described<M>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a claim's name in quotes, a list of names, or a map")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Described<M>, E> {
                Ok(Described::Name(ClaimName::Text(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Described<M>, A::Error> {
                let steps = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(Described::Name(ClaimName::Steps(steps)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Described<M>, A::Error> {
                M::deserialize(MapAccessDeserializer::new(map)).map(Described::Map)
            }
        }

        deserializer.deserialize_any(NameOrMap(PhantomData))
    }
}

impl JsonSchema for ClaimName {
    fn schema_name() -> Cow<'static, str> {
        "ClaimName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A claim's name: a text, which may be a dotted path into objects, or a list of names, one for each step.",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ],
        })
    }
}

impl<M: JsonSchema> JsonSchema for Described<M> {
    fn schema_name() -> Cow<'static, str> {
        format!("ClaimNameOr{}", M::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<M>();
        json_schema!({
            "description": "A claim's name, or a map that says more.",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
                map,
            ],
        })
    }
}
