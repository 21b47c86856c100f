//! The one small crate outside `drivers` in which unsafe code may stand, each place with its reason.
//!
//! Today it holds [`power_cut`], which only tests link: the product itself needs no unsafe call of its own.

pub mod power_cut;
