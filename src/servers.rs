//! MLflow tracking servers and Apps as code: the configuration's declarations, compared with the servers at AWS.
//!
//! [`plan`] is pure; [`apply`] does one thing at a time and looks at AWS again after each, so that it can be stopped at
//! any moment and run again. Nothing here deletes or replaces a server.

mod apply;
mod find;
mod plan;
mod report;
mod standing;
mod status;

pub(crate) use apply::{Applied, Apply, Progress, apply};
pub(crate) use find::{caller, find};
pub(crate) use plan::{Action, Permits, ServerPlan, plan};
pub(crate) use report::{Style, plans};
pub(crate) use status::statuses;
