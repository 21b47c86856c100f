//! `haechi cert`: the site's certificates.

mod import;
mod list;
mod revoke;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use haechi_certs::identity::SERVER_FILE;
use haechi_certs::{Authority, Identity, Purpose};

use super::{Common, terminal};
use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;

/// Longest name of a sender: what an X.509 common name holds.
const MAX_NAME_BYTES: usize = 64;

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// The site's root, the appliance's certificate and those of senders: for whom, until when, and whether they count
    List(Common),
    /// Print the site's root certificate (PEM), which every sender that uses TLS must trust
    Root(Common),
    /// Make the appliance's certificate anew; one that runs takes it within a minute and drops no connection
    Renew(Common),
    /// Make a certificate with its key for a sender that shows one; prints the file's place
    Client {
        #[command(flatten)]
        common: Common,
        /// Name of the sender: letters, digits, '-', '.'
        name: String,
    },
    /// Print a request (PKCS#10, PEM) for the hospital's own authority; its key stays here
    Csr(CsrArgs),
    /// Take a certificate that the hospital's own authority made (PEM with its chain, or PKCS#12), and show it from now on
    Import(import::ImportArgs),
    /// Have a certificate of this site count no more; listeners refuse it at once
    Revoke(revoke::RevokeArgs),
    /// Print the list of revoked certificates (PEM) for others who check the site's certificates
    Crl(Common),
}

#[derive(Debug, Args)]
pub(crate) struct CsrArgs {
    #[command(flatten)]
    common: Common,
    /// Host name or address it shall stand for; may be given several times [default: `names` under [tls]]
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
}

pub(crate) fn run(command: CertCommand) -> Result<ExitCode, Failure> {
    let now = jiff::Timestamp::now();
    match command {
        CertCommand::List(common) => list::run(&common, now)?,
        CertCommand::Root(common) => {
            let (_, authority) = open(common.home, now)?;
            print(&authority.root_file())?;
        }
        CertCommand::Renew(common) => {
            let (home, authority) = open(common.home.clone(), now)?;
            let names = Config::load(&home)?.tls.names;
            let file = home.certs_folder().join(SERVER_FILE);
            authority.issue(&file, Purpose::Server, &names, now).map_err(Failure::from_room)?;
            let identity = Identity::open(&authority, &home.certs_folder(), &names, now).map_err(Failure::from_room)?;
            if identity.is_imported() && !common.json {
                terminal::line(
                    "Note: the imported certificate is shown as before; `haechi cert import --remove` goes back to the site's own.",
                );
            }
            list::show(common.json, &[list::read(&file, "server", now)?])?;
        }
        CertCommand::Client { common, name } => {
            let usable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !name.bytes().all(usable) || name.starts_with('.') {
                return Err(Failure::new("HAECHI-0149", "the sender's name cannot stand in a certificate")
                    .effect("nothing was made")
                    .remedy("use letters, digits, '-' and '.', at most 64"));
            }
            let (home, authority) = open(common.home, now)?;
            let file = home.certs_folder().join(format!("client-{name}.pem"));
            authority.issue(&file, Purpose::Client, &[name], now).map_err(Failure::from_room)?;
            list::show(common.json, &[list::read(&file, "client", now)?])?;
        }
        CertCommand::Csr(args) => {
            let (home, _) = open(args.common.home, now)?;
            let names = if args.name.is_empty() { Config::load(&home)?.tls.names } else { args.name };
            let text = haechi_certs::request::request(&home.certs_folder(), &names).map_err(Failure::from_room)?;
            if args.common.json {
                terminal::json(&serde_json::json!({ "names": names, "request": text }))?;
            } else {
                terminal::line(text.trim_end());
            }
        }
        CertCommand::Import(args) => import::run(args, now)?,
        CertCommand::Revoke(args) => revoke::run(args, now)?,
        CertCommand::Crl(common) => {
            let (_, authority) = open(common.home, now)?;
            print(authority.revoked(now).map_err(Failure::from_room)?.file())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a public file of the certificates' folder.
fn print(file: &std::path::Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new("HAECHI-0149", format_args!("the file cannot be read: {error}")).file(file))?;
    terminal::line(text.trim_end());
    Ok(())
}

fn open(home: Option<PathBuf>, now: jiff::Timestamp) -> Result<(Home, Authority), Failure> {
    let home = Home::at(home).existing()?;
    let config = Config::load(&home)?;
    let authority =
        Authority::open_or_create(&home.certs_folder(), &config.site.name, now).map_err(Failure::from_room)?;
    Ok((home, authority))
}
