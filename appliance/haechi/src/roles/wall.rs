//! The walls of a role, seen from inside: it takes its lock, tries what must fail, and does not run where it succeeds.
//!
//! A unit promises its wall with `HAECHI_WALL=unit` in its environment. Then each line of the promise is looked at: systemd
//! leaves out, without a word, what a kernel or a container cannot do.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use haechi_sys::lock::{Files, Keep, take};

use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;

/// A unit says that it stands behind the walls of `installer/pkg`.
const PROMISE: &str = "HAECHI_WALL";

/// What runs through every role: the program's libraries, time zones, what the kernel says of processors and of ourselves.
const COMMON: [&str; 9] = [
    "/usr/lib",
    "/lib",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/proc/self",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/dev/urandom",
    "/dev/null",
];

/// The core's lock: its record and certificates, the watched folder, the model role's socket.
pub(crate) fn core(home: &Home, config: &Config) -> Result<(), Failure> {
    let mut keep = Keep { connect: true, read: common(), ..Keep::default() };
    keep.write = vec![home.record_folder(), home.certs_folder()];
    if !home.is_packaged() {
        keep.write.push(home.run_folder());
    }
    keep.write.extend(config.import.folder(home));
    // Its name decides whether there is a model to ask; the file itself is the model role's to read.
    keep.read.extend([home.config_file(), home.models_folder(), home.bundles_folder()]);
    keep.read.extend(std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from));
    keep.read.extend(config.dicom.client_roots.clone());
    keep.read.extend(config.feed.iter().filter_map(|feed| feed.client_roots.clone()));
    raise("core", &keep)
}

/// The model's lock: its weights, its socket. It calls nobody.
pub(crate) fn model(home: &Home, files: &[PathBuf]) -> Result<(), Failure> {
    let mut keep = Keep { read: common(), ..Keep::default() };
    keep.read.extend(["/proc/meminfo", "/proc/cpuinfo"].map(PathBuf::from));
    for file in files {
        // A link in the models folder may lead elsewhere, and the parts of a model lie side by side.
        let file = file.canonicalize().unwrap_or_else(|_| file.clone());
        keep.read.extend(file.parent().map(Path::to_owned));
    }
    // Another bundle may be put in use while the role runs.
    keep.read.extend([home.models_folder(), home.bundles_folder()]);
    if !home.is_packaged() {
        keep.write.push(home.run_folder());
    }
    raise("model", &keep)
}

/// The door's lock: no file at all, and no `connect`. Its listeners are open already, and the core calls it.
pub(crate) fn door() -> Result<(), Failure> {
    raise("door", &Keep::default())
}

fn common() -> Vec<PathBuf> {
    COMMON.map(PathBuf::from).into()
}

/// Looks at the unit's walls, takes the lock, tries it.
fn raise(role: &str, keep: &Keep) -> Result<(), Failure> {
    let promised = std::env::var(PROMISE).is_ok_and(|word| word == "unit");
    if promised {
        let breaches = breaches();
        if !breaches.is_empty() {
            return Err(Failure::new("HAECHI-0174", format_args!("the walls of the {role} role do not stand: {}", breaches.join("; ")))
                .effect("the role does not run")
                .remedy("`haechi doctor` says which unit was changed and `systemctl revert` takes it back; a container must allow namespaces, seccomp and BPF"));
        }
    }
    let files = match take(keep) {
        Ok(files) => files,
        Err(error) if promised => {
            return Err(Failure::from_room(error)
                .effect("the role does not run")
                .remedy("use a kernel with seccomp (every kernel of Debian, Ubuntu and RHEL has it)"));
        }
        Err(error) => {
            log::warn!("{error}; this role runs without its lock, on this machine's own trust");
            return Ok(());
        }
    };
    if UdpSocket::bind("127.0.0.1:0").is_ok() {
        return Err(Failure::new(
            "HAECHI-0175",
            format_args!("the {role} role can open Internet sockets after it gave them up"),
        )
        .effect("the role does not run")
        .remedy("report this with the kernel's version (`uname -r`)"));
    }
    let held = match files {
        Files::Held => "files and ports are held",
        Files::PartlyHeld => "files are held, ports are not (Linux before 6.7)",
        Files::NotHeld => "files are not held (no landlock in this kernel)",
    };
    log::info!(
        "locked: no Internet sockets, no programs, {held}{}",
        if promised { "; the unit's walls stand" } else { "" }
    );
    Ok(())
}

/// What the unit promises and this process does not find, in words.
fn breaches() -> Vec<String> {
    let mut found = Vec::new();
    if !matches!(UdpSocket::bind("127.0.0.1:0"), Err(error) if refused(&error)) {
        found.push("it can make an Internet socket (RestrictAddressFamilies)".to_owned());
    }
    match std::fs::read_to_string("/proc/self/net/dev") {
        Ok(text) if only_loopback(&text) => {}
        Ok(_) => found.push("it sees the machine's network interfaces (PrivateNetwork)".to_owned()),
        Err(error) => found.push(format!("it cannot see its own network interfaces ({error})")),
    }
    match std::fs::read_to_string("/proc/self/status") {
        Ok(text) => found.extend(missing(&text).into_iter().map(str::to_owned)),
        Err(error) => found.push(format!("it cannot read its own status ({error})")),
    }
    match rustix::fs::statvfs("/usr") {
        Ok(disk) if disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) => {}
        _ => found.push("the system's files are not read-only for it (ProtectSystem)".to_owned()),
    }
    found
}

/// Refused by the kernel for what we are, not for want of a route.
fn refused(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::AFNOSUPPORT, Errno::PERM, Errno::ACCESS]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// True if the table of interfaces (`/proc/net/dev`) names the loopback alone.
fn only_loopback(table: &str) -> bool {
    table.lines().skip(2).filter_map(|line| line.split_once(':')).all(|(name, _)| name.trim() == "lo")
}

/// What a process's status (`/proc/PID/status`) lacks.
pub(crate) fn missing(status: &str) -> Vec<&'static str> {
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map_or("", str::trim);
    let none = |name: &str| u64::from_str_radix(field(name), 16) == Ok(0);
    let mut missing = Vec::new();
    if field("NoNewPrivs") != "1" {
        missing.push("it can gain rights (NoNewPrivileges)");
    }
    if field("Seccomp") != "2" {
        missing.push("its system calls are not filtered (SystemCallFilter)");
    }
    if !none("CapEff") || !none("CapBnd") {
        missing.push("it has rights of root (CapabilityBoundingSet)");
    }
    missing
}

/// An address that no site may allow: the probe knocks there.
pub(crate) const FORBIDDEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 99, 99, 99)), 9);

/// `haechi probe`: one forbidden datagram, tried by root inside the door's control group before the door starts. systemd
/// says nothing where the kernel or the container has no BPF; this does. A datagram, since a filtered TCP connection only
/// waits, and waiting proves nothing.
pub(crate) fn probe() -> Result<(), Failure> {
    let sent = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"probe", FORBIDDEN));
    let seen = match sent {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => format!("the answer came from the network ({error}), not from the filter"),
        Ok(_) => "it was sent".to_owned(),
    };
    Err(Failure::new("HAECHI-0179", format_args!("the door's address lists are not enforced: {seen}"))
        .effect("the door does not open")
        .remedy("allow BPF for control groups: a kernel with CONFIG_CGROUP_BPF, unified control groups, and in a container the right to call bpf(2)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_judged_line_by_line() {
        let held = "Name:\thaechi\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        assert!(missing(held).is_empty());
        for (from, to, word) in [
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0", "NoNewPrivileges"),
            ("Seccomp:\t2", "Seccomp:\t0", "SystemCallFilter"),
            ("CapBnd:\t0000000000000000", "CapBnd:\t0000000000000400", "CapabilityBoundingSet"),
            ("CapEff:\t0000000000000000\n", "", "CapabilityBoundingSet"),
        ] {
            let found = missing(&held.replace(from, to));
            assert!(found.len() == 1 && found[0].contains(word), "{found:?}");
        }
    }

    #[test]
    fn interfaces_beside_the_loopback_are_seen() {
        let table = "Inter-|   Receive\n face |bytes\n    lo:  0 0\n";
        assert!(only_loopback(table));
        assert!(!only_loopback(&format!("{table}  eth0: 1 2\n")));
    }

    #[test]
    fn without_a_filter_the_probe_says_so() {
        // No list is in force for a test: the forbidden address answers from the network.
        assert!(probe().unwrap_err().to_string().starts_with("HAECHI-0179"));
    }
}
