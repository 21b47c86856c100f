//! The state folder of one site and where things lie in it.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::Failure;

/// Where a packaged appliance keeps its state.
const SYSTEM_HOME: &str = "/var/lib/haechi";

/// One site's state folder.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The folder named by `--home`, else the system's.
    pub(crate) fn at(path: Option<PathBuf>) -> Self {
        Self(path.unwrap_or_else(|| PathBuf::from(SYSTEM_HOME)))
    }

    /// The folder that exists, or a sentence saying what to do.
    pub(crate) fn existing(self) -> Result<Self, Failure> {
        if self.record_file().exists() {
            return Ok(self);
        }
        Err(Failure::new("HAECHI-0101", "there is no site in this folder yet").file(&self.0).remedy(
            "name the folder with --home DIR, fill a new one with `haechi import --home DIR PATH`, or start a demo with `haechi up --demo`",
        ))
    }

    /// Makes what is missing: folders with mode 0700, since records lie in them.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        for folder in [self.0.clone(), self.record_folder(), self.run_folder(), self.models_folder()] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| {
                Failure::new("HAECHI-0102", format_args!("the state folder cannot be made: {error}"))
                    .file(&folder)
                    .remedy("choose a folder you may write to with --home DIR")
            })?;
        }
        Ok(())
    }

    /// Who else may look into the folder, if anybody (mode bits of group and others).
    pub(crate) fn foreign_access(&self) -> Option<u32> {
        let mode = fs::metadata(self.record_folder()).ok()?.permissions().mode() & 0o077;
        (mode != 0).then_some(mode)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
    pub(crate) fn config_file(&self) -> PathBuf {
        self.0.join("haechi.toml")
    }
    pub(crate) fn record_folder(&self) -> PathBuf {
        self.0.join("record")
    }
    pub(crate) fn record_file(&self) -> PathBuf {
        self.record_folder().join("record.db")
    }
    /// Messages that feeds brought and that are not in the record yet.
    pub(crate) fn queue_file(&self) -> PathBuf {
        self.record_folder().join("queue.db")
    }
    pub(crate) fn key_file(&self) -> PathBuf {
        self.record_folder().join("key")
    }
    /// Images, encrypted.
    pub(crate) fn files_folder(&self) -> PathBuf {
        self.record_folder().join("files")
    }
    pub(crate) fn models_folder(&self) -> PathBuf {
        self.0.join("models")
    }
    pub(crate) fn run_folder(&self) -> PathBuf {
        self.0.join("run")
    }
    pub(crate) fn core_socket(&self) -> PathBuf {
        self.run_folder().join("core.sock")
    }
    /// Where the core takes the door's connections.
    pub(crate) fn door_socket(&self) -> PathBuf {
        self.run_folder().join("door.sock")
    }
    /// Certificates and their keys.
    pub(crate) fn certs_folder(&self) -> PathBuf {
        self.0.join("certs")
    }
    /// What the appliance remembers of its backups, and the keys to write them.
    pub(crate) fn backup_folder(&self) -> PathBuf {
        self.0.join("backup")
    }
    pub(crate) fn backup_keys(&self) -> PathBuf {
        self.backup_folder().join("keys.json")
    }
    /// Signed bundles: trusted root, staged, installed, in use.
    pub(crate) fn bundles_folder(&self) -> PathBuf {
        self.0.join("bundles")
    }
    pub(crate) fn model_socket(&self) -> PathBuf {
        self.run_folder().join("model.sock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_made_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(Some(folder.path().join("site")));
        assert!(home.clone().existing().unwrap_err().to_string().starts_with("HAECHI-0101"));
        home.create().unwrap();
        home.create().unwrap(); // again: nothing to do
        assert_eq!(home.foreign_access(), None);
        fs::set_permissions(home.record_folder(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(home.foreign_access(), Some(0o055));
    }
}
