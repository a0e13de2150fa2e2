//! Every special range by its first and its last address, and by its neighbours.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use molecule_gate::SpecialRange::{self, *};
use molecule_gate::{Reach, special_range};
use proptest::prelude::*;

/// First, last, and what they are; then what is before the first and behind the last.
type Row = (&'static str, &'static str, SpecialRange, Option<SpecialRange>, Option<SpecialRange>);

const RANGES: [Row; 52] = [
    ("0.0.0.0", "0.0.0.0", Unspecified, None, Some(ThisNetwork)),
    ("0.0.0.1", "0.255.255.255", ThisNetwork, Some(Unspecified), None),
    ("10.0.0.0", "10.255.255.255", PrivateUse, None, None),
    ("100.64.0.0", "100.100.100.199", Shared, None, Some(CloudMetadata)),
    ("100.100.100.200", "100.100.100.200", CloudMetadata, Some(Shared), Some(Shared)),
    ("100.100.100.201", "100.127.255.255", Shared, Some(CloudMetadata), None),
    ("127.0.0.0", "127.255.255.255", Loopback, None, None),
    ("168.63.129.16", "168.63.129.16", CloudMetadata, None, None),
    ("169.254.0.0", "169.254.255.255", LinkLocal, None, None),
    ("172.16.0.0", "172.31.255.255", PrivateUse, None, None),
    ("192.0.0.0", "192.0.0.255", ProtocolAssignments, None, None),
    ("192.0.2.0", "192.0.2.255", Documentation, None, None),
    ("192.88.99.0", "192.88.99.255", SixToFourRelay, None, None),
    ("192.168.0.0", "192.168.255.255", PrivateUse, None, None),
    ("198.18.0.0", "198.19.255.255", Benchmarking, None, None),
    ("198.51.100.0", "198.51.100.255", Documentation, None, None),
    ("203.0.113.0", "203.0.113.255", Documentation, None, None),
    ("224.0.0.0", "239.255.255.255", Multicast, None, Some(Reserved)),
    ("240.0.0.0", "255.255.255.254", Reserved, Some(Multicast), Some(Broadcast)),
    ("255.255.255.255", "255.255.255.255", Broadcast, Some(Reserved), None),
    ("::", "::", Unspecified, None, Some(Loopback)),
    ("::1", "::1", Loopback, Some(Unspecified), Some(ThisNetwork)),
    // IPv4-compatible: by the address inside.
    ("::2", "::00ff:ffff", ThisNetwork, Some(Loopback), Some(Ipv4Compatible)),
    ("::0a00:0", "::0aff:ffff", PrivateUse, Some(Ipv4Compatible), Some(Ipv4Compatible)),
    ("::7f00:0", "::7fff:ffff", Loopback, Some(Ipv4Compatible), Some(Ipv4Compatible)),
    ("::808:808", "::808:808", Ipv4Compatible, Some(Ipv4Compatible), Some(Ipv4Compatible)),
    ("::ffff:ffff", "::ffff:ffff", Broadcast, Some(Reserved), Some(Reserved)),
    // IPv4-mapped: the same, and public where that is.
    ("::ffff:0.0.0.0", "::ffff:0.0.0.0", Unspecified, Some(Reserved), Some(ThisNetwork)),
    ("::ffff:10.0.0.0", "::ffff:10.255.255.255", PrivateUse, None, None),
    ("::ffff:127.0.0.0", "::ffff:127.255.255.255", Loopback, None, None),
    ("::ffff:169.254.0.0", "::ffff:169.254.255.255", LinkLocal, None, None),
    ("::ffff:255.255.255.255", "::ffff:255.255.255.255", Broadcast, Some(Reserved), Some(Reserved)),
    ("::ffff:0:0:0", "::ffff:0:ffff:ffff", Ipv4Translated, Some(Reserved), Some(Reserved)),
    // NAT64: the same.
    ("64:ff9b::", "64:ff9b::", Unspecified, Some(Reserved), Some(ThisNetwork)),
    ("64:ff9b::10.0.0.0", "64:ff9b::10.255.255.255", PrivateUse, None, None),
    ("64:ff9b::169.254.0.0", "64:ff9b::169.254.255.255", LinkLocal, None, None),
    ("64:ff9b::255.255.255.255", "64:ff9b::255.255.255.255", Broadcast, Some(Reserved), Some(Reserved)),
    ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", LocalNat64, Some(Reserved), Some(Reserved)),
    ("100::", "100::1:ffff:ffff:ffff:ffff", Discard, Some(Reserved), Some(Reserved)),
    ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Teredo, None, Some(ProtocolAssignments)),
    (
        "2001:2::",
        "2001:2:0:ffff:ffff:ffff:ffff:ffff",
        Benchmarking,
        Some(ProtocolAssignments),
        Some(ProtocolAssignments),
    ),
    (
        "2001:10::",
        "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff",
        Orchid,
        Some(ProtocolAssignments),
        Some(ProtocolAssignments),
    ),
    ("2001:30::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", ProtocolAssignments, Some(Orchid), None),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Documentation, None, None),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SixToFour, None, None),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Documentation, None, None),
    ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SegmentRouting, Some(Reserved), Some(Reserved)),
    ("fd00:42::42", "fd00:42::42", CloudMetadata, Some(UniqueLocal), Some(UniqueLocal)),
    (
        "fd00:ec2::",
        "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff",
        CloudMetadata,
        Some(UniqueLocal),
        Some(UniqueLocal),
    ),
    ("fd20:ce::254", "fd20:ce::254", CloudMetadata, Some(UniqueLocal), Some(UniqueLocal)),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", LinkLocal, Some(Reserved), Some(SiteLocal)),
    ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SiteLocal, Some(LinkLocal), Some(Multicast)),
];

/// What is too wide to have a neighbour inside its family, or one of a kind.
const EDGES: [(&str, SpecialRange); 10] = [
    ("fc00::", UniqueLocal),
    ("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UniqueLocal),
    ("fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
    ("fe00::", Reserved),
    ("ff00::", Multicast),
    ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Multicast),
    ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
    ("4000::", Reserved),
    ("7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
    ("8000::", Reserved),
];

const PUBLIC: [&str; 12] = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "172.15.255.255",
    "192.31.196.1",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2000::",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "3fff:1000::",
];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn neighbours(address: IpAddr) -> (Option<IpAddr>, Option<IpAddr>) {
    match address {
        IpAddr::V4(it) => {
            let bits = it.to_bits();
            let of = |bits: Option<u32>| bits.map(|bits| Ipv4Addr::from_bits(bits).into());
            (of(bits.checked_sub(1)), of(bits.checked_add(1)))
        }
        IpAddr::V6(it) => {
            let bits = it.to_bits();
            let of = |bits: Option<u128>| bits.map(|bits| Ipv6Addr::from_bits(bits).into());
            (of(bits.checked_sub(1)), of(bits.checked_add(1)))
        }
    }
}

/// Take a row out of either table of `special_range`, or change a bit of it, and this fails.
#[test]
fn every_special_range_begins_and_ends_where_it_should() {
    for (first, last, range, before, behind) in RANGES {
        assert_eq!(special_range(address(first)), Some(range), "{first}");
        assert_eq!(special_range(address(last)), Some(range), "{last}");
        if let Some(it) = neighbours(address(first)).0 {
            assert_eq!(special_range(it), before, "{it}, before {first}");
        }
        if let Some(it) = neighbours(address(last)).1 {
            assert_eq!(special_range(it), behind, "{it}, behind {last}");
        }
    }
    for (it, range) in EDGES {
        assert_eq!(special_range(address(it)), Some(range), "{it}");
    }
    for it in PUBLIC {
        assert_eq!(special_range(address(it)), None, "{it}");
    }
}

#[test]
fn a_range_says_its_name_and_where_it_is_defined() {
    for (_, _, range, ..) in RANGES {
        assert!(!range.name().is_empty() && !range.source().is_empty());
    }
}

/// Columns: public, any, loopback.
#[test]
fn a_reach_has_its_addresses_and_no_others() {
    for (it, public, any, loopback) in [
        ("8.8.8.8", true, true, false),
        ("2606:4700::1111", true, true, false),
        ("127.0.0.1", false, true, true),
        ("127.8.9.10", false, true, true),
        ("::1", false, true, true),
        ("::ffff:127.0.0.1", false, true, true),
        ("10.1.2.3", false, true, false),
        ("192.168.0.1", false, true, false),
        ("100.64.0.1", false, true, false),
        ("198.18.0.1", false, true, false),
        ("fd12::1", false, true, false),
        ("fec0::1", false, true, false),
        ("::ffff:10.1.2.3", false, true, false),
        ("64:ff9b::10.1.2.3", false, true, false),
        ("0.0.0.0", false, false, false),
        ("::", false, false, false),
        ("0.1.2.3", false, false, false),
        ("169.254.169.254", false, false, false),
        ("::ffff:169.254.169.254", false, false, false),
        ("::169.254.169.254", false, false, false),
        ("64:ff9b::169.254.169.254", false, false, false),
        ("fe80::1", false, false, false),
        ("fd00:ec2::254", false, false, false),
        ("fd20:ce::254", false, false, false),
        ("100.100.100.200", false, false, false),
        ("168.63.129.16", false, false, false),
        ("224.0.0.1", false, false, false),
        ("255.255.255.255", false, false, false),
        ("240.0.0.1", false, false, false),
        ("192.0.0.192", false, false, false),
        ("ff02::1", false, false, false),
        ("2002:7f00:1::", false, false, false),
        ("2001:0:7f00:1::", false, false, false),
        ("64:ff9b:1::10.1.2.3", false, false, false),
        ("::8.8.8.8", false, false, false),
    ] {
        let it = address(it);
        let reaches = [Reach::Public, Reach::Any, Reach::Loopback].map(|reach| reach.allows(it));
        assert_eq!(reaches, [public, any, loopback], "{it}");
        assert!(Reach::Exactly(it).allows(it));
        assert!(!Reach::Exactly(it).allows(address("9.9.9.9")));
    }
}

proptest! {
    #[test]
    fn an_address_inside_another_is_judged_as_that(bits in any::<u32>()) {
        let inner = Ipv4Addr::from_bits(bits);
        let nat64 = Ipv6Addr::from_bits(u128::from(bits) | (0x64_ff9b << 96));
        let expected = special_range(inner.into());
        prop_assert_eq!(special_range(inner.to_ipv6_mapped().into()), expected);
        prop_assert_eq!(special_range(nat64.into()), expected);
    }

    #[test]
    fn what_is_public_is_within_reach_of_everything_but_loopback(bits in any::<u128>()) {
        let it = IpAddr::V6(Ipv6Addr::from_bits(bits));
        prop_assert!(!Reach::Public.allows(it) || Reach::Any.allows(it) && !Reach::Loopback.allows(it));
        let global = bits >> 125 == 1 || bits >> 32 == 0xffff || bits >> 32 == 0x64_ff9b << 64;
        prop_assert!(global || !Reach::Public.allows(it));
    }
}
