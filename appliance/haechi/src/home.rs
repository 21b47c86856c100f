//! The state folder of one site and where things lie in it.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use haechi_link::peer::Allowed;
use haechi_record::key::Key;

use crate::error::Failure;

/// Where a packaged appliance keeps its state: a folder for each role, as `installer/pkg` lays them out.
pub(crate) const SYSTEM_HOME: &str = "/var/lib/haechi";
/// Where a packaged appliance is configured.
pub(crate) const SYSTEM_CONFIG: &str = "/etc/haechi/haechi.toml";
/// Sockets of a packaged appliance; systemd makes them, and their owner and mode say who may call.
const SYSTEM_RUN: &str = "/run/haechi";
/// Sealed credentials of a packaged appliance.
pub(crate) const SYSTEM_CREDENTIALS: &str = "/etc/haechi/credentials";
/// The core's credential that holds the key of the record (systemd.exec(5), "Credentials").
pub(crate) const RECORD_KEY: &str = "record-key";

/// One site's state folder.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    path: PathBuf,
    /// It is the system's: roles with users of their own share it, and systemd starts them.
    packaged: bool,
}

impl Home {
    /// The folder named by `--home`, else the system's.
    pub(crate) fn at(path: Option<PathBuf>) -> Self {
        let path = path.unwrap_or_else(|| PathBuf::from(SYSTEM_HOME));
        Self { packaged: path.as_os_str() == SYSTEM_HOME, path }
    }

    /// True for the system's home, whose roles systemd starts.
    pub(crate) const fn is_packaged(&self) -> bool {
        self.packaged
    }

    /// The folder that exists, or a sentence saying what to do.
    pub(crate) fn existing(self) -> Result<Self, Failure> {
        if self.packaged {
            // Its record is for the core's eyes alone; its key is made at set-up.
            if Path::new(SYSTEM_CREDENTIALS).join(RECORD_KEY).try_exists().unwrap_or(true)
                && self.config_file().exists()
            {
                return Ok(self);
            }
            return Err(Failure::new("HAECHI-0101", "this machine is not set up yet")
                .file(&self.path)
                .remedy("run `haechi setup` as root; for a site in a folder of your own name it with --home DIR"));
        }
        if self.record_file().exists() {
            return Ok(self);
        }
        Err(Failure::new("HAECHI-0101", "there is no site in this folder yet").file(&self.path).remedy(
            "name the folder with --home DIR, fill a new one with `haechi import --home DIR PATH`, or start a demo with `haechi up --demo`",
        ))
    }

    /// Makes what is missing: folders with mode 0700, since records lie in them.
    /// A packaged site's folders come from the package; its core makes the two that only it looks into.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        let folders = if self.packaged {
            vec![self.record_folder(), self.certs_folder()]
        } else {
            // The bundles' too: a role's lock names it at start, and a bundle may come later.
            let (bundles, models) = (self.bundles_folder(), self.models_folder());
            vec![self.path.clone(), self.record_folder(), self.certs_folder(), self.run_folder(), models, bundles]
        };
        for folder in folders {
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
        &self.path
    }
    /// The core's own folder.
    pub(crate) fn core_folder(&self) -> PathBuf {
        if self.packaged { self.path.join("core") } else { self.path.clone() }
    }
    pub(crate) fn config_file(&self) -> PathBuf {
        if self.packaged { PathBuf::from(SYSTEM_CONFIG) } else { self.path.join("haechi.toml") }
    }
    pub(crate) fn record_folder(&self) -> PathBuf {
        self.core_folder().join("record")
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
    /// The key of the record: the one that systemd unsealed for this process, else the development key file.
    pub(crate) fn key(&self) -> Result<Key, Failure> {
        if let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") {
            let file = Path::new(&folder).join(RECORD_KEY);
            if file.exists() {
                return Ok(Key::from_credential(&file)?);
            }
        }
        if self.packaged {
            return Err(Failure::new("HAECHI-0172", "this process was not given the key of the record")
                .effect("the record stays shut")
                .remedy("start the core with `systemctl start haechi.target`; if it is set up no more, `haechi key recover` seals the key anew"));
        }
        Ok(Key::load_or_create(&self.key_file(), self.record_file().exists())?)
    }
    /// Who may call a role, as seen by the role.
    pub(crate) const fn callers(&self) -> Allowed {
        // Behind a unit with users of its own every caller looks the same; which socket it reached is who it is.
        if self.packaged { Allowed::WhoeverReachesTheSocket } else { Allowed::OwnUser }
    }
    /// Who may be a role, as seen by its caller.
    pub(crate) fn role_runs_as(&self) -> Allowed {
        // systemd, root, made the sockets; the kernel names it as the peer.
        if self.packaged { Allowed::Users(vec![0]) } else { Allowed::OwnUser }
    }
    /// Images, encrypted.
    pub(crate) fn files_folder(&self) -> PathBuf {
        self.record_folder().join("files")
    }
    pub(crate) fn models_folder(&self) -> PathBuf {
        self.path.join("models")
    }
    pub(crate) fn run_folder(&self) -> PathBuf {
        if self.packaged { PathBuf::from(SYSTEM_RUN) } else { self.path.join("run") }
    }
    pub(crate) fn core_socket(&self) -> PathBuf {
        self.run_folder().join("core.sock")
    }
    /// Where the door takes the lines that the core opens to it.
    pub(crate) fn door_socket(&self) -> PathBuf {
        self.run_folder().join("door.sock")
    }
    /// Certificates and their keys.
    pub(crate) fn certs_folder(&self) -> PathBuf {
        self.core_folder().join("certs")
    }
    /// What the appliance remembers of its backups, and the keys to write them.
    pub(crate) fn backup_folder(&self) -> PathBuf {
        self.path.join("backup")
    }
    pub(crate) fn backup_keys(&self) -> PathBuf {
        self.backup_folder().join("keys.json")
    }
    /// Signed bundles: trusted root, staged, installed, in use.
    pub(crate) fn bundles_folder(&self) -> PathBuf {
        self.path.join("bundles")
    }
    pub(crate) fn model_socket(&self) -> PathBuf {
        self.run_folder().join("model.sock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_home_is_laid_out_by_role() {
        let home = Home::at(None);
        assert!(home.is_packaged() && Home::at(Some(SYSTEM_HOME.into())).is_packaged());
        for (path, expected) in [
            (home.record_file(), "/var/lib/haechi/core/record/record.db"),
            (home.certs_folder(), "/var/lib/haechi/core/certs"),
            (home.models_folder(), "/var/lib/haechi/models"),
            (home.model_socket(), "/run/haechi/model.sock"),
            (home.config_file(), "/etc/haechi/haechi.toml"),
        ] {
            assert_eq!(path, Path::new(expected));
        }
        assert_eq!(home.role_runs_as(), Allowed::Users(vec![0]));
    }

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
