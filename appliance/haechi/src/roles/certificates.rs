//! The certificates of the core's listeners while it runs: opened at start, looked after every minute.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haechi_certs::authority::RENEW_BELOW_DAYS;
use haechi_certs::revoked::Revoked;
use haechi_certs::tls::{Clients, server_config};
use haechi_certs::{Authority, Identity};
use tokio_rustls::rustls::ServerConfig;

use crate::config::Config;
use crate::config::feed::Transport;
use crate::config::tls::Tls;
use crate::error::Failure;
use crate::home::Home;

/// How often the certificate is looked after.
const LOOK: Duration = Duration::from_secs(60);

/// Looks between two warnings of a certificate that ends: a day.
const LOOKS_A_DAY: u64 = 24 * 60;

/// The site's authority and the leaf in use.
pub(crate) struct Certificates {
    authority: Authority,
    identity: Arc<Identity>,
    revoked: Arc<Revoked>,
    tls: Tls,
}

impl Certificates {
    /// Opens them; makes what is missing.
    pub(crate) fn open(home: &Home, config: &Config) -> Result<Self, Failure> {
        let (folder, now) = (home.certs_folder(), jiff::Timestamp::now());
        let authority = Authority::open_or_create(&folder, &config.site.name, now).map_err(Failure::from_room)?;
        let identity = Identity::open(&authority, &folder, &config.tls.names, now).map_err(Failure::from_room)?;
        let revoked = Arc::new(authority.revoked(now).map_err(Failure::from_room)?);
        Ok(Self { authority, identity, revoked, tls: config.tls.clone() })
    }

    /// The site's certificates that count no more.
    pub(crate) fn revoked(&self) -> Arc<Revoked> {
        Arc::clone(&self.revoked)
    }

    /// TLS settings for a listener. `protocols`: ALPN names, the wanted one first.
    pub(crate) fn server(&self, clients: Clients, protocols: &[&str]) -> Result<Arc<ServerConfig>, Failure> {
        server_config(Arc::clone(&self.identity), clients, self.tls.versions(), protocols).map_err(Failure::from_room)
    }

    /// TLS settings for a listener of machines; `None`: in clear. `roots`: of the certificates that they show, see
    /// [`Certificates::clients_under`].
    pub(crate) fn listener(
        &self,
        transport: Transport,
        roots: Option<&Path>,
    ) -> Result<Option<Arc<ServerConfig>>, Failure> {
        let clients = match transport {
            Transport::None => return Ok(None),
            Transport::Server => Clients::Anybody,
            Transport::Mutual => self.clients_under(roots)?,
        };
        self.server(clients, &[]).map(Some)
    }

    /// Clients with a certificate under the roots in `file`, or with one of the site that is not revoked.
    pub(crate) fn clients_under(&self, file: Option<&Path>) -> Result<Clients, Failure> {
        match file {
            Some(file) => haechi_certs::tls::roots_from(file).map(Clients::Under).map_err(Failure::from_room),
            None => Ok(Clients::OfTheSite(self.revoked())),
        }
    }

    /// Looks after the leaf and the revocation list until the task is dropped.
    pub(crate) async fn look_after(self: Arc<Self>) {
        for look in 0_u64.. {
            if look.is_multiple_of(LOOKS_A_DAY) {
                self.warn_of_the_end(jiff::Timestamp::now());
            }
            tokio::time::sleep(LOOK).await;
            let these = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || {
                let now = jiff::Timestamp::now();
                these.authority.look_after_list(&these.revoked, now)?;
                these.identity.refresh(&these.authority, now)
            });
            match looked.await {
                Ok(Ok(true)) => log::info!("a new certificate is in use, until {}", self.identity.facts().until),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => log::error!("{error}"),
                Err(error) => log::error!("HAECHI-0123: the watcher of the certificates failed: {error}"),
            }
        }
    }

    /// Says once a day that an imported certificate ends: nobody but the hospital's authority can renew it.
    fn warn_of_the_end(&self, now: jiff::Timestamp) {
        let facts = self.identity.facts();
        if self.identity.is_imported() && facts.days_left(now) < RENEW_BELOW_DAYS {
            log::warn!(
                "HAECHI-0911: the imported certificate ends on {}, in {} days; have the hospital's authority make the next one (`haechi cert csr`, `haechi cert import`)",
                facts.until.strftime("%F"),
                facts.days_left(now)
            );
        }
    }
}
