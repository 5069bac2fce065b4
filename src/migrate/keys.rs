//! What becomes of each key of `emqx_tcp.conf`: one table for the protocol, one for listeners, one for what TLS adds.
//!
//! A key that is in none of them does not exist in EMQX 4 either, and is a mistake with a suggestion.

use super::Mistake;
use super::conf::Setting;

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Text,
    Count,
    Duration,
    /// Bytes of a payload, at most 65,535: the protocol has no room for more.
    Payload,
    Switch,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It is a key here.
    Carried(&'static str, Form),
    /// A key here, that means nearly the same.
    Nearly(&'static str, Form, &'static str),
    /// It means nothing here, whatever its value.
    Idle(&'static str),
    /// What it says is always so here; the reason is for who wants it otherwise.
    Always(bool, &'static str),
    /// Something that is not there yet.
    Missing(&'static str),
    /// A switch for something that is not there yet, without which the listener must stay closed.
    Closing(&'static str),
    /// A rule for addresses, in the order of their numbers.
    Access,
}

type Row = (&'static str, Fate);

const TLS: &str = "no listener speaks TLS yet; have a proxy end it, or keep this key for when it does";
const KERNEL: &str =
    "the kernel sizes the buffers of a socket (net.ipv4.tcp_rmem, tcp_wmem); see `ringwire tune`";

/// Behind `tcp.proto.`
const PROTOCOL: &[Row] = &[
    ("idle_timeout", Fate::Carried("idle_timeout", Form::Duration)),
    ("up_topic", Fate::Carried("up_topic", Form::Text)),
    ("dn_topic", Fate::Carried("dn_topic", Form::Text)),
    ("max_packet_size", Fate::Carried("max_packet_size", Form::Payload)),
    (
        "enable_stats",
        Fate::Always(true, "it always counts, and a count costs nothing"),
    ),
    ("force_gc_policy", Fate::Idle("there is no garbage collector")),
    (
        "force_shutdown_policy",
        Fate::Missing(
            "a slow device loses messages and is not killed: see overflow of its listener, and queue_messages and \
             queue_bytes in [limits]",
        ),
    ),
];

/// Behind `tcp.listener.NAME.` and `tcp.listener.ssl.NAME.`
const LISTENER: &[Row] = &[
    ("acceptors", Fate::Idle("each shard accepts for itself")),
    (
        "max_connections",
        Fate::Nearly(
            "max_connections",
            Form::Count,
            "of each shard, where EMQX counts the whole listener",
        ),
    ),
    (
        "max_conn_rate",
        Fate::Missing("there are no limits of rates yet; limit new connections in the firewall"),
    ),
    (
        "active_n",
        Fate::Idle("a socket is read when bytes are there, many at a time"),
    ),
    (
        "zone",
        Fate::Missing(
            "there are no zones: what zone.NAME.* of emqx.conf says, set at the listener or in [limits]",
        ),
    ),
    (
        "rate_limit",
        Fate::Missing("there are no limits of rates yet; a device may send as fast as it is read"),
    ),
    (
        "proxy_protocol",
        Fate::Closing(
            "no listener speaks the PROXY protocol yet: have the proxy leave it out, and then enable this",
        ),
    ),
    (
        "proxy_protocol_timeout",
        Fate::Idle("no listener speaks the PROXY protocol yet"),
    ),
    ("backlog", Fate::Carried("backlog", Form::Count)),
    ("send_timeout", Fate::Carried("send_timeout", Form::Duration)),
    (
        "send_timeout_close",
        Fate::Always(true, "a device that takes nothing for send_timeout is closed"),
    ),
    ("recbuf", Fate::Idle(KERNEL)),
    ("sndbuf", Fate::Idle(KERNEL)),
    (
        "buffer",
        Fate::Idle("receive buffers belong to the shard: [shard] buffers and buffer_bytes"),
    ),
    ("tune_buffer", Fate::Idle(KERNEL)),
    ("nodelay", Fate::Carried("nodelay", Form::Switch)),
    (
        "reuseaddr",
        Fate::Always(true, "a restart never waits for the last run's connections"),
    ),
];

/// Behind `tcp.listener.ssl.NAME.` only.
const SECURE: &[Row] = &[
    ("tls_versions", Fate::Missing(TLS)),
    ("handshake_timeout", Fate::Missing(TLS)),
    ("keyfile", Fate::Missing(TLS)),
    ("key_password", Fate::Missing(TLS)),
    ("certfile", Fate::Missing(TLS)),
    ("cacertfile", Fate::Missing(TLS)),
    ("dhfile", Fate::Missing(TLS)),
    ("depth", Fate::Missing(TLS)),
    ("verify", Fate::Missing(TLS)),
    ("fail_if_no_peer_cert", Fate::Missing(TLS)),
    ("ciphers", Fate::Missing(TLS)),
    ("psk_ciphers", Fate::Missing(TLS)),
    ("secure_renegotiate", Fate::Missing(TLS)),
    ("reuse_sessions", Fate::Missing(TLS)),
    ("honor_cipher_order", Fate::Missing(TLS)),
    ("peer_cert_as_username", Fate::Missing(TLS)),
    ("peer_cert_as_clientid", Fate::Missing(TLS)),
];

/// Which listener: its name, and whether it is one of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name<'a> {
    pub(super) secure: bool,
    pub(super) name: &'a str,
}

/// What a key is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    /// All listeners.
    Protocol(Fate),
    /// The address of a listener.
    Address(Name<'a>),
    /// Another key of a listener; `number` of an access rule.
    Option(Name<'a>, Fate, u32),
}

/// What a setting's key is about.
pub(super) fn subject<'a>(setting: &Setting<'a>) -> Result<Subject<'a>, Mistake> {
    let key = setting.key;
    if let Some(name) = key.strip_prefix("tcp.proto.") {
        let fate = find(PROTOCOL, name);
        return fate
            .map(Subject::Protocol)
            .ok_or_else(|| unknown(setting, "tcp.proto.", name, &[PROTOCOL]));
    }
    let Some(rest) = key.strip_prefix("tcp.listener.") else {
        let label = "expected tcp.proto.* or tcp.listener.*: only emqx_tcp.conf is read";
        return Err(Mistake::new(
            setting.key_span.clone(),
            format!("unknown key `{key}`"),
            label,
        ));
    };
    let (rest, secure) = match rest.strip_prefix("ssl.") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let Some((name, option)) = rest.split_once('.') else {
        return Ok(Subject::Address(Name { secure, name: rest }));
    };
    let name = Name { secure, name };
    if let Some(number) = option.strip_prefix("access.") {
        let label = "expected a number, as access.1";
        let number = number
            .parse()
            .map_err(|_| Mistake::new(setting.key_span.clone(), format!("unknown key `{key}`"), label))?;
        return Ok(Subject::Option(name, Fate::Access, number));
    }
    let tables: &[&[Row]] = if secure { &[LISTENER, SECURE] } else { &[LISTENER] };
    let fate = tables.iter().find_map(|table| find(table, option));
    let fate = fate.ok_or_else(|| {
        let front = &key[..key.len() - option.len()];
        unknown(setting, front, option, tables)
    })?;
    Ok(Subject::Option(name, fate, 0))
}

fn find(table: &[Row], name: &str) -> Option<Fate> {
    let row = table.iter().find(|(known, _)| *known == name);
    row.map(|(_, fate)| *fate)
}

/// A key that does not exist, and the nearest that does.
fn unknown(setting: &Setting<'_>, front: &str, name: &str, tables: &[&[Row]]) -> Mistake {
    let names = tables
        .iter()
        .flat_map(|table| table.iter().map(|(known, _)| *known));
    let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
    let near = names.clone().min_by_key(distance);
    let near = near.filter(|near| distance(near) <= 1 + near.len() / 4);
    let end = setting.key_span.end;
    let span = end - name.len()..end;
    let title = format!("unknown key `{}`", setting.key);
    match near {
        Some(near) => Mistake::new(span, title, format!("did you mean `{front}{near}`?")),
        None => Mistake {
            help: Some(format!(
                "known here: {}; put # before the line to go on without it",
                names.collect::<Vec<_>>().join(", ")
            )),
            ..Mistake::new(span, title, "not a key of emqx_tcp.conf")
        },
    }
}
