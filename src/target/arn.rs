//! ARNs, and the partitions of AWS that they and the regions belong to.
//!
//! <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>

use super::names::Region;

/// `arn`, the partition, service, region, account and resource of an ARN, or of a pattern that has them.
pub(crate) fn fields(arn: &str) -> Option<[&str; 6]> {
    arn.splitn(6, ':').collect::<Vec<_>>().try_into().ok()
}

/// The partition that an ARN names.
pub(crate) fn partition(arn: &str) -> &str {
    fields(arn).map_or("", |[_, partition, ..]| partition)
}

impl Region {
    /// The partition that it is in. No role and no resource is known beyond its partition.
    pub fn partition(&self) -> &'static str {
        const PARTITIONS: [(&str, &str); 7] = [
            ("cn-", "aws-cn"),
            ("us-gov-", "aws-us-gov"),
            ("us-isob-", "aws-iso-b"),
            ("us-isof-", "aws-iso-f"),
            ("us-iso-", "aws-iso"),
            ("eu-isoe-", "aws-iso-e"),
            ("eusc-", "aws-eusc"),
        ];
        let found = PARTITIONS.iter().find(|(start, _)| self.as_str().starts_with(start));
        found.map_or("aws", |(_, partition)| partition)
    }
}

/// The resource of an ARN of this service, in some region.
pub(super) fn resource<'a>(text: &'a str, service: &str) -> Option<&'a str> {
    let [found, region, resource] = checked(text)?;
    (found == service && Region::parse(region).is_ok()).then_some(resource)
}

/// Service, region and resource of an ARN in some account of one of AWS's partitions.
pub(super) fn checked(text: &str) -> Option<[&str; 3]> {
    let [arn, partition, service, region, account, resource] = fields(text)?;
    let partition_is_aws = partition
        .strip_prefix("aws")
        .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    let account_is_number = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (arn == "arn" && partition_is_aws && account_is_number).then_some([service, region, resource])
}
