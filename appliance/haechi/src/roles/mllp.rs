//! The feeds behind the door's listeners.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use haechi_intake::mllp::Feeds;

use super::certificates::Certificates;
use super::doorway::{Connection, Entrance, Room};
use crate::config::Config;
use crate::error::Failure;

/// All feeds that come in at one listener.
struct Listener {
    name: String,
    feeds: Arc<Feeds>,
}

impl Room for Listener {
    fn take(self: Arc<Self>, connection: Connection) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let peer = connection.peer;
            match self.feeds.choose(&self.name, peer.ip()) {
                Some(feed) => Arc::clone(&self.feeds).serve(feed, connection.stream, peer).await,
                None => log::warn!(
                    "HAECHI-0341: no feed at `{}` takes connections from {}; it was closed. To take it, name the address under `from`",
                    self.name,
                    peer.ip()
                ),
            }
        })
    }
}

/// Adds an entrance for each listener of the feeds.
pub(super) fn entrances(
    config: &Config,
    feeds: &Arc<Feeds>,
    certificates: &Certificates,
    entrances: &mut HashMap<String, Entrance>,
) -> Result<(), Failure> {
    for feed in &config.feed {
        let name = feed.listener();
        if entrances.contains_key(&name) {
            continue; // several feeds at one address have the same transport
        }
        let tls = certificates.listener(feed.tls, feed.client_roots.as_deref())?;
        let room = Arc::new(Listener { name: name.clone(), feeds: Arc::clone(feeds) });
        entrances.insert(name, Entrance { room, tls });
    }
    Ok(())
}
