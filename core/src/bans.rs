//! Bans: client ids, usernames and hosts that may not connect, until a time or for ever.
//!
//! Every shard has all of them, so that no question leaves it: the administrator's come through each shard's mailbox,
//! those of the flapping detector as parcels. A host is looked at first of all in a greeting, names when a client would be
//! let in. A new ban closes who is connected. Not kept over a restart yet. Limited by `limits.bans`.

use crate::connection::Connection;
use crate::timers::Timer;
use crate::wheel::TimerId;
use crate::{Actions, CloseReason, ConnectionId, Engine, Note, Time};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Whom it is about.
    pub who: Banned,
    /// Who made it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was made, in seconds since 1970.
    pub at_s: u64,
    /// When it ends; `None`: never.
    pub until_s: Option<u64>,
}

/// Whom a ban is about. EMQX's kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Banned {
    /// This client id.
    ClientId(String),
    /// Whoever gives this username.
    Username(String),
    /// This address.
    PeerHost(IpAddr),
    /// Every address of a network.
    PeerNet(IpNet),
}

impl Banned {
    /// The kind, as EMQX's API names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ClientId(_) => "clientid",
            Self::Username(_) => "username",
            Self::PeerHost(_) => "peerhost",
            Self::PeerNet(_) => "peerhost_net",
        }
    }

    /// From the API's two words; `None` when the second is not what the first says.
    pub fn parse(kind: &str, who: &str) -> Option<Self> {
        match kind {
            "clientid" if !who.is_empty() => Some(Self::ClientId(who.to_owned())),
            "username" if !who.is_empty() => Some(Self::Username(who.to_owned())),
            "peerhost" => who
                .parse::<IpAddr>()
                .ok()
                .map(|host| Self::PeerHost(host.to_canonical())),
            "peerhost_net" => who.parse::<IpNet>().ok().map(|net| Self::PeerNet(net.trunc())),
            _ => None,
        }
    }
}

impl fmt::Display for Banned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientId(text) | Self::Username(text) => f.write_str(text),
            Self::PeerHost(host) => host.fmt(f),
            Self::PeerNet(net) => net.fmt(f),
        }
    }
}

/// Why a ban is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BanObjection {
    /// There is one already: this.
    Exists(Arc<Ban>),
    /// There is no room for another: `limits.bans`.
    Full,
}

/// The bans of a node, as one shard knows them.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    by_who: BTreeMap<Banned, Arc<Ban>>,
    /// Networks among them: each is looked at for each greeting.
    nets: usize,
    /// When the first of them ends.
    timer: Option<(Time, TimerId)>,
}

impl Bans {
    pub(crate) fn len(&self) -> usize {
        self.by_who.len()
    }

    /// Whether an address is banned.
    fn has_host(&self, host: IpAddr) -> bool {
        if self.by_who.is_empty() {
            return false;
        }
        let host = host.to_canonical();
        // Networks sort last.
        let mut nets = self.by_who.keys().rev().take(self.nets);
        self.by_who.contains_key(&Banned::PeerHost(host))
            || nets.any(|net| matches!(net, Banned::PeerNet(net) if net.contains(&host)))
    }

    fn has_names(&self, client_id: &str, username: Option<&str>) -> bool {
        let username = username.map(|name| Banned::Username(name.to_owned()));
        !self.by_who.is_empty()
            && (self.by_who.contains_key(&Banned::ClientId(client_id.to_owned()))
                || username.is_some_and(|username| self.by_who.contains_key(&username)))
    }

    fn insert(&mut self, ban: Arc<Ban>) {
        let is_net = matches!(ban.who, Banned::PeerNet(_));
        if self.by_who.insert(ban.who.clone(), ban).is_none() {
            self.nets += usize::from(is_net);
        }
    }

    fn remove(&mut self, who: &Banned) {
        if self.by_who.remove(who).is_some() {
            self.nets -= usize::from(matches!(who, Banned::PeerNet(_)));
        }
    }
}

impl Engine {
    /// Every ban that holds, sorted by kind and name. For the administrator.
    pub fn bans(&self) -> Vec<Arc<Ban>> {
        self.bans.by_who.values().cloned().collect()
    }

    /// Whether there is a ban for exactly this.
    pub fn has_ban(&self, who: &Banned) -> bool {
        self.bans.by_who.contains_key(who)
    }

    /// Why a ban would not be taken.
    pub fn objection_to(&self, ban: &Ban) -> Option<BanObjection> {
        match self.bans.by_who.get(&ban.who) {
            Some(known) => Some(BanObjection::Exists(known.clone())),
            None if self.bans.len() >= self.settings.limits.bans => Some(BanObjection::Full),
            None => None,
        }
    }

    /// Whether the host of a connection is banned.
    pub(crate) fn is_host_banned(&self, id: ConnectionId) -> bool {
        let connection = self.connections.get(id);
        connection.is_some_and(|connection| self.bans.has_host(connection.peer.ip()))
    }

    /// Whether a client id or a username is banned.
    pub(crate) fn are_names_banned(&self, client_id: &str, username: Option<&str>) -> bool {
        self.bans.has_names(client_id, username)
    }

    /// Takes a ban, in place of an older one for the same, if there is room, and closes whom it is about.
    pub(crate) fn ban(&mut self, ban: Arc<Ban>, actions: &mut Actions) {
        if let Some(BanObjection::Full) = self.objection_to(&ban) {
            return;
        }
        self.bans.insert(ban.clone());
        self.arm_bans(ban.until_s);
        for id in self.connections_of(&ban.who) {
            self.close(id, CloseReason::Banned, ban.reason.clone(), actions);
        }
    }

    /// As `ban`; every shard is given it, and one of them notes it.
    pub(crate) fn ban_for_administrator(&mut self, ban: Arc<Ban>, actions: &mut Actions) {
        if self.shard.0 == 0 && self.objection_to(&ban).is_none() {
            self.note_ban(&ban, actions);
        }
        self.ban(ban, actions);
    }

    /// A ban is lifted.
    pub(crate) fn unban(&mut self, who: &Banned) {
        self.bans.remove(who);
    }

    /// Tells the operator. Once for each ban of the node.
    pub(crate) fn note_ban(&self, ban: &Ban, actions: &mut Actions) {
        actions.note(Note::Banned {
            kind: ban.who.kind(),
            who: ban.who.to_string(),
            by: ban.by.clone(),
            reason: ban.reason.clone(),
        });
    }

    /// Live connections that a ban is about.
    fn connections_of(&self, who: &Banned) -> Vec<ConnectionId> {
        if let Banned::ClientId(client_id) = who {
            let session = self.sessions.find(client_id.as_bytes());
            let session = session.and_then(|session| self.sessions.get(session));
            return session
                .and_then(|session| session.connection)
                .into_iter()
                .collect();
        }
        let is_meant = |connection: &Connection| match who {
            Banned::ClientId(_) => false,
            Banned::Username(username) => {
                let session = connection.session.and_then(|session| self.sessions.get(session));
                session.is_some_and(|session| session.username.as_deref() == Some(username))
            }
            Banned::PeerHost(host) => connection.peer.ip().to_canonical() == *host,
            Banned::PeerNet(net) => net.contains(&connection.peer.ip().to_canonical()),
        };
        let mut ids = self.connections.ids();
        ids.retain(|&id| self.connections.get(id).is_some_and(is_meant));
        ids
    }

    /// Sets the timer for the end of a ban, if that is the first.
    fn arm_bans(&mut self, until_s: Option<u64>) {
        let Some(until_s) = until_s else {
            return;
        };
        let at = self.time_of(until_s);
        if self.bans.timer.is_some_and(|(first, _)| first <= at) {
            return;
        }
        let older = self.bans.timer.take();
        self.disarm(older.map(|(_, timer)| timer));
        self.bans.timer = Some((at, self.timers.insert(at, Timer::Bans)));
    }

    /// A ban is over, perhaps several.
    pub(crate) fn bans_due(&mut self) {
        self.bans.timer = None;
        let now = self.now;
        let ends = |ban: &Ban| ban.until_s.map(|until_s| self.time_of(until_s));
        let over = self
            .bans
            .by_who
            .values()
            .filter(|ban| ends(ban).is_some_and(|at| at <= now));
        let over: Vec<Banned> = over.map(|ban| ban.who.clone()).collect();
        for who in &over {
            self.bans.remove(who);
        }
        let next = self.bans.by_who.values().filter_map(|ban| ban.until_s).min();
        self.arm_bans(next);
    }

    fn time_of(&self, unix_s: u64) -> Time {
        let unix_ms = unix_s.saturating_mul(1_000);
        Time::from_millis(unix_ms.saturating_sub(self.settings.start.unix_ms))
    }
}
