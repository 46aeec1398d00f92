//! From a [`Grant`](crate::policy::grant::Grant) to an [`AuthorizedUrl`](authorized_url::AuthorizedUrl).

pub mod authorized_url;
