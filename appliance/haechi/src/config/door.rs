//! `[door]`

use std::net::IpAddr;

use serde::Deserialize;

use crate::roles::wall::FORBIDDEN;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Door {
    /// Networks or addresses whose machines may reach the listeners; in a package the kernel drops what comes from elsewhere.
    /// Default: none. `haechi up` does not look at it.
    pub(crate) allow: Vec<String>,
}

impl Door {
    /// # Errors
    /// Which one is no network, or is too wide to be probed.
    pub(crate) fn check(&self) -> Result<(), String> {
        for text in &self.allow {
            let (address, bits) = network(text).ok_or_else(|| {
                format!("door.allow: \"{text}\" is no network or address (examples: 10.1.0.0/16, 10.2.3.4, fd00::/8)")
            })?;
            if contains(address, bits, FORBIDDEN.ip()) {
                return Err(format!(
                    "door.allow: \"{text}\" is too wide: name the site's own networks; of the loopback only single addresses such as 127.0.0.1"
                ));
            }
        }
        Ok(())
    }
}

/// A network's address and the length of its prefix.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Ok(most), str::parse).ok()?;
    (bits <= most).then_some((address, bits))
}

fn contains(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    let wide = |address: IpAddr| match address {
        IpAddr::V4(four) => (u128::from(four.to_bits()) << 96, 32),
        IpAddr::V6(six) => (six.to_bits(), 128),
    };
    let ((network, length), (address, other)) = (wide(network), wide(address));
    length == other && (bits == 0 || (network ^ address) >> (128 - bits) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_those_that_hold_the_probe_refused() {
        let check = |text: &str| Door { allow: vec![text.to_owned()] }.check();
        for good in ["10.1.0.0/16", "10.2.3.4", "127.0.0.1", "127.0.0.1/32", "fd00::/8", "::1"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (wrong, word) in [
            ("0.0.0.0/0", "too wide"),
            ("127.0.0.0/8", "too wide"),
            ("10.0.0.0/33", "no network"),
            ("lab", "no network"),
            ("", "no network"),
            ("1.2.3.4/-1", "no network"),
        ] {
            assert!(check(wrong).unwrap_err().contains(word), "{wrong}");
        }
        assert!(!contains("::".parse().unwrap(), 0, FORBIDDEN.ip()), "another family");
    }
}
