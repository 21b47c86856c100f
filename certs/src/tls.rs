//! rustls settings for the appliance's listeners: TLS 1.3, and 1.2 only where a site asks for it (old interface engines).

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};

use crate::error::CertError;
use crate::files;
use crate::identity::Identity;
use crate::revoked::Revoked;

/// Which clients may speak.
#[derive(Debug, Clone)]
pub enum Clients {
    /// Whoever connects; who it is is found out otherwise.
    Anybody,
    /// Those with a certificate of the site that is not revoked; asked anew at every handshake.
    OfTheSite(Arc<Revoked>),
    /// Those with a certificate under one of these roots, of another authority.
    Under(Vec<CertificateDer<'static>>),
}

/// Which versions of TLS are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    /// 1.3 alone.
    #[default]
    Tls13,
    /// 1.2 as well.
    Tls12And13,
}

const ONLY_13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
const FROM_12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// The settings of one listener. `protocols`: ALPN names, the wanted one first; empty where the protocol has none.
///
/// # Errors
/// [`CertError::Tls`].
pub fn server_config(
    identity: Arc<Identity>,
    clients: Clients,
    versions: Versions,
    protocols: &[&str],
) -> Result<Arc<ServerConfig>, CertError> {
    let failed = |error: &dyn std::fmt::Display| CertError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = match versions {
        Versions::Tls13 => ONLY_13,
        Versions::Tls12And13 => FROM_12,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| failed(&error))?;
    let store = |roots: Vec<CertificateDer<'static>>| {
        let mut store = RootCertStore::empty();
        roots.into_iter().try_for_each(|root| store.add(root)).map(|()| Arc::new(store))
    };
    let anybody = matches!(clients, Clients::Anybody);
    let builder = match clients {
        Clients::Anybody => builder.with_no_client_auth(),
        Clients::Under(roots) => {
            let roots = store(roots).map_err(|error| failed(&error))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| failed(&error))?)
        }
        Clients::OfTheSite(revoked) => {
            let roots = store(vec![revoked.root().clone()]).map_err(|error| failed(&error))?;
            let verifier = SiteClients::new(revoked, roots, provider).map_err(|error| failed(&error))?;
            builder.with_client_cert_verifier(Arc::new(verifier))
        }
    };
    let mut config = builder.with_cert_resolver(identity);
    if !anybody {
        // A resumed session shows no certificate: somebody revoked meanwhile would be let in by his ticket.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

/// Verifies senders of the site against the newest revocation list.
#[derive(Debug)]
struct SiteClients {
    revoked: Arc<Revoked>,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    /// Says everything that no list changes.
    first: Arc<dyn ClientCertVerifier>,
    /// The verifier of the list of this generation.
    current: RwLock<(u64, Arc<dyn ClientCertVerifier>)>,
}

impl SiteClients {
    fn new(
        revoked: Arc<Revoked>,
        roots: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let generation = revoked.look()?;
        let first = verifier(&revoked, &roots, &provider)?;
        let current = RwLock::new((generation, Arc::clone(&first)));
        Ok(Self { revoked, roots, provider, first, current })
    }

    fn newest(&self) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
        // Without a list nobody can be checked, and who cannot be checked is not heard.
        let generation = self.revoked.look().map_err(|error| rustls::Error::General(error.to_string()))?;
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if current.0 == generation {
                return Ok(Arc::clone(&current.1));
            }
        }
        let new = verifier(&self.revoked, &self.roots, &self.provider)
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (generation, Arc::clone(&new));
        Ok(new)
    }
}

fn verifier(
    revoked: &Revoked,
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, VerifierBuilderError> {
    WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
        .with_crls(revoked.der())
        .build()
}

impl ClientCertVerifier for SiteClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.first.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.newest()?.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.first.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.first.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.first.supported_verify_schemes()
    }
}

/// The certificates of a PEM file: roots of a hospital's own authority, for [`Clients::Under`].
///
/// # Errors
/// [`CertError`]; also if there is no such file.
pub fn roots_from(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertError> {
    let text = files::read(path)?
        .ok_or_else(|| CertError::Files { path: path.to_owned(), what: std::io::ErrorKind::NotFound.into() })?;
    files::certificates(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Authority, Purpose};
    use jiff::Timestamp;
    use rustls::{ClientConfig, ClientConnection, ServerConnection};

    /// Plays both ends of a handshake in memory; what went wrong, if it did.
    fn handshake(client: ClientConfig, server: Arc<ServerConfig>, name: &str) -> Result<(), String> {
        let mut client = ClientConnection::new(Arc::new(client), name.to_owned().try_into().map_err(|_| "name")?)
            .map_err(|e| e.to_string())?;
        let mut server = ServerConnection::new(server).map_err(|e| e.to_string())?;
        for _ in 0..8 {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).map_err(|e| e.to_string())?;
            }
            let mut unread = &bytes[..];
            while !unread.is_empty() {
                server.read_tls(&mut unread).map_err(|e| e.to_string())?;
                server.process_new_packets().map_err(|e| format!("server: {e}"))?;
            }
            bytes.clear();
            while server.wants_write() {
                server.write_tls(&mut bytes).map_err(|e| e.to_string())?;
            }
            let mut unread = &bytes[..];
            while !unread.is_empty() {
                client.read_tls(&mut unread).map_err(|e| e.to_string())?;
                client.process_new_packets().map_err(|e| format!("client: {e}"))?;
            }
        }
        if client.is_handshaking() || server.is_handshaking() { Err("no end".to_owned()) } else { Ok(()) }
    }

    struct Site {
        dir: tempfile::TempDir,
        authority: Authority,
        identity: Arc<Identity>,
    }

    fn site() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::now(); // rustls checks validity against the real clock
        let authority = Authority::open_or_create(dir.path(), "Test", now).unwrap();
        let identity = Identity::open(&authority, dir.path(), &["localhost".to_owned()], now).unwrap();
        Site { dir, authority, identity }
    }

    fn client(site: &Site, versions: &[&'static SupportedProtocolVersion], with: Option<&Path>) -> ClientConfig {
        let mut store = RootCertStore::empty();
        store.add(site.authority.root().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(store);
        match with {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let pair = files::read_pair(path).unwrap().unwrap();
                builder.with_client_auth_cert(pair.chain, pair.key).unwrap()
            }
        }
    }

    #[test]
    fn a_client_that_trusts_the_root_is_served_under_the_right_name_alone() {
        let site = site();
        let server = server_config(Arc::clone(&site.identity), Clients::Anybody, Versions::Tls13, &["h2"]).unwrap();
        handshake(client(&site, ONLY_13, None), Arc::clone(&server), "localhost").unwrap();
        let error = handshake(client(&site, ONLY_13, None), server, "elsewhere").unwrap_err();
        assert!(error.starts_with("client"), "{error}");
    }

    #[test]
    fn tls_1_2_is_spoken_only_where_the_site_asks_for_it() {
        let site = site();
        let config = |versions| server_config(Arc::clone(&site.identity), Clients::Anybody, versions, &[]).unwrap();
        let old = || client(&site, &[&rustls::version::TLS12], None);
        assert!(handshake(old(), config(Versions::Tls13), "localhost").is_err());
        handshake(old(), config(Versions::Tls12And13), "localhost").unwrap();
    }

    #[test]
    fn where_clients_must_show_a_certificate_only_those_of_the_root_are_heard() {
        let site = site();
        let path = site.dir.path().join("client-lab.pem");
        site.authority.issue(&path, Purpose::Client, &["lab".to_owned()], Timestamp::now()).unwrap();
        let clients = Clients::Under(roots_from(&site.authority.root_file()).unwrap());
        let server = server_config(Arc::clone(&site.identity), clients, Versions::Tls13, &[]).unwrap();
        handshake(client(&site, ONLY_13, Some(&path)), Arc::clone(&server), "localhost").unwrap();
        let error = handshake(client(&site, ONLY_13, None), Arc::clone(&server), "localhost").unwrap_err();
        assert!(error.starts_with("server"), "{error}");
        // The server's own certificate is no client's.
        let own = site.dir.path().join(crate::identity::SERVER_FILE);
        assert!(handshake(client(&site, ONLY_13, Some(&own)), server, "localhost").is_err());
    }

    #[test]
    fn a_revoked_client_is_refused_at_once_and_a_ticket_does_not_help_him() {
        let site = site();
        let path = |name: &str| {
            let path = site.dir.path().join(format!("client-{name}.pem"));
            site.authority.issue(&path, Purpose::Client, &[name.to_owned()], Timestamp::now()).unwrap();
            path
        };
        let (lab, pacs) = (path("lab"), path("pacs"));
        let revoked = Arc::new(site.authority.revoked(Timestamp::now()).unwrap());
        let clients = Clients::OfTheSite(revoked);
        let server = server_config(Arc::clone(&site.identity), clients, Versions::Tls13, &[]).unwrap();
        // One client that keeps what servers give it to come back sooner.
        let returning = client(&site, ONLY_13, Some(&lab));
        handshake(returning.clone(), Arc::clone(&server), "localhost").unwrap();
        handshake(returning.clone(), Arc::clone(&server), "localhost").unwrap();
        let leaf = files::read_pair(&lab).unwrap().unwrap().chain.remove(0);
        let serial = crate::Facts::of(&leaf).unwrap().serial;
        site.authority.revoke(&serial, crate::revoked::Reason::KeyCompromise, Timestamp::now()).unwrap();
        let error = handshake(returning, Arc::clone(&server), "localhost").unwrap_err();
        assert!(error.contains("server") && error.contains("evoked"), "{error}");
        handshake(client(&site, ONLY_13, Some(&pacs)), Arc::clone(&server), "localhost").unwrap();
        // The list is gone: nobody is heard rather than everybody.
        std::fs::remove_file(site.dir.path().join(crate::revoked::REVOKED_FILE)).unwrap();
        assert!(handshake(client(&site, ONLY_13, Some(&pacs)), server, "localhost").is_err());
    }
}
