//! What an intruder who took over a role would try, run by tests/system in place of the role: in its unit, as its user, with
//! its sockets. Each line of output is one attempt, `refused NAME: WHY` or `SUCCEEDED NAME: WHAT`. Exit code 1 if one succeeded.
//!
//! Usage: `attack [--locked] [--read PATH]... [--call SOCKET]... [--inside ADDRESS] [--outside ADDRESS] [--sockets]`
//!   --locked    take the second lock first (haechi-sys, `lock`), as the role does (with --sockets the door's, without
//!               `connect`); without it the unit's walls stand alone
//!   --read      another's file or folder;  --call  another's Unix socket
//!   --inside    an address that the site allows;  --outside  one that it does not
//!   --sockets   turn the sockets that came from systemd into a way to these addresses
//!   --spare-listeners   but only their connections: a listener that was connected keeps systemd busy without end
#![allow(unsafe_code, reason = "an intruder calls by number")]
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use haechi_sys::lock::{Keep, take};

#[derive(Default)]
struct Plan {
    locked: bool,
    read: Vec<String>,
    call: Vec<String>,
    targets: Vec<(&'static str, SocketAddr)>,
    sockets: bool,
    spare: bool,
}

struct Tally {
    succeeded: u32,
}

impl Tally {
    fn note<T>(&mut self, name: &str, tried: Result<T, Error>) {
        match tried {
            Err(error) => println!("refused {name}: {error}"),
            Ok(_) => {
                self.succeeded += 1;
                println!("SUCCEEDED {name}");
            }
        }
    }

    /// A call by number: -1 is a refusal.
    fn call(&mut self, name: &str, result: i64) {
        self.note(name, if result < 0 { Err(Error::last_os_error()) } else { Ok(()) });
    }
}

fn main() -> ExitCode {
    let plan = plan();
    let inherited = if plan.sockets { haechi_sys::inherited::sockets() } else { Vec::new() };
    if plan.locked {
        println!("locked: {:?}", take(&Keep { connect: !plan.sockets, ..Keep::default() }).expect("the lock"));
    }
    let mut tally = Tally { succeeded: 0 };
    network(&mut tally, &plan);
    kernel(&mut tally, plan.locked);
    files(&mut tally, &plan);
    for (name, socket) in inherited {
        turn(&mut tally, &name, socket, &plan.targets, plan.spare);
    }
    println!("{} succeeded", tally.succeeded);
    if tally.succeeded == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn plan() -> Plan {
    let mut plan = Plan::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value");
        match argument.as_str() {
            "--locked" => plan.locked = true,
            "--sockets" => plan.sockets = true,
            "--spare-listeners" => plan.spare = true,
            "--read" => plan.read.push(value()),
            "--call" => plan.call.push(value()),
            "--inside" => plan.targets.push(("inside", value().parse().expect("an address"))),
            "--outside" => plan.targets.push(("outside", value().parse().expect("an address"))),
            other => panic!("{other} is not understood"),
        }
    }
    plan
}

fn network(tally: &mut Tally, plan: &Plan) {
    for (place, target) in &plan.targets {
        tally.note(&format!("TCP to an address {place}"), TcpStream::connect_timeout(target, Duration::from_secs(2)));
        tally.note(
            &format!("UDP to an address {place}"),
            UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"out", target)),
        );
    }
    tally.note("a name looked up", ("example.com", 80).to_socket_addrs());
    tally.note("a port to listen at", TcpListener::bind("0.0.0.0:4444"));
    for (name, family, kind) in [
        ("a raw socket", libc::AF_INET, libc::SOCK_RAW),
        ("a packet socket", libc::AF_PACKET, libc::SOCK_RAW),
        ("a netlink socket", libc::AF_NETLINK, libc::SOCK_RAW),
        ("a socket to the hypervisor", libc::AF_VSOCK, libc::SOCK_STREAM),
        ("a Bluetooth socket", libc::AF_BLUETOOTH, libc::SOCK_RAW),
    ] {
        // SAFETY: plain numbers.
        tally.call(name, i64::from(unsafe { libc::socket(family, kind, 0) }));
    }
    let mut ring = [0_u8; 120]; // struct io_uring_params
    // SAFETY: the kernel writes within `ring`.
    tally.call("io_uring, which opens and connects sockets past filters", unsafe {
        libc::syscall(libc::SYS_io_uring_setup, 4, ring.as_mut_ptr())
    });
    for path in &plan.call {
        tally.note(&format!("the socket {path}"), UnixStream::connect(path));
    }
}

fn kernel(tally: &mut Tally, locked: bool) {
    let module = File::open("/proc/self/exe").map_or(-1, |file| file.as_raw_fd());
    // SAFETY: calls that the kernel refuses, or that change this process alone; pointers are null or to constants.
    unsafe {
        let none = std::ptr::null::<u8>();
        tally.call("ptrace of process 1", libc::syscall(libc::SYS_ptrace, libc::PTRACE_SEIZE, 1, 0, 0));
        tally.call("the memory of process 1", libc::syscall(libc::SYS_process_vm_readv, 1, none, 0, none, 0, 0));
        tally.call("a kernel module", libc::syscall(libc::SYS_finit_module, module, c"".as_ptr(), 0));
        tally.call("another kernel", libc::syscall(libc::SYS_kexec_load, 0, 0, none, 0));
        tally.call("a program in the kernel", libc::syscall(libc::SYS_bpf, 0, none, 0));
        tally.call(
            "a mount",
            libc::syscall(libc::SYS_mount, c"none".as_ptr(), c"/tmp".as_ptr(), c"tmpfs".as_ptr(), 0, none),
        );
        tally.call("another root", libc::syscall(libc::SYS_chroot, c"/tmp".as_ptr()));
        tally.call("a user namespace", libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER));
        tally.call("a network namespace", libc::syscall(libc::SYS_unshare, libc::CLONE_NEWNET));
        tally.call("to be root", libc::syscall(libc::SYS_setuid, 0));
        tally.call("memory to write and run", {
            let both = libc::PROT_WRITE | libc::PROT_EXEC;
            libc::syscall(libc::SYS_mmap, 0, 4096, both, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
        });
        tally.call("the kernel's keys", libc::syscall(libc::SYS_keyctl, 0, -4, 0));
        tally.call("another clock", libc::syscall(libc::SYS_clock_settime, 0, none));
        tally.call("a new priority", libc::syscall(libc::SYS_setpriority, 0, 0, -5));
        tally.call(
            "a device node",
            libc::syscall(libc::SYS_mknodat, libc::AT_FDCWD, c"/tmp/mem".as_ptr(), libc::S_IFCHR | 0o600, 0x101),
        );
    }
    if locked {
        // systemd itself must start the role, so the unit cannot refuse this; the role's own lock does.
        tally.note("another program", Command::new("/bin/true").status());
    }
}

fn files(tally: &mut Tally, plan: &Plan) {
    for path in [
        "/usr/intruder",
        "/etc/intruder",
        "/var/lib/haechi/intruder",
        "/var/lib/intruder",
        "/root/intruder",
        "/run/haechi/intruder",
        "/boot/intruder",
    ] {
        tally.note(&format!("to write {path}"), File::create(path));
    }
    for path in &plan.read {
        // Of a folder its list, of a file its bytes.
        let read = if std::path::Path::new(path).is_dir() {
            std::fs::read_dir(path).map(drop)
        } else {
            std::fs::read(path).map(drop)
        };
        tally.note(&format!("to read {path}"), read);
    }
    for path in [
        "/dev/mem",
        "/dev/kmsg",
        "/dev/fuse",
        "/dev/net/tun",
        "/proc/kcore",
        "/proc/sysrq-trigger",
        "/proc/1/environ",
        "/etc/shadow",
    ] {
        tally.note(&format!("to open {path}"), File::open(path).or_else(|_| File::options().write(true).open(path)));
    }
}

/// Every way known to turn a listening socket, or a connection that came in over it, into a connection that goes out.
fn turn(tally: &mut Tally, name: &str, socket: OwnedFd, targets: &[(&'static str, SocketAddr)], spare: bool) {
    let listener = TcpListener::from(socket);
    if listener.local_addr().is_err() {
        return; // a Unix socket
    }
    listener.set_nonblocking(true).expect("nonblocking");
    type Way = fn(&TcpStream, SocketAddr) -> Result<(), Error>;
    let ways: [(&str, Way); 2] = [("turned", connect), ("with fast open", fast_open)];
    for (place, target) in targets {
        for (words, way) in ways {
            // The test keeps calling, so that there is a connection to take.
            let Some(accepted) = accept(&listener) else {
                println!("SUCCEEDED nothing: nobody called at `{name}`, the attempts on its connections were not made");
                tally.succeeded += 1;
                return;
            };
            unspecified(&accepted);
            tally.note(&format!("a connection of `{name}` {words} to an address {place}"), way(&accepted, *target));
        }
    }
    if spare {
        return;
    }
    // The listener itself, as if it were a connection.
    // SAFETY: a descriptor that is ours.
    unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_RDWR) };
    let listener = TcpStream::from(OwnedFd::from(listener));
    for (place, target) in targets {
        for (words, way) in ways {
            unspecified(&listener);
            tally.note(&format!("the listener `{name}` {words} to an address {place}"), way(&listener, *target));
        }
    }
}

fn accept(listener: &TcpListener) -> Option<TcpStream> {
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        match listener.accept() {
            Ok((stream, _)) => return Some(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(20)),
            Err(_) => return None,
        }
    }
    None
}

fn unspecified(socket: &TcpStream) {
    let address = libc::sockaddr { sa_family: libc::AF_UNSPEC as u16, sa_data: [0; 14] };
    // SAFETY: the address lives through the call.
    unsafe { libc::connect(socket.as_raw_fd(), &raw const address, 16) };
}

fn raw(target: SocketAddr) -> libc::sockaddr_in {
    let SocketAddr::V4(four) = target else { panic!("an IPv4 address") };
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: four.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(four.ip().octets()) },
        sin_zero: [0; 8],
    }
}

/// Connected, and not only on its way: a filtered packet leaves the attempt hanging.
fn connect(socket: &TcpStream, target: SocketAddr) -> Result<(), Error> {
    let address = raw(target);
    let number = socket.as_raw_fd();
    // SAFETY: a descriptor that is ours; the address and `wait` live through the calls.
    unsafe {
        libc::fcntl(number, libc::F_SETFL, libc::O_NONBLOCK);
        if libc::connect(number, (&raw const address).cast(), 16) == 0 {
            return Ok(());
        }
        let error = Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINPROGRESS) {
            return Err(error);
        }
    }
    established(number)
}

fn fast_open(socket: &TcpStream, target: SocketAddr) -> Result<(), Error> {
    let address = raw(target);
    let number = socket.as_raw_fd();
    // SAFETY: as above.
    let sent = unsafe {
        libc::fcntl(number, libc::F_SETFL, libc::O_NONBLOCK);
        libc::sendto(
            number,
            b"out".as_ptr().cast(),
            3,
            libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL,
            (&raw const address).cast(),
            16,
        )
    };
    if sent < 0 {
        let error = Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINPROGRESS) {
            return Err(error);
        }
    }
    established(number)
}

fn established(number: i32) -> Result<(), Error> {
    let mut wait = libc::pollfd { fd: number, events: libc::POLLOUT, revents: 0 };
    let mut problem: i32 = 0;
    let mut size: libc::socklen_t = 4;
    // SAFETY: the kernel writes within `wait`, `problem` and `size`.
    unsafe {
        if libc::poll(&raw mut wait, 1, 2_000) == 0 {
            return Err(Error::new(ErrorKind::TimedOut, "its packets are dropped"));
        }
        libc::getsockopt(number, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut problem).cast(), &raw mut size);
    }
    if problem == 0 { Ok(()) } else { Err(Error::from_raw_os_error(problem)) }
}
