//! The profiles that are created for people on their first visit.

use super::names::RoleArn;

/// The settings of a new user profile; everything else is the domain's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewProfile {
    /// In place of the domain's execution role.
    pub execution_role: Option<RoleArn>,
    pub tags: Vec<(String, String)>,
    /// Whether calls of Studio carry the person's session name.
    pub names_people: bool,
}
