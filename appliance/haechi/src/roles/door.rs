//! `haechi door`: owns the Internet listeners and forwards to the core. It reads no file: what to open stands on its command
//! line, and the only thing it can reach is the core's socket.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use haechi_door::{Door, Listener, Settings};

use super::{runtime, stop_signal, tie_to_parent};
use crate::error::Failure;

#[derive(Debug, Args)]
pub(crate) struct DoorArgs {
    /// The core's socket for forwarded connections
    #[arg(long, value_name = "SOCKET")]
    core: PathBuf,
    /// What to open, as NAME=ADDRESS:PORT
    #[arg(long, value_name = "NAME=ADDRESS", required = true)]
    listen: Vec<Listener>,
}

/// The door role, from start to stop.
pub(crate) fn run(args: DoorArgs) -> Result<ExitCode, Failure> {
    tie_to_parent();
    runtime()?.block_on(async {
        let door = Door::open(&args.listen, args.core, Settings::default()).await.map_err(Failure::from_room)?;
        for (name, address) in door.addresses() {
            log::info!("`{name}` listens at {address}");
        }
        let stop = async {
            if let Err(failure) = stop_signal().await {
                log::error!("{}", failure.sentence());
            }
        };
        door.serve(stop).await;
        Ok(ExitCode::SUCCESS)
    })
}
