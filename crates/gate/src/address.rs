//! Which addresses are what, and which a request may connect to.
//!
//! The judgment reads the address that the socket is about to connect to, never a name. An address that stands for
//! another one is judged as that one: IPv4-mapped (the system connects to the IPv4 address), IPv4-compatible and NAT64
//! (a translator does). All other ways to wrap an IPv4 address are refused whole, as nobody can tell what is inside.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses a request may connect to.
///
/// | where the rule says | reaches |
/// | --- | --- |
/// | a name | public addresses |
/// | a name, and `private` | those, and the private networks: see [`SpecialRange::is_private`] |
/// | an address | exactly that one, whatever range it is in |
/// | `localhost` | loopback |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Addresses that are in no [`SpecialRange`].
    #[default]
    Public,
    /// Public addresses, and those of private networks.
    Any,
    /// This one.
    Exactly(IpAddr),
    /// `127.0.0.0/8` and `::1`.
    Loopback,
}

impl Reach {
    /// Whether a connection to this address is within reach.
    pub fn allows(&self, address: IpAddr) -> bool {
        match self {
            Reach::Public => special_range(address).is_none(),
            Reach::Any => special_range(address).is_none_or(SpecialRange::is_private),
            Reach::Exactly(only) => *only == address,
            Reach::Loopback => special_range(address) == Some(SpecialRange::Loopback),
        }
    }

    /// Of the reaches of two rules that match the same request the one that holds. Where the request is for an address or
    /// for `localhost` both are the same.
    pub(crate) fn widest(self, other: Self) -> Self {
        if self == Reach::Public { other } else { self }
    }
}

/// A range of addresses that are no public hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecialRange {
    /// `0.0.0.0` and `::`: on most systems a way to write loopback.
    Unspecified,
    /// `0.0.0.0/8`.
    ThisNetwork,
    /// `127.0.0.0/8` and `::1`.
    Loopback,
    /// `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`.
    PrivateUse,
    /// `100.64.0.0/10`: behind a provider's NAT, and many a VPN.
    Shared,
    /// `169.254.0.0/16` and `fe80::/10`: where clouds keep their metadata, too.
    LinkLocal,
    /// Addresses outside link-local at which a cloud serves metadata or credentials to its machines.
    CloudMetadata,
    /// `192.0.0.0/24` and `2001::/23`.
    ProtocolAssignments,
    /// `192.0.2.0/24`, `198.51.100.0/24`, `203.0.113.0/24`, `2001:db8::/32`, `3fff::/20`.
    Documentation,
    /// `192.88.99.0/24`: relays of 6to4.
    SixToFourRelay,
    /// `198.18.0.0/15` and `2001:2::/48`.
    Benchmarking,
    /// `224.0.0.0/4` and `ff00::/8`.
    Multicast,
    /// `240.0.0.0/4`, and of IPv6 all that is not global unicast.
    Reserved,
    /// `255.255.255.255`.
    Broadcast,
    /// `::/96`: an IPv4 address in the old way, if it is none of another range.
    Ipv4Compatible,
    /// `::ffff:0:0:0/96`: an IPv4 address as stateless translators once wrote it.
    Ipv4Translated,
    /// `64:ff9b:1::/48`: NAT64 of somebody's own network. What is inside depends on how that is configured.
    LocalNat64,
    /// `100::/64` and `100:0:0:1::/64`.
    Discard,
    /// `2001::/32`: IPv4 through somebody's relay.
    Teredo,
    /// `2001:10::/28` and `2001:20::/28`: identifiers that are no places.
    Orchid,
    /// `2002::/16`: IPv4 through somebody's relay.
    SixToFour,
    /// `5f00::/16`: segment identifiers of routers.
    SegmentRouting,
    /// `fc00::/7`.
    UniqueLocal,
    /// `fec0::/10`.
    SiteLocal,
}

impl SpecialRange {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.about().0
    }

    /// Where it is defined.
    pub fn source(self) -> &'static str {
        self.about().1
    }

    /// Whether `private` in a rule on a name reaches it.
    ///
    /// Only ranges in which somebody's services live. The others are never reached by a name: link-local and the clouds'
    /// own addresses serve credentials to whoever asks, unspecified and broadcast are other ways to write an address,
    /// tunnels and translators hide where they lead, and in the rest there is nobody. Who needs one of them grants its
    /// address.
    pub fn is_private(self) -> bool {
        matches!(
            self,
            SpecialRange::Loopback
                | SpecialRange::PrivateUse
                | SpecialRange::Shared
                | SpecialRange::UniqueLocal
                | SpecialRange::SiteLocal
                | SpecialRange::Benchmarking
        )
    }

    fn about(self) -> (&'static str, &'static str) {
        match self {
            SpecialRange::Unspecified => ("unspecified", "RFC 1122, RFC 4291"),
            SpecialRange::ThisNetwork => ("this network", "RFC 791"),
            SpecialRange::Loopback => ("loopback", "RFC 1122, RFC 4291"),
            SpecialRange::PrivateUse => ("private network", "RFC 1918"),
            SpecialRange::Shared => ("shared by a provider", "RFC 6598"),
            SpecialRange::LinkLocal => ("link-local", "RFC 3927, RFC 4291"),
            SpecialRange::CloudMetadata => ("cloud metadata", "the clouds' manuals"),
            SpecialRange::ProtocolAssignments => ("protocol assignments", "RFC 6890, RFC 2928"),
            SpecialRange::Documentation => ("documentation", "RFC 5737, RFC 3849, RFC 9637"),
            SpecialRange::SixToFourRelay => ("6to4 relay", "RFC 7526"),
            SpecialRange::Benchmarking => ("benchmarking", "RFC 2544, RFC 5180"),
            SpecialRange::Multicast => ("multicast", "RFC 5771, RFC 4291"),
            SpecialRange::Reserved => ("reserved", "RFC 1112, RFC 4291"),
            SpecialRange::Broadcast => ("broadcast", "RFC 919"),
            SpecialRange::Ipv4Compatible => ("IPv4-compatible", "RFC 4291"),
            SpecialRange::Ipv4Translated => ("IPv4-translated", "RFC 2765"),
            SpecialRange::LocalNat64 => ("local NAT64", "RFC 8215"),
            SpecialRange::Discard => ("discard", "RFC 6666, RFC 9780"),
            SpecialRange::Teredo => ("Teredo", "RFC 4380"),
            SpecialRange::Orchid => ("ORCHID", "RFC 4843, RFC 7343"),
            SpecialRange::SixToFour => ("6to4", "RFC 3056"),
            SpecialRange::SegmentRouting => ("segment routing", "RFC 9602"),
            SpecialRange::UniqueLocal => ("unique local", "RFC 4193"),
            SpecialRange::SiteLocal => ("site-local", "RFC 3879"),
        }
    }
}

impl fmt::Display for SpecialRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The special range that an address is in; none for a public one. Allocates nothing.
///
/// The ranges are those of the registries of RFC 6890 that are not globally reachable, and some that are but should not be:
/// what is deprecated, and what the clouds made of public addresses.
pub fn special_range(address: IpAddr) -> Option<SpecialRange> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

/// Base, prefix length, and what it is; the first that matches counts.
type Row<T> = (T, u32, SpecialRange);

const V4: [Row<Ipv4Addr>; 19] = {
    use SpecialRange::*;
    const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
        Ipv4Addr::new(a, b, c, d)
    }
    [
        (v4(0, 0, 0, 0), 32, Unspecified),
        (v4(0, 0, 0, 0), 8, ThisNetwork),
        (v4(10, 0, 0, 0), 8, PrivateUse),
        // Alibaba Cloud; it lies in the shared range, which `private` reaches.
        (v4(100, 100, 100, 200), 32, CloudMetadata),
        (v4(100, 64, 0, 0), 10, Shared),
        (v4(127, 0, 0, 0), 8, Loopback),
        // Azure's wire server: a public address that only leads to the machine's own host.
        (v4(168, 63, 129, 16), 32, CloudMetadata),
        (v4(169, 254, 0, 0), 16, LinkLocal),
        (v4(172, 16, 0, 0), 12, PrivateUse),
        (v4(192, 0, 0, 0), 24, ProtocolAssignments),
        (v4(192, 0, 2, 0), 24, Documentation),
        (v4(192, 88, 99, 0), 24, SixToFourRelay),
        (v4(192, 168, 0, 0), 16, PrivateUse),
        (v4(198, 18, 0, 0), 15, Benchmarking),
        (v4(198, 51, 100, 0), 24, Documentation),
        (v4(203, 0, 113, 0), 24, Documentation),
        (v4(224, 0, 0, 0), 4, Multicast),
        (v4(255, 255, 255, 255), 32, Broadcast),
        (v4(240, 0, 0, 0), 4, Reserved),
    ]
};

const V6: [Row<Ipv6Addr>; 25] = {
    use SpecialRange::*;
    const fn v6(a: u16, b: u16, c: u16, d: u16) -> Ipv6Addr {
        Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)
    }
    [
        (v6(0, 0, 0, 0), 128, Unspecified),
        (Ipv6Addr::LOCALHOST, 128, Loopback),
        (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, Ipv4Translated),
        (v6(0x64, 0xff9b, 1, 0), 48, LocalNat64),
        (v6(0x100, 0, 0, 0), 64, Discard),
        (v6(0x100, 0, 0, 1), 64, Discard),
        (v6(0x2001, 0, 0, 0), 32, Teredo),
        (v6(0x2001, 2, 0, 0), 48, Benchmarking),
        (v6(0x2001, 0x10, 0, 0), 28, Orchid),
        (v6(0x2001, 0x20, 0, 0), 28, Orchid),
        (v6(0x2001, 0, 0, 0), 23, ProtocolAssignments),
        (v6(0x2001, 0xdb8, 0, 0), 32, Documentation),
        (v6(0x2002, 0, 0, 0), 16, SixToFour),
        (v6(0x3fff, 0, 0, 0), 20, Documentation),
        (v6(0x5f00, 0, 0, 0), 16, SegmentRouting),
        // Amazon, Google and Scaleway; they lie in unique local, which `private` reaches.
        (v6(0xfd00, 0xec2, 0, 0), 32, CloudMetadata),
        (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128, CloudMetadata),
        (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128, CloudMetadata),
        (v6(0xfc00, 0, 0, 0), 7, UniqueLocal),
        (v6(0xfe80, 0, 0, 0), 10, LinkLocal),
        (v6(0xfec0, 0, 0, 0), 10, SiteLocal),
        (v6(0xff00, 0, 0, 0), 8, Multicast),
        // All but 2000::/3, the only part that has been given out for global unicast.
        (v6(0, 0, 0, 0), 3, Reserved),
        (v6(0x4000, 0, 0, 0), 2, Reserved),
        (v6(0x8000, 0, 0, 0), 1, Reserved),
    ]
};

fn special_v4(address: Ipv4Addr) -> Option<SpecialRange> {
    let bits = address.to_bits();
    let inside = |base: Ipv4Addr, prefix: u32| (bits ^ base.to_bits()).leading_zeros() >= prefix;
    V4.iter().find(|(base, prefix, _)| inside(*base, *prefix)).map(|(_, _, range)| *range)
}

fn special_v6(address: Ipv6Addr) -> Option<SpecialRange> {
    let bits = address.to_bits();
    let inside = |base: Ipv6Addr, prefix: u32| (bits ^ base.to_bits()).leading_zeros() >= prefix;
    let embedded = special_v4(Ipv4Addr::from_bits(bits as u32));
    if inside(MAPPED, 96) || inside(NAT64, 96) {
        // RFC 4291 2.5.5.2 and RFC 6052. A network of IPv6 alone reaches every public IPv4 host by NAT64.
        return embedded;
    }
    let special = V6.iter().find(|(base, prefix, _)| inside(*base, *prefix)).map(|(_, _, range)| *range);
    match special {
        // RFC 4291 2.5.5.1. `::` and `::1` are rows of their own and do not come here.
        Some(SpecialRange::Reserved) if inside(Ipv6Addr::UNSPECIFIED, 96) => {
            Some(embedded.unwrap_or(SpecialRange::Ipv4Compatible))
        }
        special => special,
    }
}

/// `::ffff:0:0/96`
const MAPPED: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0);
/// `64:ff9b::/96`
const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
