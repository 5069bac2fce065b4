//! Checks of TCP: queues before accept, buffers against memory, what stands between, and ports for load from this host.

use super::finding::{Change, Severity, Verdict};
use super::{Host, Plan};

const PAGE: u64 = 4_096;

/// A segment on its way in and one on its way out, for each connection at once.
const BYTES_IN_FLIGHT: u64 = 2 * PAGE;

/// What a small message needs; the window grows beyond it by itself.
const BUFFER_BYTES: u64 = 16_384;

/// A kernel setting that should have at least so much.
fn at_least(host: &Host, name: &str, needed: u64, why: &str) -> Verdict {
    match host.settings(name).first() {
        None => Verdict::unknown(format!("/proc/sys/{}", name.replace('.', "/"))),
        Some(value) if *value >= needed => Verdict::fine(format!("{name} = {value}")),
        Some(value) => Verdict::Change(Change {
            severity: Severity::Worth,
            is: format!("{name} = {value}"),
            to: needed.to_string(),
            why: why.to_owned(),
            how: format!("sysctl -w {name}={needed}"),
        }),
    }
}

pub fn accept_queue(host: &Host, plan: &Plan) -> Verdict {
    let why = "it caps `backlog` of the listeners; when many clients come back at once, those beyond it are dropped and try \
               again after one, three, seven seconds";
    at_least(host, "net.core.somaxconn", plan.backlog, why)
}

pub fn handshakes(host: &Host, plan: &Plan) -> Verdict {
    let why = "handshakes beyond it are answered with cookies, without TCP options, or not at all";
    at_least(host, "net.ipv4.tcp_max_syn_backlog", plan.backlog, why)
}

pub fn memory(host: &Host, plan: &Plan) -> Verdict {
    let name = "net.ipv4.tcp_mem";
    let [_, pressure, _] = host.settings(name)[..] else {
        return Verdict::unknown("/proc/sys/net/ipv4/tcp_mem");
    };
    let needed = (plan.connections * BYTES_IN_FLIGHT).div_ceil(PAGE);
    let is = format!("{name}: pressure at {} MB", pressure.saturating_mul(PAGE) >> 20);
    if pressure >= needed {
        return Verdict::fine(is);
    }
    Verdict::Change(Change {
        severity: Severity::Worth,
        is,
        to: format!("{} MB", (needed * PAGE) >> 20),
        why: format!(
            "when {} connections have a segment each way, the kernel shrinks the windows of all and drops segments",
            plan.connections
        ),
        how: format!("sysctl -w {name}='{needed} {} {}'", needed * 4 / 3, needed * 2),
    })
}

/// The initial size of a socket's buffers against what TCP may have in all.
fn initial(host: &Host, name: &str, plan: &Plan, why: &str) -> Verdict {
    let [least, initial, most] = host.settings(name)[..] else {
        return Verdict::unknown(format!("/proc/sys/{}", name.replace('.', "/")));
    };
    let Some(all) = host
        .settings("net.ipv4.tcp_mem")
        .get(2)
        .map(|pages| pages.saturating_mul(PAGE))
    else {
        return Verdict::unknown("/proc/sys/net/ipv4/tcp_mem");
    };
    let is = format!("{name}: {initial} at first, {most} at most");
    let together = initial.saturating_mul(plan.connections);
    if initial <= BUFFER_BYTES || together <= all {
        return Verdict::fine(is);
    }
    Verdict::Change(Change {
        severity: Severity::Hint,
        is,
        to: format!("{BUFFER_BYTES} at first"),
        why: format!(
            "{why} {} connections may take {} MB of the {} MB that TCP has",
            plan.connections,
            together >> 20,
            all >> 20
        ),
        how: format!("sysctl -w {name}='{least} {BUFFER_BYTES} {most}'"),
    })
}

pub fn receive_buffers(host: &Host, plan: &Plan) -> Verdict {
    let why = "it is offered to a client as its first window: when many send at once while the broker holds them back,";
    initial(host, "net.ipv4.tcp_rmem", plan, why)
}

pub fn send_buffers(host: &Host, plan: &Plan) -> Verdict {
    let why = "what a slow reader has not taken waits in the kernel first:";
    initial(host, "net.ipv4.tcp_wmem", plan, why)
}

pub fn tracking(host: &Host, plan: &Plan) -> Verdict {
    let name = "net.netfilter.nf_conntrack_max";
    let needed = plan.connections * 5 / 4;
    match host.settings(name).first() {
        None if host.has("proc/sys/net") => Verdict::fine("not loaded"),
        None => Verdict::unknown("/proc/sys/net"),
        Some(max) if *max >= needed => Verdict::fine(format!("{name} = {max}")),
        Some(max) => Verdict::Change(Change {
            severity: Severity::Needed,
            is: format!("{name} = {max}"),
            to: needed.to_string(),
            why: "the firewall remembers every connection, and when its table is full it drops the packets of new ones; only \
                  the kernel's log says so (\"nf_conntrack: table full\")"
                .to_owned(),
            how: format!(
                "sysctl -w {name}={needed}, or no tracking for the broker's port: iptables -t raw -A PREROUTING -p tcp \
                 --dport 1883 -j NOTRACK (and OUTPUT --sport)"
            ),
        }),
    }
}

pub fn silent_clients(host: &Host, plan: &Plan) -> Verdict {
    let Some(seconds) = host.number("proc/sys/net/ipv4/tcp_keepalive_time") else {
        return Verdict::unknown("/proc/sys/net/ipv4/tcp_keepalive_time");
    };
    if plan.caps_keepalive {
        return Verdict::fine("every listener caps keep alive");
    }
    Verdict::Change(Change {
        severity: Severity::Hint,
        is: format!("a client chooses its keep alive, also none; TCP's own ({seconds} s) is not used"),
        to: "a cap, if clients are on networks that forget connections".to_owned(),
        why: "a client without keep alive that vanishes (power, NAT) stays connected until something is sent to it: a \
              descriptor, a session, and its will is never published"
            .to_owned(),
        how: "listener.NAME.max_keepalive = \"5m\" (for MQTT 5 clients and devices), default_keepalive for devices".to_owned(),
    })
}

pub fn local_ports(host: &Host, plan: &Plan) -> Verdict {
    let name = "net.ipv4.ip_local_port_range";
    let [from, to] = host.settings(name)[..] else {
        return Verdict::unknown("/proc/sys/net/ipv4/ip_local_port_range");
    };
    let ports = to.saturating_sub(from).saturating_add(1);
    let is = format!("{name} = {from} {to}");
    if ports >= plan.connections || ports >= 64_000 {
        return Verdict::fine(is);
    }
    Verdict::Change(Change {
        severity: Severity::Hint,
        is,
        to: "1024 65535, where load is generated".to_owned(),
        why: format!(
            "only for `ringwire bench` and bridges on this host: {ports} connections from each source address to one \
             listener, so that {} take {} addresses",
            plan.connections,
            plan.connections.div_ceil(ports.max(1))
        ),
        how: format!("sysctl -w {name}='1024 65535'"),
    })
}
