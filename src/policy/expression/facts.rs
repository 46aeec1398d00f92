//! What an expression may ask about a request, converted only when it asks.

use super::functions::Library;
use crate::authn::principal::Groups;
use crate::policy::Question;
use cel::common::traits::{Adder, Container, Indexer, Iterable, Sizer, Zeroer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, LIST_TYPE, Type,
};
use cel::common::value::{Builtin, BuiltinRef, CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, ExecutionError};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The variables of one decision, and the functions that work on them.
///
/// Groups that the provider left out and a client address that nobody knows are *unbound*: an expression whose value
/// depends on them fails.
pub(in crate::policy) struct Facts<'a> {
    library: &'a Library,
    question: &'a Question<'a>,
    client_ip: Option<String>,
    groups: OnceLock<TextList<'a>>,
    claims: OnceLock<CelMap<'a>>,
    missed_groups: AtomicBool,
}

impl<'a> Facts<'a> {
    pub(in crate::policy) fn new(library: &'a Library, question: &'a Question<'a>) -> Self {
        let client_ip = question.client_ip.map(|address| address.to_canonical().to_string());
        let missed_groups = AtomicBool::new(false);
        Self { library, question, client_ip, groups: OnceLock::new(), claims: OnceLock::new(), missed_groups }
    }

    pub(in crate::policy) fn begin_rule(&self) {
        self.missed_groups.store(false, Ordering::Relaxed);
    }

    /// Whether the rule has asked for groups that the provider left out.
    pub(in crate::policy) fn missed_groups(&self) -> bool {
        self.missed_groups.load(Ordering::Relaxed)
    }

    /// Where expressions are evaluated.
    pub(super) fn scope(&self) -> Context<'_, '_> {
        let mut scope = self.library.context().new_inner_scope();
        scope.set_variable_resolver(self);
        scope
    }

    fn groups(&self) -> Option<&TextList<'a>> {
        match &self.question.principal.groups {
            Groups::Known(groups) => {
                Some(self.groups.get_or_init(|| TextList::new(groups.iter().map(AsRef::as_ref))))
            }
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
            "client_ip" => self.client_ip.as_deref().map(text),
            "groups" => self.groups().map(|groups| CowVal::Borrowed(groups)),
            "claims" => Some(CowVal::Borrowed(self.claims.get_or_init(|| map(&principal.claims)))),
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
                Some(texts) => Box::new(TextList::new(texts.into_iter())),
                None => Box::new(CelList::from(elements.iter().map(any).collect::<Vec<_>>())),
            }
        }
        Value::Object(members) => Box::new(map(members)),
    }
}

/// A CEL list of texts that answers `in` from a hash set: rules ask about groups far more often than groups change.
/// In everything else it is the list.
#[derive(Clone, Debug)]
struct TextList<'a>(Arc<Texts<'a>>);

#[derive(Debug)]
struct Texts<'a> {
    members: HashSet<&'a str>,
    list: CelList<'a>,
}

impl<'a> TextList<'a> {
    fn new(texts: impl Iterator<Item = &'a str> + Clone) -> Self {
        let list: Vec<Box<dyn Val + 'a>> =
            texts.clone().map(|text| Box::new(CelString::from(text)) as Box<dyn Val + 'a>).collect();
        Self(Arc::new(Texts { members: texts.collect(), list: CelList::from(list) }))
    }
}

impl Container for TextList<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(value.downcast_ref::<CelString<'_>>().is_some_and(|text| self.0.members.contains(text.inner())))
    }
}

impl Val for TextList<'_> {
    fn get_type(&self) -> &Type {
        &LIST_TYPE
    }

    fn cel_type() -> &'static Type {
        &LIST_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        Some(&self.0.list)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(&self.0.list)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(&self.0.list)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(&self.0.list)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(&self.0.list)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        self.0.list.equals(other)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_builtin<'b, 'v>(&'b self) -> BuiltinRef<'b, 'v>
    where
        Self: 'v,
    {
        BuiltinRef::List(&self.0.list)
    }

    fn into_builtin<'v>(self: Box<Self>) -> Option<Builtin<'v>>
    where
        Self: 'v,
    {
        Some(Builtin::List(self.0.list.clone()))
    }
}
