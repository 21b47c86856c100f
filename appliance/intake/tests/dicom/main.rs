//! Images end to end: objects made here, the third-party files of `../shared/data/dicom`, and third-party senders.

mod behaviour;
mod damage;
mod files;
mod made;
mod peers;
mod site;
