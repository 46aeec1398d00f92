//! S3, as far as the artifacts of MLflow need it. There is no SDK for it here: requests are signed by hand, and the rooms
//! above send them.

pub(crate) mod answer;
pub(super) mod request;
pub(crate) mod store;

pub(crate) use request::{Operation, StoreAccess};
