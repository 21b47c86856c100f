//! A medium: a folder with `metadata` and `targets`, wherever it came from. Its metadata is read into memory once, within
//! bounds, so that what is checked is what is used, also on a stick that answers differently the second time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tough::{Bytes, Transport, TransportError, TransportErrorKind, TransportStream, async_trait};
use url::Url;

use crate::error::BundleError;
use crate::files;

/// Largest metadata file, and most of them.
const MAX_METADATA_BYTES: u64 = 10 << 20;
const MAX_METADATA_FILES: usize = 2_000;
/// All of them together.
const MAX_METADATA_SUM: u64 = 64 << 20;

/// The base under which the metadata is fetched. A name only: nothing is opened by it.
pub(crate) const METADATA_URL: &str = "file:///metadata/";
pub(crate) const TARGETS_URL: &str = "file:///targets/";

/// The metadata files of a medium, by name.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    files: Arc<BTreeMap<String, Bytes>>,
}

impl Metadata {
    /// Reads all of `medium`.
    pub(crate) fn read(medium: &Path) -> Result<Self, BundleError> {
        let folder = medium.join("metadata");
        let entries = std::fs::read_dir(&folder).map_err(|what| BundleError::files(&folder, what))?;
        let mut files = BTreeMap::new();
        let mut sum = 0;
        for entry in entries {
            let entry = entry.map_err(|what| BundleError::files(&folder, what))?;
            let name = entry.file_name();
            // Others put files of their own on sticks: only what metadata can be called is looked at.
            let Some(name) = name.to_str().filter(|name| name.ends_with(".json") && is_metadata_name(name)) else {
                continue;
            };
            let path = entry.path();
            let bytes = files::read(&path, MAX_METADATA_BYTES).map_err(|what| BundleError::files(&path, what))?;
            sum += bytes.len() as u64;
            files.insert(name.to_owned(), Bytes::from(bytes));
            if files.len() > MAX_METADATA_FILES || sum > MAX_METADATA_SUM {
                return Err(BundleError::NotUnderstood {
                    what: "the medium".to_owned(),
                    why: format!(
                        "it has more than {MAX_METADATA_FILES} metadata files or {MAX_METADATA_SUM} bytes of them"
                    ),
                    path: folder,
                });
            }
        }
        Ok(Self { files: Arc::new(files) })
    }

    /// Writes them to `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), BundleError> {
        files::make_folder(folder)?;
        self.files.iter().try_for_each(|(name, bytes)| files::write(&folder.join(name), bytes, 0o600))
    }
}

/// The file of a target, in `medium`.
pub(crate) fn target_file(medium: &Path, sha256: &str, name: &str) -> PathBuf {
    medium.join("targets").join(format!("{sha256}.{name}"))
}

fn is_metadata_name(name: &str) -> bool {
    name.len() <= 200
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'%'))
}

#[async_trait]
impl Transport for Metadata {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let bytes = url.as_str().strip_prefix(METADATA_URL).and_then(|name| self.files.get(name)).cloned();
        let bytes = bytes.ok_or_else(|| TransportError::new(TransportErrorKind::FileNotFound, url.as_str()))?;
        Ok(Box::pin(Once(Some(bytes))))
    }
}

/// A stream of one piece.
struct Once(Option<Bytes>);

impl futures_core::Stream for Once {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}
