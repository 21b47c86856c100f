//! `haechi door`: owns the Internet listeners and forwards to the core. It reads no file: what to open stands on its command
//! line or comes open from systemd, and it calls nobody: the core calls it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use haechi_door::{Door, Listener, Settings};
use haechi_link::Claimed;
use haechi_link::peer::Allowed;

use super::systemd::{self, Sockets};
use super::{runtime, stop_signal, tie_to_parent, wall};
use crate::error::Failure;

/// The name of the core's socket in its unit.
const CORE: &str = "core-lines";

#[derive(Debug, Args)]
pub(crate) struct DoorArgs {
    /// Where the core calls
    #[arg(long, value_name = "SOCKET")]
    core: Option<PathBuf>,
    /// What to open, as NAME=ADDRESS:PORT; none where systemd opens it
    #[arg(long, value_name = "NAME=ADDRESS")]
    listen: Vec<Listener>,
}

/// The door role, from start to stop.
pub(crate) fn run(args: DoorArgs) -> Result<ExitCode, Failure> {
    tie_to_parent();
    let mut sockets = Sockets::take();
    let door = if let Some(socket) = sockets.unix(CORE) {
        // Its owner and mode are systemd's to say: whoever reaches it is the core.
        let settings = Settings { core: Allowed::WhoeverReachesTheSocket, ..Settings::default() };
        Door::with(sockets.listeners(), Claimed::from(socket), settings)
    } else {
        let path = args.core.ok_or_else(|| {
            Failure::new("HAECHI-0180", "the door is given no socket at which the core calls")
                .effect("nothing listens")
                .remedy("start it by `haechi up`, or by systemd after `haechi setup`")
        })?;
        let claimed = Claimed::bind("door", &path).map_err(Failure::from_room)?;
        Door::open(&args.listen, claimed, Settings::default()).map_err(Failure::from_room)?
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
