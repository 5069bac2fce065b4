//! Values as EMQX 4 spells them: durations like `15s` and `1m30s`, sizes like `64KB`, switches, addresses.
//!
//! Sizes are powers of 1,024 there as here. Each reader returns what is kept, or what it expected.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Milliseconds of each, longest name first where one starts another.
const TIMES: [(&str, u64); 7] = [
    ("ms", 1),
    ("f", 1_209_600_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
];
const SIZES: [(&str, u64); 6] = [
    ("kb", 1 << 10),
    ("mb", 1 << 20),
    ("gb", 1 << 30),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
];

/// Milliseconds: `15s`, `1h30m`, `1.5s`.
pub(super) fn duration(text: &str) -> Result<u64, &'static str> {
    const EXPECTED: &str = "expected a duration like 15s or 1m30s";
    let (mut rest, mut total) = (text, 0_u64);
    if rest.is_empty() {
        return Err(EXPECTED);
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(EXPECTED)?;
        let (number, unit) = rest.split_at(digits);
        let (name, factor) = TIMES
            .iter()
            .find(|(name, _)| unit.starts_with(name))
            .ok_or(EXPECTED)?;
        total = scaled(number, *factor)
            .and_then(|part| total.checked_add(part))
            .ok_or(EXPECTED)?;
        rest = &unit[name.len()..];
    }
    Ok(total)
}

/// Bytes: `65535`, `64KB`, `1MB`.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    const EXPECTED: &str = "expected bytes like 4096, 64KB or 1MB";
    let lower = text.to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let factor = match SIZES.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() => 1,
        None => return Err(EXPECTED),
    };
    scaled(number, factor).ok_or(EXPECTED)
}

/// `12` or `1.5` times a factor.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut total = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if !fraction.is_empty() {
        let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 9)?;
        let part = fraction.parse::<u64>().ok()?.checked_mul(factor)? / 10_u64.pow(places);
        total = total.checked_add(part)?;
    }
    Some(total)
}

/// `on`, `off`, `true`, `false`.
pub(super) fn switch(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("expected on, off, true or false"),
    }
}

/// A whole number.
pub(super) fn count(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "expected a whole number")
}

/// `8090`, which is on every IPv4 address, `0.0.0.0:8090`, `[::]:8090` or `::1:8090`.
pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    const EXPECTED: &str = "expected a port or an IP address and a port, like 8090 or 0.0.0.0:8090";
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    }
    let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host: IpAddr = host.parse().map_err(|_| EXPECTED)?;
    let port: u16 = port.parse().map_err(|_| EXPECTED)?;
    Ok(SocketAddr::from((host, port)))
}

/// Whom an access rule lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) allow: bool,
    /// Everybody, and not an address or a network.
    pub(super) all: bool,
}

/// `allow all`, `deny 192.168.0.0/24`.
pub(super) fn access(text: &str) -> Result<Access, &'static str> {
    const EXPECTED: &str = "expected allow or deny, then all, an address or a network like 192.168.0.0/24";
    let mut words = text.split_whitespace();
    let (verb, whom) = (words.next(), words.next());
    let allow = match verb {
        Some("allow") => true,
        Some("deny") => false,
        Some(_) | None => return Err(EXPECTED),
    };
    let whom = whom.filter(|_| words.next().is_none()).ok_or(EXPECTED)?;
    let all = whom == "all";
    let is_host = whom.parse::<IpAddr>().is_ok() || whom.parse::<ipnet::IpNet>().is_ok();
    match all || is_host {
        true => Ok(Access { allow, all }),
        false => Err(EXPECTED),
    }
}

/// Milliseconds as our configuration spells them.
pub(super) fn written_duration(milliseconds: u64) -> String {
    match milliseconds {
        whole if whole.is_multiple_of(1_000) => format!("\"{}s\"", whole / 1_000),
        more => format!("\"{more}ms\""),
    }
}
