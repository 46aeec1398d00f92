//! ARNs, and the partitions of AWS that they and the regions belong to.
//!
//! <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>

use super::Region;

/// The partition that an ARN names.
pub(crate) fn partition(arn: &str) -> &str {
    arn.split(':').nth(1).unwrap_or_default()
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
    let (found, region, _, resource) = fields(text)?;
    (found == service && Region::parse(region).is_ok()).then_some(resource)
}

/// Service, region, account and resource of an ARN in one of AWS's partitions.
pub(super) fn fields(text: &str) -> Option<(&str, &str, &str, &str)> {
    let mut fields = text.splitn(6, ':');
    let (arn, partition) = (fields.next()?, fields.next()?);
    let (service, region, account, resource) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let partition_is_aws = partition
        .strip_prefix("aws")
        .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    let account_is_number = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (arn == "arn" && partition_is_aws && account_is_number).then_some((service, region, account, resource))
}
