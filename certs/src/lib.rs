//! The site's own certificates: a small authority (one root, kept on the site), leaf certificates under it, their renewal,
//! and the TLS settings that use them. Files and time go in; no socket, no clock.
//!
//! Reading order: [`files`] (what lies in the folder), [`authority`] (root and leaves), [`identity`] (the leaf that the
//! appliance shows, renewed without dropping a connection), [`revoked`] (what counts no more), [`request`] and
//! [`import`] (a certificate of the hospital's own authority), [`tls`] (rustls settings).

pub mod authority;
mod error;
mod files;
pub mod identity;
pub mod import;
pub mod request;
pub mod revoked;
pub mod tls;

pub use authority::{Authority, Facts, Purpose};
pub use error::CertError;
pub use identity::Identity;
