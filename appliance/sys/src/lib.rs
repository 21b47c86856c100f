//! The one small crate outside `drivers` in which unsafe code may stand, each place with its reason.
//!
//! [`clock`]: whether it is right. [`lock`]: what a role takes from itself before it touches foreign bytes. [`inherited`]: sockets that systemd made.
//! `power_cut`: a simulated disk, for tests alone.

pub mod clock;
pub mod inherited;
pub mod lock;
#[cfg(feature = "power-cut")]
pub mod power_cut;
