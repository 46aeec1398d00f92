//! Lists of a folder, and the removal of a file or folder.

use super::super::{Bridge, CallError};
use super::exchange::LONGEST_ANSWER;
use crate::aws::s3::answer::listed;
use crate::aws::s3::store::{ArtifactPath, Key};
use crate::aws::s3::{Operation, StoreAccess};
use crate::provider::principal::Principal;
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Keys of a page, AWS's most.
const PAGE: u16 = 1000;
/// Pages that one call reads.
const MOST_PAGES: usize = 20;
/// Bytes of all names in a list.
const LONGEST_NAMES: usize = 4 * 1024 * 1024;
/// The memory of a list: a page of S3's, the names of all pages, and the answer that is made of them.
const MEMORY: usize = 3 * LONGEST_ANSWER;
/// Objects that are deleted at once.
const AT_ONCE: usize = 8;

/// The folder that a query names; `None` for the store itself.
pub(super) fn folder(query: Option<&str>) -> Result<Option<ArtifactPath>, CallError> {
    let query = query.unwrap_or_default();
    let mut paths = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "path");
    match (paths.next(), paths.next()) {
        (None, _) => Ok(None),
        (Some((_, path)), None) if path.is_empty() => Ok(None),
        (Some((_, path)), None) => ArtifactPath::new(&path).map(Some).map_err(CallError::Ambiguous),
        (Some(_), Some(_)) => Err(CallError::Ambiguous("a second `path`")),
    }
}

impl Bridge {
    /// The files and folders in a folder. Names that no path could ask for are left out.
    pub(super) async fn list(
        &self,
        access: &StoreAccess,
        folder: Option<&ArtifactPath>,
        person: &Principal,
    ) -> Result<Vec<Value>, CallError> {
        let _room = self.places.room(MEMORY, person)?;
        let folder = folder.map(|folder| format!("{}/", folder.as_str())).unwrap_or_default();
        let prefix = format!("{}{folder}", access.store.root());
        let (mut files, mut bytes, mut after) = (Vec::new(), 0, None);
        for _ in 0..MOST_PAGES {
            let operation =
                Operation::List { prefix: &prefix, by_folder: true, most: PAGE, after: after.as_deref() };
            let (_, body) = self.told_by_store(access, &operation, Bytes::new()).await?;
            let page = listed(&body, &prefix).map_err(CallError::Store)?;
            let name = |key: &Key| -> Option<String> {
                let name = key.as_str().strip_prefix(&prefix)?;
                let name = name.strip_suffix('/').unwrap_or(name);
                ArtifactPath::new(name).ok().map(|_| name.to_owned())
            };
            bytes += page
                .folders
                .iter()
                .chain(page.objects.iter().map(|(key, _)| key))
                .map(|key| key.as_str().len())
                .sum::<usize>();
            if bytes > LONGEST_NAMES {
                return Err(CallError::TooManyFiles);
            }
            let folders = page.folders.iter().filter_map(name);
            files.extend(folders.map(|name| json!({"path": name, "is_dir": true})));
            let objects = page.objects.iter().filter(|(key, _)| !key.as_str().ends_with('/'));
            let objects = objects.filter_map(|(key, size)| Some((name(key)?, size)));
            files.extend(
                objects.map(|(name, size)| json!({"path": name, "is_dir": false, "file_size": size})),
            );
            after = page.next;
            if after.is_none() {
                return Ok(files);
            }
        }
        Err(CallError::TooManyFiles)
    }

    /// Deletes a file, and everything below a folder of that name. If the time ends before that, a repeated call goes on.
    pub(super) async fn delete(self: &Arc<Self>, access: &StoreAccess, key: &Key) -> Result<(), CallError> {
        self.ask_store(access, &Operation::Delete { key }, Bytes::new()).await?;
        let prefix = format!("{}/", key.as_str());
        for _ in 0..MOST_PAGES {
            let operation = Operation::List { prefix: &prefix, by_folder: false, most: PAGE, after: None };
            let (_, body) = self.told_by_store(access, &operation, Bytes::new()).await?;
            let page = listed(&body, &prefix).map_err(CallError::Store)?;
            let mut deleting = JoinSet::new();
            for (key, _) in page.objects {
                while deleting.len() >= AT_ONCE {
                    ended(deleting.join_next().await)?;
                }
                let (bridge, access) = (Arc::clone(self), access.clone());
                deleting.spawn(async move {
                    let operation = Operation::Delete { key: &key };
                    bridge.ask_store(&access, &operation, Bytes::new()).await.map(drop)
                });
            }
            while let Some(one) = deleting.join_next().await {
                ended(Some(one))?;
            }
            if page.next.is_none() {
                return Ok(());
            }
        }
        Err(CallError::OutOfTime)
    }
}

fn ended(one: Option<Result<Result<(), CallError>, tokio::task::JoinError>>) -> Result<(), CallError> {
    one.unwrap_or(Ok(Ok(()))).unwrap_or(Err(CallError::OutOfTime))
}
