//! `X-Forwarded-For`, `-Proto` and `-Host`, and `Host`. The first character of a line is the header.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use credential_keeper::fuzz_support::{Line, caller, host};
use credential_keeper_fuzz::{Limits, within};
use ipnet::IpNet;
use libfuzzer_sys::fuzz_target;

/// The address of the proxy that connects.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fuzz_target!(|input: &[u8]| {
    let lines: Vec<Line<'_>> = input.split(|byte| *byte == b'\n').filter_map(line).collect();
    let trusted = [network(PEER), network(IpAddr::V6(Ipv6Addr::LOCALHOST))];
    let read = within(Limits::PARSER, input.len(), || caller(&lines, PEER, &trusted));
    assert_eq!(read, caller(&lines, PEER, &trusted), "the second reading differs");
    match &read {
        Err(name) => assert!(name.starts_with("X-Forwarded-"), "{name}"),
        Ok(found) => {
            assert_eq!(found.address.to_canonical(), found.address, "two texts of one address");
            found.host.iter().for_each(|host| assert_host(host));
            if !trusted.iter().any(|network| network.contains(&found.address)) {
                assert_eq!(caller(&forged(&lines), PEER, &trusted), read, "a forged value counts");
            }
        }
    }
    match host(&lines) {
        Err(name) => assert_eq!(name, "Host"),
        Ok(None) => {}
        Ok(Some((host, bare))) => {
            assert_host(&host);
            assert!(host.starts_with(&bare), "another host");
        }
    }
});

fn line(line: &[u8]) -> Option<Line<'_>> {
    let (first, value) = line.split_first()?;
    let name = match first {
        b'f' => "x-forwarded-for",
        b'p' => "x-forwarded-proto",
        b'h' => "x-forwarded-host",
        _ => "host",
    };
    Some((name, value))
}

fn network(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

/// The same lines, after an address that the client itself sent.
fn forged<'head>(lines: &[Line<'head>]) -> Vec<Line<'head>> {
    let mut forged: Vec<Line<'head>> = vec![("x-forwarded-for", b"203.0.113.9, nonsense")];
    forged.extend(lines);
    forged
}

fn assert_host(host: &str) {
    let is_plain = !host.contains(['@', '/', ' ', '?', '#']) && !host.chars().any(char::is_control);
    assert!(is_plain && host.is_ascii(), "not a host: {host:?}");
}
