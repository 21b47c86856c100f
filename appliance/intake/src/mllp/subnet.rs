//! A network as `10.1.2.0/24`, `2001:db8::/64` or one address.

use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    base: IpAddr,
    bits: u8,
}

impl Subnet {
    /// How many leading bits are fixed, if `address` is in it. An IPv4 address in its IPv6 form counts as IPv4.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> Option<u8> {
        let same = |one: u128, other: u128, width: u32| {
            let free = width - u32::from(self.bits);
            one.checked_shr(free).unwrap_or(0) == other.checked_shr(free).unwrap_or(0)
        };
        let inside = match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => same(base.to_bits().into(), address.to_bits().into(), 32),
            (IpAddr::V6(base), IpAddr::V6(address)) => same(base.to_bits(), address.to_bits(), 128),
            _ => false,
        };
        inside.then_some(self.bits)
    }
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no address or network (examples: 10.1.2.3, 10.1.2.0/24)");
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        if bits > width { Err(wrong()) } else { Ok(Self { base, bits }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_networks_or_not() {
        for (network, address, expected) in [
            ("10.1.2.0/24", "10.1.2.77", Some(24)),
            ("10.1.2.0/24", "10.1.3.1", None),
            ("10.1.2.3", "10.1.2.3", Some(32)),
            ("10.1.2.3", "::ffff:10.1.2.3", Some(32)),
            ("0.0.0.0/0", "192.0.2.1", Some(0)),
            ("0.0.0.0/0", "2001:db8::1", None),
            ("2001:db8::/64", "2001:db8::1:2:3:4", Some(64)),
            ("::/0", "2001:db8::1", Some(0)),
        ] {
            let network: Subnet = network.parse().unwrap();
            assert_eq!(network.holds(address.parse().unwrap()), expected, "{network:?} {address}");
        }
        for wrong in ["", "lab", "10.1.2.0/33", "10.1.2.0/", "::/129"] {
            assert!(wrong.parse::<Subnet>().is_err(), "{wrong}");
        }
    }
}
