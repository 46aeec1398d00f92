//! The people of the demo.

use super::lock::lock;
use serde_json::{Map, Value, json};
use std::sync::Mutex;

/// Someone who can sign in at the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The local part of the e-mail address, which `login_hint` may name.
    pub id: String,
    pub name: String,
    /// The subject: never reused, and no part of the name.
    pub subject: String,
    pub email: String,
    pub groups: PersonGroups,
}

/// The person's groups in a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonGroups {
    Listed(Vec<String>),
    /// More than fit: the token points elsewhere, as Entra ID's do (`_claim_names`, `_claim_sources`).
    Overage,
}

pub(super) struct People(Mutex<Vec<Person>>);

impl People {
    pub(super) fn of_the_demo() -> Self {
        let listed = |groups: &[&str]| PersonGroups::Listed(groups.iter().map(ToString::to_string).collect());
        let person = |id: &str, name: &str, groups| Person {
            id: id.to_owned(),
            name: name.to_owned(),
            subject: format!("u-{id}-0001"),
            email: format!("{id}@corp.example"),
            groups,
        };
        Self(Mutex::new(vec![
            person("ada", "Ada Lovelace", listed(&["ml-users", "ml-risk"])),
            person("max", "Max Contractor", listed(&["contractors", "ml-users"])),
            person("grace", "Grace Hopper", listed(&["ml-users"])),
            // In nobody's domain yet.
            person("nora", "Nora Joiner", listed(&["ml-users"])),
            person("olga", "Olga Newcomer", listed(&[])),
            person("bob", "Bob Manygroups", PersonGroups::Overage),
        ]))
    }

    pub(super) fn all(&self) -> Vec<Person> {
        lock(&self.0).clone()
    }

    /// By id or e-mail address.
    pub(super) fn find(&self, hint: &str) -> Option<Person> {
        lock(&self.0).iter().find(|person| person.id == hint || person.email == hint).cloned()
    }

    pub(super) fn by_subject(&self, subject: &str) -> Option<Person> {
        lock(&self.0).iter().find(|person| person.subject == subject).cloned()
    }

    /// Adds the person, or replaces the one with the same id.
    pub(super) fn put(&self, person: Person) {
        let mut people = lock(&self.0);
        people.retain(|known| known.id != person.id);
        people.push(person);
    }

    pub(super) fn remove(&self, id: &str) {
        lock(&self.0).retain(|person| person.id != id);
    }
}

impl Person {
    /// The person's claims in a token or UserInfo: `sub`, `name`, `email` and the groups.
    pub fn claims(&self) -> Map<String, Value> {
        let mut claims = Map::from_iter([
            ("sub".to_owned(), json!(self.subject)),
            ("name".to_owned(), json!(self.name)),
            ("preferred_username".to_owned(), json!(self.id)),
            ("email".to_owned(), json!(self.email)),
            ("email_verified".to_owned(), json!(true)),
        ]);
        match &self.groups {
            PersonGroups::Listed(groups) => {
                claims.insert("groups".to_owned(), json!(groups));
            }
            PersonGroups::Overage => {
                let endpoint = format!("https://directory.corp.example/users/{}/groups", self.subject);
                claims.insert("_claim_names".to_owned(), json!({"groups": "src1"}));
                claims.insert("_claim_sources".to_owned(), json!({"src1": {"endpoint": endpoint}}));
            }
        }
        claims
    }
}
