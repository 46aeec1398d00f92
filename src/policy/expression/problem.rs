//! The faults of expressions.

/// A fault of an expression.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Problem {
    /// The place in the expression, counted from 1.
    pub(in crate::policy) character: Option<usize>,
    pub(in crate::policy) message: String,
    pub(in crate::policy) help: Option<String>,
}

impl Problem {
    pub(in crate::policy) fn whole(message: impl Into<String>) -> Self {
        Self { character: None, message: message.into(), help: None }
    }

    #[must_use]
    pub(in crate::policy) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}
