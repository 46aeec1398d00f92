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

/// The account that an ARN names.
pub(crate) fn account(arn: &str) -> &str {
    fields(arn).map_or("", |[.., account, _]| account)
}

/// A partition of AWS: roles and resources are unknown outside of it.
struct Partition {
    name: &'static str,
    /// The prefixes of its regions' codes.
    regions: &'static str,
    /// The domains below which its presigned URLs stand, by AWS's own entries in the Public Suffix List. For the other
    /// partitions, AWS publishes none. <https://publicsuffix.org/list/>
    url_suffixes: &'static [&'static str],
}

const COMMERCIAL: Partition =
    Partition { name: "aws", regions: "", url_suffixes: &[".sagemaker.aws", ".app.aws"] };

const OTHERS: [Partition; 7] = [
    Partition { name: "aws-cn", regions: "cn-", url_suffixes: &[".sagemaker.com.cn"] },
    Partition { name: "aws-us-gov", regions: "us-gov-", url_suffixes: COMMERCIAL.url_suffixes },
    Partition { name: "aws-iso-b", regions: "us-isob-", url_suffixes: &[] },
    Partition { name: "aws-iso-f", regions: "us-isof-", url_suffixes: &[] },
    Partition { name: "aws-iso", regions: "us-iso-", url_suffixes: &[] },
    Partition { name: "aws-iso-e", regions: "eu-isoe-", url_suffixes: &[] },
    Partition { name: "aws-eusc", regions: "eusc-", url_suffixes: &[] },
];

impl Region {
    /// The region's partition.
    pub fn partition(&self) -> &'static str {
        self.in_partition().name
    }

    /// Whether AWS knows an ARN in this region: it names this region, or none, and the region's partition.
    pub(crate) fn knows(&self, arn: &str) -> bool {
        fields(arn).is_some_and(|[_, partition, _, region, ..]| {
            partition == self.partition() && (region.is_empty() || region == self.as_str())
        })
    }

    /// The domains below which AWS's presigned URLs of this region stand, each with a dot in front; empty if unknown.
    pub fn url_suffixes(&self) -> &'static [&'static str] {
        self.in_partition().url_suffixes
    }

    fn in_partition(&self) -> &'static Partition {
        OTHERS.iter().find(|partition| self.as_str().starts_with(partition.regions)).unwrap_or(&COMMERCIAL)
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
