//! The form with the button that starts a target.

/// A button that starts a target.
#[derive(Clone, Debug)]
pub(crate) struct StartForm {
    /// The destination's name.
    pub(crate) name: String,
    /// The page that the person asked for.
    pub(crate) return_to: String,
    pub(crate) token: Option<String>,
}
