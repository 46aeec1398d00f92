//! An expression as it is evaluated. A failure is told in words and types, never with the values, which may be claims.

use super::check::symbol;
use super::facts::Facts;
use super::literals::Literals;
use super::reads;
use super::{claim_reads, strict};
use crate::provider::policy_inputs::PolicyInputs;
use cel::common::value::CowVal;
use cel::{Context, ExecutionError, IdedExpr, Value};
use std::collections::BTreeSet;

#[derive(Debug)]
pub(in crate::policy) struct Evaluated {
    written: IdedExpr,
    strict: IdedExpr,
    /// The claims that it names.
    claims: Vec<Vec<String>>,
}

impl Evaluated {
    pub(super) fn new(written: IdedExpr) -> Self {
        let (strict, claims) = (strict::strict(written.clone()), claim_reads::of(&written));
        Self { written, strict, claims }
    }

    /// As the configuration has it.
    pub(super) fn written(&self) -> &IdedExpr {
        &self.written
    }

    /// Whether it asks about this variable.
    pub(in crate::policy) fn names(&self, variable: &str) -> bool {
        self.written.references().has_variable(variable)
    }

    /// Adds what it can read.
    pub(in crate::policy) fn gather(&self, reads: &mut PolicyInputs) {
        reads::gather(&self.written, reads);
    }

    /// Adds the claims whose presence it tests.
    pub(in crate::policy) fn gather_tested(&self, names: &mut BTreeSet<String>) {
        claim_reads::tested(&self.written, names);
    }

    /// Adds the constants that it names.
    pub(in crate::policy) fn gather_literals(&self, literals: &mut Literals) {
        literals.gather(&self.written);
    }

    /// # Errors
    ///
    /// Why there is no value.
    pub(super) fn value<'e, 'v>(
        &'e self,
        facts: &Facts<'_>,
        scope: &'e Context<'_, 'v>,
    ) -> Result<CowVal<'e, 'v>, String> {
        Value::resolve_val(&self.strict, scope).map_err(|error| self.described(&error, facts))
    }

    pub(super) fn not_a(&self, wanted: &str, value: &CowVal<'_, '_>, facts: &Facts<'_>) -> String {
        let told = self.told(facts);
        format!("the value is of type {}, not {wanted}{told}", value.get_type().name())
    }

    fn described(&self, error: &ExecutionError, facts: &Facts<'_>) -> String {
        match error {
            ExecutionError::UndeclaredReference(name) if name.as_str() == "groups" => {
                match facts.principal().groups.unbound() {
                    Some(unbound) => format!("the groups are not known: {unbound}"),
                    None => "the provider left the groups out of the token".to_owned(),
                }
            }
            ExecutionError::UndeclaredReference(name) if name.as_str() == "client_ip" => {
                "`client_ip` is not known for this request".to_owned()
            }
            ExecutionError::UndeclaredReference(name) => format!("`{name}` has no value"),
            ExecutionError::FunctionError { function, message } if strict::is_ours(function) => {
                format!("{message}{}", self.told(facts))
            }
            ExecutionError::FunctionError { function, message } => format!("`{function}`: {message}"),
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                "division by zero".to_owned()
            }
            ExecutionError::Overflow(..) => "a number is too large".to_owned(),
            error => format!("{}{}", in_types(error), self.told(facts)),
        }
    }

    /// The types of the claims that the expression names, or that they are not there.
    fn told(&self, facts: &Facts<'_>) -> String {
        claim_reads::told(&self.claims, &facts.principal().claims)
    }
}

/// The failure in words, with the types of the values and never the values.
fn in_types(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(_) => "a claim that the expression asks for is missing".to_owned(),
        ExecutionError::NoSuchOverload(overload) => {
            let types = overload.argument_types().join(", ");
            format!("`{}` does not apply to ({types})", symbol(overload.function()))
        }
        ExecutionError::UnexpectedType { want, .. } => format!("a value is not of type {want}"),
        ExecutionError::IndexOutOfBounds(_) => "a list has no such element".to_owned(),
        _ => "the values do not fit the operation".to_owned(),
    }
}
