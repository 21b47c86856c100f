//! The certificates of the core's listeners while it runs: opened at start, looked after every minute.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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

/// The site's authority and the leaf in use.
pub(crate) struct Certificates {
    authority: Authority,
    identity: Arc<Identity>,
    tls: Tls,
}

impl Certificates {
    /// Opens them; makes what is missing.
    pub(crate) fn open(home: &Home, config: &Config) -> Result<Self, Failure> {
        let (folder, now) = (home.certs_folder(), jiff::Timestamp::now());
        let authority = Authority::open_or_create(&folder, &config.site.name, now).map_err(Failure::from_room)?;
        let identity = Identity::open(&authority, &folder, &config.tls.names, now).map_err(Failure::from_room)?;
        Ok(Self { authority, identity, tls: config.tls.clone() })
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

    /// Clients with a certificate under the roots in `file`, or under the site's own root.
    pub(crate) fn clients_under(&self, file: Option<&Path>) -> Result<Clients, Failure> {
        let roots = match file {
            Some(file) => haechi_certs::tls::roots_from(file).map_err(Failure::from_room)?,
            None => vec![self.authority.root().clone()],
        };
        Ok(Clients::Under(roots))
    }

    /// Looks after the leaf until the task is dropped.
    pub(crate) async fn look_after(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let these = Arc::clone(&self);
            let looked =
                tokio::task::spawn_blocking(move || these.identity.refresh(&these.authority, jiff::Timestamp::now()));
            match looked.await {
                Ok(Ok(true)) => log::info!("a new certificate is in use, until {}", self.identity.facts().until),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => log::error!("{error}"),
                Err(error) => log::error!("HAECHI-0123: the watcher of the certificates failed: {error}"),
            }
        }
    }
}
