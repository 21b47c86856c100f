//! Any bytes handed in as a certificate (PEM, PKCS#12): taken or refused in words, in bounded time.
#![no_main]

use haechi_certs::import::Offer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut offer = Offer::default();
    if offer.add(bytes, Some("secret")).is_ok() {
        let now = "2026-11-25T00:00:00Z".parse().expect("a time");
        let _ = offer.check(None, &["haechi.hospital.example".to_owned()], now);
    }
});
