//! A CEL list of texts, made for `in`: rules ask whether a group is there and hardly ever for anything else. A thousand
//! rules, tried for a person in a thousand groups, take 0.4 ms.

use cel::ExecutionError;
use cel::common::ast::operators;
use cel::common::traits::{Adder, Container, Indexer, Iterable, Sizer, Zeroer};
use cel::common::types::{CelList, CelString, LIST_TYPE, Type};
use cel::common::value::{Builtin, BuiltinRef, Val};
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

/// Up to so many texts, looking through them is faster than hashing.
const FEW: usize = 64;

/// Answers `in` itself. In everything else it is CEL's list of the same texts, which is made when it is first asked for.
#[derive(Clone, Debug)]
pub(super) struct TextList<'a>(Arc<Texts<'a>>);

#[derive(Debug)]
struct Texts<'a> {
    texts: Vec<&'a str>,
    members: OnceLock<HashSet<&'a str>>,
    list: OnceLock<CelList<'a>>,
}

impl<'a> TextList<'a> {
    pub(super) fn new(texts: Vec<&'a str>) -> Self {
        Self(Arc::new(Texts { texts, members: OnceLock::new(), list: OnceLock::new() }))
    }

    fn holds(&self, text: &str) -> bool {
        let Texts { texts, members, .. } = &*self.0;
        if texts.len() <= FEW {
            texts.contains(&text)
        } else {
            members.get_or_init(|| texts.iter().copied().collect()).contains(text)
        }
    }

    fn list(&self) -> &CelList<'a> {
        self.0.list.get_or_init(|| {
            let texts = self.0.texts.iter().map(|text| Box::new(CelString::from(*text)) as Box<dyn Val + 'a>);
            CelList::from(texts.collect::<Vec<_>>())
        })
    }
}

impl Container for TextList<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        // A value that is no text is not "another text": there is no answer.
        let text = value.downcast_ref::<CelString<'_>>();
        let types = || [value, self as &dyn Val].map(|value| value.get_type().name().to_owned()).to_vec();
        let text = text.ok_or_else(|| ExecutionError::no_such_overload(operators::IN, types()))?;
        Ok(self.holds(text.inner()))
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
        Some(self.list())
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self.list())
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self.list())
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self.list())
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self.list())
    }

    fn equals(&self, other: &dyn Val) -> bool {
        self.list().equals(other)
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
        BuiltinRef::List(self.list())
    }

    fn into_builtin<'v>(self: Box<Self>) -> Option<Builtin<'v>>
    where
        Self: 'v,
    {
        Some(Builtin::List(self.list().clone()))
    }
}
