//! The FHIR API as a room behind the door.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use haechi_serve::{Api, Settings};

use super::doorway::{Connection, Room};
use crate::config::serve::Serve;
use crate::error::Failure;
use crate::site::Site;

/// Leads connections into the API.
pub(crate) struct ApiRoom(Arc<Api>);

impl ApiRoom {
    /// The API on a site's record, as the site has set it.
    pub(crate) fn open(site: &Site, serve: &Serve) -> Result<Self, Failure> {
        let tokens = serve.tokens().map_err(|problem| Failure::new("HAECHI-0104", problem))?;
        if tokens.is_empty() {
            log::warn!("HAECHI-0716: no token stands in serve.tokens-sha256: nobody may use the FHIR API");
        }
        let watched = site.watched_folder();
        let origin = serve.origin.clone().map(|origin| origin.trim_end_matches('/').to_owned());
        let settings = Settings {
            tokens,
            max_body_bytes: serve.max_body_bytes,
            origin,
            scheme: "https",
            watched,
            ..Settings::default()
        };
        Ok(Self(Arc::new(Api::new(site.store().clone(), settings).with_images(site.images()))))
    }
}

impl Room for ApiRoom {
    fn take(self: Arc<Self>, connection: Connection) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let api = Arc::clone(&self.0);
        Box::pin(api.serve(connection.stream, connection.peer))
    }
}
