//! The second lock: what a role takes from itself, by landlock and seccomp, before it reads a foreign byte. It stands behind
//! the walls of the systemd unit, and alone under `haechi up`. It cannot be taken back, and what the role starts later has it too.
//!
//! Landlock (since Linux 5.13) says which folders can be read and written, and that no TCP port is bound or connected to (since
//! 6.7). seccomp says which calls fail: it knows numbers and flags, never what a pointer points at, so `connect` is all or
//! nothing there, and landlock tells TCP from Unix.

use std::collections::BTreeMap;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// The newest landlock that this file was written and tried for. Older kernels hold to as much as they know.
const KNOWN: ABI = ABI::V6;
/// The first landlock that knows TCP.
const KNOWS_TCP: ABI = ABI::V4;

/// What a role keeps.
#[derive(Debug, Clone, Default)]
pub struct Keep {
    /// Files and folders it reads. Those that are not there are left out.
    pub read: Vec<PathBuf>,
    /// Folders it reads, writes, makes and removes files and Unix sockets in. Those that are not there are left out.
    pub write: Vec<PathBuf>,
    /// Whether it calls others over Unix sockets.
    pub connect: bool,
}

/// What the kernel agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Files and TCP ports are held to what was asked.
    Held,
    /// The kernel is older than the lock: some rights are not held (TCP ports before 6.7).
    PartlyHeld,
    /// The kernel has no landlock, or it was switched off at boot.
    NotHeld,
}

/// The lock was refused.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// By landlock.
    #[error("HAECHI-0170: the kernel refuses the role's lock on files (landlock): {0}")]
    Landlock(String),
    /// By seccomp.
    #[error("HAECHI-0171: the kernel refuses the role's lock on system calls (seccomp): {0}")]
    Seccomp(String),
}

/// Takes the lock for this thread and all that it starts. Call it while it is the only one.
///
/// # Errors
/// [`LockError`]. A kernel that has no landlock is no error: see [`Files`].
pub fn take(keep: &Keep) -> Result<Files, LockError> {
    let files = files(keep).map_err(|error| LockError::Landlock(error.to_string()))?;
    let program = calls(keep).map_err(|error| LockError::Seccomp(error.to_string()))?;
    seccompiler::apply_filter(&program).map_err(|error| LockError::Seccomp(error.to_string()))?;
    Ok(files)
}

fn files(keep: &Keep) -> Result<Files, landlock::RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    // No devices, no execution: what a role writes is data.
    let write = AccessFs::from_all(KNOWN)
        & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWS_TCP))?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?
        .set_compatibility(CompatLevel::BestEffort);
    for (paths, access) in [(&keep.read, read), (&keep.write, write)] {
        for path in paths {
            let Ok(open) = PathFd::new(path) else { continue };
            // Rights on what a folder holds mean nothing for a file; landlock wants them left out.
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
            rules = rules.add_rule(PathBeneath::new(open, access))?;
        }
    }
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Files::Held,
        RulesetStatus::PartiallyEnforced => Files::PartlyHeld,
        RulesetStatus::NotEnforced => Files::NotHeld,
    })
}

/// Calls that no role makes, each with the reason why it would be one too many.
fn never() -> Vec<i64> {
    vec![
        // Other programs.
        libc::SYS_execve,
        libc::SYS_execveat,
        // A second way to every other call, past this filter.
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        // Other processes' memory.
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        // The kernel itself: modules, another kernel, programs inside it, its keys, its faults in our hands.
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_kexec_file_load,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        // Another view of files and networks.
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_fsopen,
        libc::SYS_fsmount,
        libc::SYS_mount_setattr,
        libc::SYS_open_by_handle_at,
        libc::SYS_name_to_handle_at,
    ]
}

fn calls(keep: &Keep) -> Result<seccompiler::BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in never() {
        rules.insert(call, Vec::new()); // whatever its arguments
    }
    if !keep.connect {
        rules.insert(libc::SYS_connect, Vec::new());
    }
    let is =
        |argument: u8, value: u64| SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
    let has = |argument: u8, bits: u64| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(bits), bits)
    };
    let constant = |value: i32| u64::from(value.cast_unsigned());
    // Sockets of any family but Unix.
    let other = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, constant(libc::AF_UNIX))?;
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(vec![other])?]);
    // "Fast open" connects while it sends, from any TCP socket, and landlock does not see it.
    let fast = constant(libc::MSG_FASTOPEN);
    rules.insert(libc::SYS_sendto, vec![SeccompRule::new(vec![has(3, fast)?])?]);
    rules.insert(libc::SYS_sendmsg, vec![SeccompRule::new(vec![has(2, fast)?])?]);
    rules.insert(libc::SYS_sendmmsg, vec![SeccompRule::new(vec![has(3, fast)?])?]);
    let options = [libc::TCP_FASTOPEN_CONNECT, libc::TCP_FASTOPEN, libc::TCP_REPAIR, libc::TCP_ULP];
    let options: Result<Vec<_>, seccompiler::BackendError> = options
        .into_iter()
        .map(|option| SeccompRule::new(vec![is(1, constant(libc::IPPROTO_TCP))?, is(2, constant(option))?]))
        .collect();
    rules.insert(libc::SYS_setsockopt, options?);
    // Memory that is written and then run.
    let (write, run) = (constant(libc::PROT_WRITE), constant(libc::PROT_EXEC));
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![has(2, write | run)?])?]);
    rules.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![has(2, run)?])?]);
    rules.insert(libc::SYS_pkey_mprotect, vec![SeccompRule::new(vec![has(2, run)?])?]);
    let target = if cfg!(target_arch = "aarch64") { TargetArch::aarch64 } else { TargetArch::x86_64 };
    if cfg!(target_arch = "x86_64") {
        // The same calls by their numbers in the x32 interface, where a kernel has it.
        let twins: Vec<_> = rules.iter().map(|(call, rule)| (call | X32, rule.clone())).collect();
        rules.extend(twins);
    }
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, target)?.try_into()
}

/// Bit of a call's number in the x32 interface (`__X32_SYSCALL_BIT`).
const X32: i64 = 0x4000_0000;

#[cfg(test)]
#[allow(unsafe_code, reason = "calls that must be refused, made by number")]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::io::Read;
    use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixListener, UnixStream};

    /// Takes the lock in a thread of its own, so that the other tests stay free.
    fn locked<T: Send + 'static>(keep: Keep, work: impl FnOnce(Files) -> T + Send + 'static) -> T {
        std::thread::spawn(move || work(take(&keep).unwrap())).join().unwrap()
    }

    #[test]
    fn no_internet_socket_no_program_no_ring_no_runnable_memory() {
        locked(Keep { connect: true, ..Keep::default() }, |_| {
            let refused = |result: std::io::Error| result.raw_os_error() == Some(libc::EPERM);
            assert!(refused(UdpSocket::bind("127.0.0.1:0").unwrap_err()));
            assert!(refused(TcpListener::bind("127.0.0.1:0").unwrap_err()));
            assert!(refused(TcpListener::bind("[::1]:0").unwrap_err()));
            assert!(UnixStream::pair().is_ok(), "Unix sockets stay");
            assert!(std::process::Command::new("/bin/true").spawn().is_err());
            // SAFETY: calls with arguments the kernel refuses to act on; nothing of ours is handed over.
            let calls = unsafe {
                [
                    libc::syscall(libc::SYS_io_uring_setup, 1, std::ptr::null::<u8>()),
                    libc::syscall(libc::SYS_ptrace, 16, 1, 0, 0),
                    libc::syscall(libc::SYS_bpf, 0, std::ptr::null::<u8>(), 0),
                    libc::syscall(libc::SYS_mmap, 0, 4096, libc::PROT_WRITE | libc::PROT_EXEC, 0x22, -1, 0),
                ]
            };
            assert_eq!(calls, [-1; 4]);
            assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EPERM));
        });
    }

    #[test]
    fn files_are_held_to_their_folders() {
        let folder = tempfile::tempdir().unwrap();
        let (read, write, other) =
            (folder.path().join("read"), folder.path().join("write"), folder.path().join("other"));
        for path in [&read, &write, &other] {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("file"), b"1").unwrap();
        }
        let keep = Keep { read: vec![read.clone()], write: vec![write.clone()], connect: false };
        locked(keep, move |held| {
            if held == Files::NotHeld {
                eprintln!("skipped: this kernel has no landlock");
                return;
            }
            let denied =
                |result: std::io::Result<()>| result.map_err(|error| error.kind()) == Err(ErrorKind::PermissionDenied);
            assert_eq!(std::fs::read(read.join("file")).unwrap(), b"1");
            assert!(denied(std::fs::write(read.join("file"), b"2")));
            std::fs::write(write.join("new"), b"2").unwrap();
            std::fs::rename(write.join("new"), write.join("newer")).unwrap();
            UnixListener::bind(write.join("socket")).unwrap();
            std::fs::remove_file(write.join("socket")).unwrap();
            assert!(denied(std::fs::read(other.join("file")).map(drop)));
            assert!(denied(std::fs::write(other.join("new"), b"2")));
        });
    }

    /// A socket that was there before the lock cannot be turned into a way out.
    #[test]
    fn an_inherited_socket_cannot_be_connected_anew() {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = target.local_addr().unwrap();
        let mut caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        locked(Keep { connect: true, ..Keep::default() }, move |held| {
            if held != Files::Held {
                eprintln!("skipped: this kernel's landlock does not know TCP");
                return;
            }
            reconnect(&accepted, address);
            let sent = rustix::net::sendto(
                &listener,
                b"out",
                rustix::net::SendFlags::from_bits_retain(libc::MSG_FASTOPEN.cast_unsigned()),
                &address,
            );
            assert_eq!(sent, Err(rustix::io::Errno::PERM), "fast open");
        });
        let _ = caller.read(&mut [0; 1]);
        target.set_nonblocking(true).unwrap();
        assert_eq!(target.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came out");
    }

    fn reconnect(accepted: &TcpStream, to: SocketAddr) {
        let _ = rustix::net::connect_unspec(accepted); // allowed: it only lets go
        let again = rustix::net::connect(accepted, &to);
        assert_eq!(again, Err(rustix::io::Errno::ACCESS));
    }
}
