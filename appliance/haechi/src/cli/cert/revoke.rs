//! `haechi cert revoke`.

use clap::{Args, ValueEnum};
use haechi_certs::Facts;
use haechi_certs::revoked::Reason;

use super::super::{Common, terminal};
use crate::error::Failure;

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    common: Common,
    /// Name of a sender (all certificates that were made for it), or one serial number as `haechi cert list --json` shows it
    #[arg(value_name = "NAME|SERIAL")]
    which: String,
    /// Why
    #[arg(long, value_enum, default_value_t = Why::Unspecified)]
    reason: Why,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Why {
    /// Not said
    Unspecified,
    /// Others may have its key
    KeyCompromise,
    /// Another one took its place
    Superseded,
    /// The sender sends no more
    Cessation,
}

pub(super) fn run(args: RevokeArgs, now: jiff::Timestamp) -> Result<(), Failure> {
    let (home, authority) = super::open(args.common.home.clone(), now)?;
    let reason = match args.reason {
        Why::Unspecified => Reason::Unspecified,
        Why::KeyCompromise => Reason::KeyCompromise,
        Why::Superseded => Reason::Superseded,
        Why::Cessation => Reason::Cessation,
    };
    let mut known: Vec<Facts> =
        authority.issued().map_err(Failure::from_room)?.into_iter().map(|(_, facts)| facts).collect();
    // One from before copies were kept.
    let file = home.certs_folder().join(format!("client-{}.pem", args.which));
    if !args.which.contains('/') && file.is_file() {
        let chain = haechi_certs::tls::roots_from(&file).map_err(Failure::from_room)?;
        known.extend(chain.first().and_then(|leaf| Facts::of(leaf).ok()));
    }
    let wanted = args.which.to_ascii_lowercase().replace(':', "");
    let name = format!("CN={}", args.which);
    let mut serials: Vec<String> = known
        .into_iter()
        .filter(|facts| facts.serial == wanted || (facts.names.is_empty() && facts.subject == name))
        .map(|facts| facts.serial)
        .collect();
    serials.sort();
    serials.dedup();
    if serials.is_empty() {
        return Err(Failure::from_room(haechi_certs::CertError::Unknown(args.which.chars().take(80).collect())));
    }
    for serial in &serials {
        authority.revoke(serial, reason, now).map_err(Failure::from_room)?;
    }
    if args.common.json {
        return terminal::json(&serde_json::json!({ "revoked": serials }));
    }
    terminal::line(&format!(
        "Revoked: {} ({}). It is refused from now on; open connections under it are closed within seconds.",
        args.which,
        serials.join(", ")
    ));
    Ok(())
}
