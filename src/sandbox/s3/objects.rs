//! The objects of all buckets, and the uploads that have not ended.

use crate::sandbox::lock::lock;
use crate::sandbox::random::{self, to_hex};
use aws_lc_rs::digest::{SHA256, digest};
use hyper::body::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// Bytes of all objects and parts together, and their number; then nothing more is stored.
const MOST_BYTES: usize = 512 * 1024 * 1024;
const MOST_OBJECTS: usize = 100_000;

#[derive(Default)]
pub(in crate::sandbox) struct Objects(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    objects: BTreeMap<(String, String), Bytes>,
    uploads: BTreeMap<String, Upload>,
    /// Of all objects and parts.
    bytes: usize,
}

struct Upload {
    bucket: String,
    key: String,
    parts: BTreeMap<u32, Bytes>,
}

/// A bucket and a key.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
}

/// A page of a list, in the order of the keys.
#[derive(Default)]
pub(in crate::sandbox) struct Page {
    pub(in crate::sandbox) objects: Vec<(String, usize)>,
    pub(in crate::sandbox) folders: Vec<String>,
    pub(in crate::sandbox) next: Option<String>,
}

impl Asked<'_> {
    fn place(self) -> (String, String) {
        (self.bucket.to_owned(), self.key.to_owned())
    }

    fn is_of(self, upload: &Upload) -> bool {
        (self.bucket, self.key) == (upload.bucket.as_str(), upload.key.as_str())
    }
}

impl Kept {
    fn has_room_for(&self, bytes: usize) -> bool {
        self.bytes + bytes <= MOST_BYTES && self.objects.len() + self.uploads.len() < MOST_OBJECTS
    }

    fn insert(&mut self, place: (String, String), bytes: Bytes) {
        self.bytes += bytes.len();
        self.bytes -= self.objects.insert(place, bytes).map_or(0, |before| before.len());
    }

    fn take(&mut self, id: &str) -> bool {
        let Some(upload) = self.uploads.remove(id) else { return false };
        self.bytes -= upload.parts.values().map(Bytes::len).sum::<usize>();
        true
    }
}

impl Objects {
    /// Stores an object and returns its entity tag. `None` if the sandbox is full.
    pub(super) fn put(&self, asked: Asked<'_>, bytes: Bytes) -> Option<String> {
        let mut kept = lock(&self.0);
        if !kept.has_room_for(bytes.len()) {
            return None;
        }
        let tag = tag(&bytes);
        kept.insert(asked.place(), bytes);
        Some(tag)
    }

    pub(in crate::sandbox) fn store(&self, bucket: &str, key: &str, bytes: Bytes) -> bool {
        self.put(Asked { bucket, key }, bytes).is_some()
    }

    pub(super) fn get(&self, asked: Asked<'_>) -> Option<(Bytes, String)> {
        let bytes = lock(&self.0).objects.get(&asked.place())?.clone();
        let tag = tag(&bytes);
        Some((bytes, tag))
    }

    pub(super) fn delete(&self, asked: Asked<'_>) {
        let mut kept = lock(&self.0);
        kept.bytes -= kept.objects.remove(&asked.place()).map_or(0, |object| object.len());
    }

    /// The token of a page is the last name of the page before.
    pub(in crate::sandbox) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        by_folder: bool,
        after: &str,
        most: usize,
    ) -> Page {
        let kept = lock(&self.0);
        let from = (bucket.to_owned(), prefix.max(after).to_owned());
        let of_bucket = kept.objects.range(from..);
        let of_bucket = of_bucket.take_while(|((of, key), _)| of == bucket && key.starts_with(prefix));
        let (mut page, mut seen, mut last) = (Page::default(), BTreeSet::new(), String::new());
        for ((_, key), bytes) in of_bucket {
            let below = key.strip_prefix(prefix).unwrap_or_default();
            let folder =
                below.split_once('/').filter(|_| by_folder).map(|(name, _)| format!("{prefix}{name}/"));
            let name = folder.as_deref().unwrap_or(key);
            if !after.is_empty() && name <= after || !seen.insert(name.to_owned()) {
                continue;
            }
            if page.objects.len() + page.folders.len() >= most {
                page.next = Some(last);
                return page;
            }
            name.clone_into(&mut last);
            match folder {
                Some(folder) => page.folders.push(folder),
                None => page.objects.push((key.clone(), bytes.len())),
            }
        }
        page
    }

    pub(super) fn begin(&self, asked: Asked<'_>) -> Option<String> {
        let mut kept = lock(&self.0);
        let id = random::hex::<16>();
        let (bucket, key) = asked.place();
        let room = kept.has_room_for(0);
        room.then(|| kept.uploads.insert(id.clone(), Upload { bucket, key, parts: BTreeMap::new() }));
        room.then_some(id)
    }

    pub(super) fn put_part(&self, asked: Asked<'_>, id: &str, number: u32, bytes: Bytes) -> Option<String> {
        let mut kept = lock(&self.0);
        if !kept.has_room_for(bytes.len()) {
            return None;
        }
        let upload = kept.uploads.get_mut(id).filter(|upload| asked.is_of(upload))?;
        let tag = tag(&bytes);
        let length = bytes.len();
        let before = upload.parts.insert(number, bytes).map_or(0, |before| before.len());
        kept.bytes = kept.bytes + length - before;
        Some(tag)
    }

    /// Joins the parts that the list names. The inner error is AWS's code. All parts but the last have 5 MiB at least.
    pub(super) fn end(&self, asked: Asked<'_>, id: &str, list: &str) -> Option<Result<String, &'static str>> {
        const LEAST: usize = 5 * 1024 * 1024;
        let mut kept = lock(&self.0);
        let upload = kept.uploads.get(id).filter(|upload| asked.is_of(upload))?;
        let listed = list.matches("<PartNumber>").count();
        let mut whole = Vec::new();
        for (place, (number, bytes)) in upload.parts.iter().enumerate() {
            let part = format!("<PartNumber>{number}</PartNumber><ETag>&quot;{}&quot;</ETag>", tag(bytes));
            if !list.contains(&part) || listed != upload.parts.len() {
                return Some(Err("InvalidPart"));
            }
            if bytes.len() < LEAST && place + 1 < upload.parts.len() {
                return Some(Err("EntityTooSmall"));
            }
            whole.extend_from_slice(bytes);
        }
        let whole = Bytes::from(whole);
        let tag = tag(&whole);
        kept.take(id);
        kept.insert(asked.place(), whole);
        Some(Ok(tag))
    }

    pub(super) fn abandon(&self, asked: Asked<'_>, id: &str) -> bool {
        let mut kept = lock(&self.0);
        let is_there = kept.uploads.get(id).is_some_and(|upload| asked.is_of(upload));
        is_there && kept.take(id)
    }

    /// Uploads that have neither ended nor been abandoned.
    pub(in crate::sandbox) fn unfinished(&self) -> usize {
        lock(&self.0).uploads.len()
    }
}

fn tag(bytes: &[u8]) -> String {
    to_hex(digest(&SHA256, bytes).as_ref()).split_at(32).0.to_owned()
}
