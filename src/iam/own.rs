//! The account and the partition that policies name.

use crate::aws::permissions::Place;
use crate::target::{Region, RoleArn, arn};

/// Postern's own identity in AWS.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    /// The ARN of the role that Postern runs as, or a placeholder.
    pub principal: String,
    pub account: String,
    pub partition: String,
}

impl Own {
    pub(crate) fn of(role: &RoleArn) -> Self {
        let (partition, account) = partition_and_account(role.as_str());
        Self { principal: role.to_string(), account: account.to_owned(), partition: partition.to_owned() }
    }

    /// Placeholders to replace, in the partition of the region.
    pub(crate) fn placeholder(region: &Region) -> Self {
        let partition = region.partition();
        Self {
            principal: format!("arn:{partition}:iam::ACCOUNT_ID:role/POSTERN_ROLE"),
            account: "ACCOUNT_ID".to_owned(),
            partition: partition.to_owned(),
        }
    }
}

/// The place of a target's resources.
pub(super) fn place<'a>(role: Option<&'a str>, region: &'a str, own: &'a Own) -> Place<'a> {
    let (partition, account) = match role {
        Some(role) => partition_and_account(role),
        None => (own.partition.as_str(), own.account.as_str()),
    };
    Place { partition, region, account }
}

/// A pattern that is not an ARN may match any partition and account.
pub(super) fn partition_and_account(arn: &str) -> (&str, &str) {
    arn::fields(arn).map_or(("*", "*"), |[_, partition, _, _, account, _]| (partition, account))
}
