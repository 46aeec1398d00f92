//! The resources in the sandbox's AWS, for tests to look at and to change.

use super::Sandbox;
use super::callers::ACCOUNT;
use super::calls::Call;
use serde_json::Value;

impl Sandbox {
    /// The latest 20,000 AWS calls whose signature was verified, oldest first, including refused ones.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.recent()
    }

    /// The number of such calls since the start.
    pub fn call_count(&self) -> u64 {
        self.calls.count()
    }

    /// The keys of a bucket's objects, in order.
    pub fn objects(&self, bucket: &str) -> Vec<String> {
        self.objects.list(bucket, "", false, "", usize::MAX).objects.into_iter().map(|(key, _)| key).collect()
    }

    /// Stores an object as another program would. False if the sandbox is full.
    pub fn put_object(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> bool {
        self.objects.store(bucket, key, bytes.into())
    }

    /// The number of uploads in parts that have neither ended nor been abandoned.
    pub fn unfinished_uploads(&self) -> usize {
        self.objects.unfinished()
    }

    /// Changes a tracking server of [`ACCOUNT`] as another administrator would: a member of Describe, such as
    /// `TrackingServerSize` or `TrackingServerStatus`. False if there is no such server.
    pub fn drift(&self, region: &str, server: &str, member: &str, value: Value) -> bool {
        self.sagemaker.mlflow.drift(ACCOUNT, region, server, member, value)
    }

    /// The names of the tracking servers and Apps that were created since the start, deleted ones included.
    pub fn created_servers(&self) -> Vec<String> {
        self.sagemaker.mlflow.created_names()
    }
}
