//! The room behind the `dicom` listener, and the looking after studies that are not in the chart yet.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use haechi_intake::dicom::Service;
use jiff::Timestamp;

use super::doorway::{Connection, Room};
use crate::config::Config;
use crate::error::Failure;
use crate::site::Site;

/// How often studies are looked for whose patient has come, by whatever way, or that a stop left unsaid.
const LOOK: Duration = Duration::from_secs(30);

/// The DICOM service of a site.
pub(crate) struct Images(Arc<Service>);

impl Images {
    /// Opens the place of the images.
    pub(crate) fn open(config: &Config, site: &Site) -> Result<Self, Failure> {
        Ok(Self(Service::new(site.archive()?, config.dicom.service(), Timestamp::now)))
    }
}

impl Room for Images {
    fn take(self: Arc<Self>, connection: Connection) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let service = Arc::clone(&self.0);
        Box::pin(async move { service.serve(connection.stream, connection.peer).await })
    }
}

/// Writes studies into the chart that changed without a sender who waits for it, until the task is dropped.
pub(crate) async fn look_after(site: Arc<Site>) {
    loop {
        let these = Arc::clone(&site);
        let looked = tokio::task::spawn_blocking(move || these.settle_images()).await;
        match looked {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => log::error!("{failure}"),
            Err(error) => log::error!("HAECHI-0123: the watcher of the images failed: {error}"),
        }
        tokio::time::sleep(LOOK).await;
    }
}
