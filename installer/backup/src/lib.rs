//! Encrypted, incremental copies of a site's state, and the way back.
//!
//! A *repository* is a folder, on a disk that is carried away or on another machine's share. It holds *packs* (pieces of
//! files, many in one `age` file) and *snapshots* (what the state was at one moment: which pieces make which file).
//! A piece that an earlier snapshot has is not written again, so a copy after the first costs what changed.
//!
//! Who can do what:
//! - The appliance holds the public half of the recovery key and a sealing key. It can add snapshots and notice one that is
//!   damaged or was made by somebody else. It cannot read what it wrote.
//! - The recovery key, shown once, reads everything. It is an `age` identity, so the packs open with any `age` program.
//! - Whoever holds the repository alone learns sizes and times, and can destroy, but neither read nor forge.
//!
//! Consistent while the appliance works: see [`Source`]. In here is no word of what the files mean.
//!
//! Reading order: [`key`], [`source`], `pack`, `snapshot`, [`repository`], `create`, `restore`.

mod create;
mod error;
mod index;
pub mod key;
mod pack;
pub mod repository;
mod restore;
mod snapshot;
pub mod source;

pub use create::create;
pub use error::BackupError;
pub use key::{Keys, RecoveryKey};
pub use repository::{Pruned, Repository};
pub use restore::{Restored, restore};
pub use snapshot::{Listed, check_header};
pub use source::{Content, Pin, Source};
