//! What the configuration means for systemd: a socket unit for each listener, the site's networks on unit and sockets, and
//! drop-ins. The walls themselves are in the package's units (`installer/pkg/systemd`); nothing here weakens them, but for the
//! devices of an accelerator.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::answers::Accelerator;
use crate::config::Config;
use crate::home::Home;
use crate::roles::systemd::unit_name;

/// Where a site's own units and drop-ins lie.
pub(super) const SITE_UNITS: &str = "/etc/systemd/system";
const HEAD: &str =
    "# Written by `haechi setup` from the configuration; it is written anew at every `haechi setup --apply`.\n";
/// Our files' prefix: what bears it is ours to remove.
const SOCKET: &str = "haechi-door-";
const DROP_IN: &str = "50-site.conf";
const ACCELERATOR: &str = "50-accelerator.conf";

/// The files that `config` asks for: path below [`SITE_UNITS`] and text.
fn wanted(home: &Home, config: &Config) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let listeners = config.listeners();
    let allow: String = config.door.allow.iter().fold(String::new(), |mut text, network| {
        let _ = writeln!(text, "IPAddressAllow={network}");
        text
    });
    let mut sockets = Vec::new();
    for listener in &listeners {
        let name = format!("{SOCKET}{}.socket", unit_name(&listener.name));
        if sockets.contains(&name) {
            continue; // feeds that share an address share its listener
        }
        let text = format!(
            "{HEAD}[Unit]\nDescription=Haechi: listener `{}` of the door\nPartOf=haechi.target\n\n[Socket]\nListenStream={}\n\
             FileDescriptorName={}\nService=haechi-door.service\n# A socket keeps the rules of the unit that made it: the lists stand here as well.\n\
             IPAddressDeny=any\n{allow}Backlog=128\nKeepAlive=yes\n# At boot an address may come later than its listener.\nFreeBind=yes\n",
            listener.name,
            listener.address,
            unit_name(&listener.name),
        );
        files.push((name.clone().into(), text));
        sockets.push(name);
    }
    if !sockets.is_empty() {
        let all = sockets.join(" ");
        files.push((
            Path::new("haechi.target.d").join(DROP_IN),
            format!("{HEAD}[Unit]\nWants=haechi-lines.socket haechi-door.service {all}\n"),
        ));
        let text = format!(
            "{HEAD}[Unit]\nRequires={all}\nAfter={all}\n\n[Service]\nSockets={all}\nIPAddressDeny=any\n{allow}"
        );
        files.push((Path::new("haechi-door.service.d").join(DROP_IN), text));
    }
    if let Some(folder) = config.import.folder(home).filter(|folder| !folder.starts_with(home.core_folder())) {
        let text = format!(
            "{HEAD}[Service]\n# The watched folder. Its owner decides whether the user haechi-core may write there.\nReadWritePaths=-{}\n",
            folder.display()
        );
        files.push((Path::new("haechi-core.service.d").join(DROP_IN), text));
    }
    files
}

/// The drop-in that shows an accelerator to the model role.
fn accelerator(kind: Accelerator) -> Option<String> {
    match kind {
        Accelerator::Cpu => None,
        Accelerator::Nvidia => Some(format!(
            "{HEAD}[Service]\n# The GPU's devices and no other; the driver maps memory that is written and run.\nPrivateDevices=no\n\
             DeviceAllow=char-nvidia rw\nDeviceAllow=char-nvidia-uvm rw\nDeviceAllow=char-nvidia-caps r\nMemoryDenyWriteExecute=no\n"
        )),
    }
}

/// Puts the files in place and removes ours that are wanted no more. `kind`: `None` leaves the accelerator as it was.
pub(super) fn write(root: &Path, home: &Home, config: &Config, kind: Option<Accelerator>) -> io::Result<()> {
    let files = wanted(home, config);
    let is_wanted = |path: &Path| files.iter().any(|(name, _)| root.join(name) == path);
    let ours = |name: &str| name.starts_with(SOCKET) && name.ends_with(".socket");
    for entry in fs::read_dir(root)?.flatten() {
        if entry.file_name().to_str().is_some_and(ours) && !is_wanted(&entry.path()) {
            fs::remove_file(entry.path())?;
        }
    }
    for unit in ["haechi.target.d", "haechi-door.service.d", "haechi-core.service.d"] {
        let path = root.join(unit).join(DROP_IN);
        if path.exists() && !is_wanted(&path) {
            fs::remove_file(path)?;
        }
    }
    for (name, text) in &files {
        put(&root.join(name), text)?;
    }
    if let Some(kind) = kind {
        let path = root.join("haechi-model.service.d").join(ACCELERATOR);
        match accelerator(kind) {
            Some(text) => put(&path, &text)?,
            None if path.exists() => fs::remove_file(path)?,
            None => {}
        }
    }
    Ok(())
}

/// The socket units in place.
pub(super) fn sockets(root: &Path) -> Vec<String> {
    let names =
        fs::read_dir(root).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(SOCKET) && name.ends_with(".socket")).collect()
}

/// Whole or not at all: a unit cut in half would be read as one with fewer walls.
pub(super) fn put(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let aside = path.with_extension("new");
    fs::write(&aside, text)?;
    fs::File::open(&aside)?.sync_all()?;
    fs::rename(aside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(text).unwrap()
    }

    #[test]
    fn every_listener_is_a_socket_with_the_sites_networks_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let (root, home) = (folder.path(), Home::at(None));
        let before = "[door]\nallow = [\"10.9.8.0/24\"]\n[serve]\nlisten = \"10.9.8.7:8443\"\n[import]\nwatch = \"/srv/in\"\n\
                      [[feed]]\nname = \"a\"\nlisten = \"0.0.0.0:2575\"\nfrom = [\"10.9.8.1\"]\n\
                      [[feed]]\nname = \"b\"\nlisten = \"0.0.0.0:2575\"\nfrom = [\"10.9.8.2\"]\n";
        fs::write(root.join("other.socket"), "not ours").unwrap();
        write(root, &home, &config(before), Some(Accelerator::Nvidia)).unwrap();
        let mut names = sockets(root);
        names.sort();
        assert_eq!(names, ["haechi-door-https.socket", "haechi-door-mllp-2575.socket"]);
        let socket = fs::read_to_string(root.join(&names[1])).unwrap();
        for line in [
            "ListenStream=0.0.0.0:2575",
            "FileDescriptorName=mllp-2575",
            "IPAddressDeny=any",
            "IPAddressAllow=10.9.8.0/24",
        ] {
            assert!(socket.lines().any(|found| found == line), "{line}\n{socket}");
        }
        let door = fs::read_to_string(root.join("haechi-door.service.d").join(DROP_IN)).unwrap();
        assert!(
            door.contains("IPAddressAllow=10.9.8.0/24") && door.contains(&format!("Sockets={} {}", names[1], names[0])),
            "{door}"
        );
        assert!(
            fs::read_to_string(root.join("haechi-core.service.d").join(DROP_IN))
                .unwrap()
                .contains("ReadWritePaths=-/srv/in")
        );
        assert!(root.join("haechi-model.service.d").join(ACCELERATOR).exists());

        write(root, &home, &config(""), None).unwrap();
        assert!(sockets(root).is_empty() && root.join("other.socket").exists());
        assert!(!root.join("haechi.target.d").join(DROP_IN).exists());
        assert!(root.join("haechi-model.service.d").join(ACCELERATOR).exists(), "it was not asked about");
        write(root, &home, &config(""), Some(Accelerator::Cpu)).unwrap();
        assert!(!root.join("haechi-model.service.d").join(ACCELERATOR).exists());
    }
}
