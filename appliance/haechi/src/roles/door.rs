//! `haechi door`: owns the Internet listeners and forwards to the core. It reads no file: what to open stands on its command
//! line or comes open from systemd, and the only thing it can reach is the core's socket.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use haechi_door::{Door, Listener, Settings};

use super::systemd::{self, Sockets};
use super::{runtime, stop_signal, tie_to_parent, wall};
use crate::error::Failure;

#[derive(Debug, Args)]
pub(crate) struct DoorArgs {
    /// The core's socket for forwarded connections
    #[arg(long, value_name = "SOCKET")]
    core: PathBuf,
    /// What to open, as NAME=ADDRESS:PORT; none where systemd opens it
    #[arg(long, value_name = "NAME=ADDRESS")]
    listen: Vec<Listener>,
}

/// The door role, from start to stop.
pub(crate) fn run(args: DoorArgs) -> Result<ExitCode, Failure> {
    tie_to_parent();
    let door = if args.listen.is_empty() {
        Door::with(Sockets::take().listeners(), args.core, Settings::default())
    } else {
        Door::open(&args.listen, args.core, Settings::default()).map_err(Failure::from_room)?
    };
    let addresses = door.addresses();
    if addresses.is_empty() {
        return Err(Failure::new("HAECHI-0180", "the door has nothing to open")
            .effect("nothing listens")
            .remedy("name addresses in haechi.toml and run `haechi setup --apply`"));
    }
    wall::door()?;
    runtime()?.block_on(async {
        for (name, address) in addresses {
            log::info!("`{name}` listens at {address}");
        }
        systemd::ready();
        let stop = async {
            if let Err(failure) = stop_signal().await {
                log::error!("{}", failure.sentence());
            }
            systemd::stopping();
        };
        door.serve(stop).await;
        Ok(ExitCode::SUCCESS)
    })
}
