//! `[import]`

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::home::Home;

/// Most seconds that a file may have to settle: an hour.
const MOST_S: u64 = 3600;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Import {
    /// Folder whose files are imported as they come; relative to the home. Default: none.
    pub(crate) watch: Option<PathBuf>,
    /// A file without a `.done` marker is complete when it has not changed for so many seconds. Default: 10.
    pub(crate) settle_s: u64,
}

impl Default for Import {
    fn default() -> Self {
        Self { watch: None, settle_s: 10 }
    }
}

impl Import {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.settle_s > MOST_S {
            return Err(format!("import.settle-s = {} is not between 0 and {MOST_S}", self.settle_s));
        }
        match &self.watch {
            Some(folder) if folder.as_os_str().is_empty() => Err("import.watch: the name is empty".to_owned()),
            _ => Ok(()),
        }
    }

    /// The watched folder.
    pub(crate) fn folder(&self, home: &Home) -> Option<PathBuf> {
        self.watch.as_ref().map(|folder| home.core_folder().join(folder))
    }

    pub(crate) fn settle(&self) -> Duration {
        Duration::from_secs(self.settle_s)
    }
}
