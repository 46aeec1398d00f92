//! The facts of a request that an expression may ask for, each converted only when it is asked for.

use super::functions::Library;
use super::text_list::TextList;
use crate::policy::question::Question;
use crate::provider::principal::{Groups, Principal};
use cel::Context;
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The variables of one decision, and the functions that work on them.
///
/// Groups that are not known and a client address that nobody knows are *unbound*: an expression whose value depends on
/// them fails. So does one whose value depends on a claim that is absent or `null`.
pub(in crate::policy) struct Facts<'a> {
    library: &'a Library,
    question: &'a Question<'a>,
    client_ip: OnceLock<Option<String>>,
    groups: OnceLock<TextList<'a>>,
    claims: OnceLock<CelMap<'a>>,
    missed_groups: AtomicBool,
    has_claims: bool,
}

impl<'a> Facts<'a> {
    pub(in crate::policy) fn new(library: &'a Library, question: &'a Question<'a>) -> Self {
        Self {
            library,
            question,
            client_ip: OnceLock::new(),
            groups: OnceLock::new(),
            claims: OnceLock::new(),
            missed_groups: AtomicBool::new(false),
            has_claims: true,
        }
    }

    /// The same, with `claims` unbound as a whole: an expression whose value depends on them fails.
    pub(in crate::policy) fn without_claims(self) -> Self {
        Self { has_claims: false, ..self }
    }

    pub(in crate::policy) fn begin_rule(&self) {
        self.missed_groups.store(false, Ordering::Relaxed);
    }

    /// Whether the rule has asked for groups that the provider left out.
    pub(in crate::policy) fn missed_groups(&self) -> bool {
        self.missed_groups.load(Ordering::Relaxed)
    }

    pub(in crate::policy) fn principal(&self) -> &Principal {
        self.question.principal
    }

    /// The scope in which expressions are evaluated.
    pub(super) fn scope(&self) -> Context<'_, '_> {
        let mut scope = self.library.context().new_inner_scope();
        scope.set_variable_resolver(self);
        scope
    }

    fn client_ip(&self) -> Option<&str> {
        let written = || self.question.client_ip.map(|address| address.to_canonical().to_string());
        self.client_ip.get_or_init(written).as_deref()
    }

    fn groups(&self) -> Option<&TextList<'a>> {
        match &self.question.principal.groups {
            Groups::Known(groups) => {
                Some(self.groups.get_or_init(|| TextList::new(groups.iter().map(AsRef::as_ref).collect())))
            }
            Groups::Unbound(_) => None,
            Groups::LeftOut => {
                self.missed_groups.store(true, Ordering::Relaxed);
                None
            }
        }
    }
}

impl VariableResolver for Facts<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let principal = self.question.principal;
        match variable {
            "user" => Some(text(&principal.user)),
            "issuer" => Some(text(&principal.issuer)),
            "realm" => Some(text(&principal.realm)),
            "client_ip" => self.client_ip().map(text),
            "groups" => self.groups().map(|groups| CowVal::Borrowed(groups)),
            "claims" if self.has_claims => {
                Some(CowVal::Borrowed(self.claims.get_or_init(|| map(&principal.claims))))
            }
            _ => None,
        }
    }
}

fn text(text: &str) -> CowVal<'_, '_> {
    CowVal::owned(CelString::from(text))
}

fn map(members: &Map<String, Value>) -> CelMap<'_> {
    let members: HashMap<CelMapKey<'_>, Box<dyn Val + '_>> = members
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (CelMapKey::String(CelString::from(name.as_str())), any(value)))
        .collect();
    CelMap::from(members)
}

fn any(value: &Value) -> Box<dyn Val + '_> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(truth) => Box::new(CelBool::from(*truth)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Box::new(CelInt::from(integer)),
            (None, Some(integer)) => Box::new(CelUInt::from(integer)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(elements) => {
            let texts: Option<Vec<&str>> = elements.iter().map(Value::as_str).collect();
            match texts {
                Some(texts) => Box::new(TextList::new(texts)),
                None => Box::new(CelList::from(elements.iter().map(any).collect::<Vec<_>>())),
            }
        }
        Value::Object(members) => Box::new(map(members)),
    }
}
