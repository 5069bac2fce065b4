//! CONNECT and CONNACK: the greeting of a device, and the subscription that the server makes for it.
//!
//! A device is refused before anything is acted upon: nobody may choose a name that would change the topics that the
//! operator laid out. The interest map hears of the dn topic before the device hears that it is accepted.

use super::super::{Flow, Wire};
use crate::connect::{Greeting, Refusal};
use crate::index::FilterId;
use crate::limits::Limits;
use crate::placeholder::{self, Names};
use crate::settings::{PrivateTcp, Protocol};
use crate::{Actions, CloseReason, ConnectionId, DropReason, Engine, SessionId};
use ringwire_codec::mqtt::{RetainHandling, SubscribeFilter, SubscriptionOptions};
use ringwire_codec::private::{ConnAckCode, Connect, Frame, PAYLOAD_BYTES_MAX};
use ringwire_codec::topic;

/// Characters of a client id in a note: the device chose it, and it may be long.
const NOTED_CHARS_MAX: usize = 64;

/// A device that may be asked for its credentials.
struct Device<'a> {
    /// With the listener's prefix.
    client_id: String,
    username: Option<&'a str>,
    password: Option<&'a [u8]>,
    /// Empty for no subscription.
    dn_topic: String,
    keepalive_s: u16,
}

/// Why a device is not let in, and what it is told.
struct Denial {
    code: ConnAckCode,
    text: &'static str,
    reason: CloseReason,
}

impl Denial {
    fn of_version() -> Self {
        Self {
            code: ConnAckCode::VersionNotSupported,
            text: "Protocol Version Not Supported",
            reason: CloseReason::UnsupportedVersion,
        }
    }

    fn of_name(text: &'static str) -> Self {
        Self {
            code: ConnAckCode::AuthenticationFailed,
            text,
            reason: CloseReason::InvalidClientId,
        }
    }

    fn of_credentials(text: &'static str) -> Self {
        Self {
            code: ConnAckCode::AuthenticationFailed,
            text,
            reason: CloseReason::AuthenticationFailed,
        }
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadCredentials | Refusal::NotAuthorized => {
                Self::of_credentials("Authentication Failure")
            }
            Refusal::QuotaExceeded => Self {
                code: ConnAckCode::AuthenticationFailed,
                text: "Server Full",
                reason: CloseReason::QuotaExceeded,
            },
            Refusal::Banned => Self {
                code: ConnAckCode::AuthenticationFailed,
                text: "Banned",
                reason: CloseReason::Banned,
            },
        }
    }
}

impl<'a> Device<'a> {
    fn of(connect: &Connect<'a>, settings: &PrivateTcp, limits: &Limits) -> Result<Self, Denial> {
        let name = checked_name(connect.client_id, settings.allow_slash).map_err(Denial::of_name)?;
        let wants_username = [&settings.up_topic, &settings.dn_topic]
            .into_iter()
            .any(|topic| placeholder::wants_username(topic));
        let username = match connect.username.map(std::str::from_utf8) {
            None => None,
            Some(Ok(username)) => Some(username),
            Some(Err(_)) => return Err(Denial::of_credentials("Invalid Username: not UTF-8")),
        };
        if wants_username {
            let Some(username) = username else {
                return Err(Denial::of_credentials("Username Required"));
            };
            if checked_name(username.as_bytes(), false).is_err() {
                return Err(Denial::of_credentials(
                    "Invalid Username: it would change a topic",
                ));
            }
        }
        let client_id = format!("{}{name}", settings.client_id_prefix);
        let names = Names {
            client_id: &client_id,
            username,
        };
        let (mut up_topic, mut dn_topic) = (String::new(), String::new());
        placeholder::fill(&settings.up_topic, names, &mut up_topic);
        placeholder::fill(&settings.dn_topic, names, &mut dn_topic);
        let fits = |topic: &str| topic::level_count(topic) <= limits.topic_levels;
        let up_is_fine = topic::is_valid_name(&up_topic) && fits(&up_topic);
        let dn_is_fine = dn_topic.is_empty() || (topic::is_valid_filter(&dn_topic) && fits(&dn_topic));
        if !up_is_fine || !dn_is_fine {
            return Err(Denial::of_name("Invalid Client Id: its topics are not valid"));
        }
        Ok(Self {
            client_id,
            username,
            password: connect.password,
            dn_topic,
            keepalive_s: keepalive_s(connect.keepalive, settings),
        })
    }
}

/// A name that changes no topic it is put into.
fn checked_name(name: &[u8], allow_slash: bool) -> Result<&str, &'static str> {
    let Ok(name) = std::str::from_utf8(name) else {
        return Err("Invalid Client Id: not UTF-8");
    };
    if name.is_empty() {
        return Err("Invalid Client Id: empty");
    }
    if name.chars().any(char::is_control) {
        return Err("Invalid Client Id: control character");
    }
    if name.contains(['+', '#']) {
        return Err("Invalid Client Id: wildcard");
    }
    if name.contains('/') && !allow_slash {
        return Err("Invalid Client Id: slash");
    }
    Ok(name)
}

/// Seconds, as the listener has it: imposed on who asks for none, capped for the others.
fn keepalive_s(asked: u8, settings: &PrivateTcp) -> u16 {
    match (asked, settings.max_keepalive_s) {
        (0, _) => settings.default_keepalive_s,
        (asked, 0) => u16::from(asked),
        (asked, cap) => u16::from(asked).min(cap),
    }
}

impl Engine {
    /// The first frame is a CONNECT; `received` is everything since the accept.
    pub(super) fn greet_device(
        &mut self,
        id: ConnectionId,
        version: u8,
        connect: Option<Connect<'_>>,
        received: &[u8],
        actions: &mut Actions,
    ) -> Flow {
        let settings = self.settings.clone();
        let connection = self
            .connections
            .get(id)
            .expect("the frame is of a live connection");
        let Protocol::PrivateTcp(private) = &settings.listeners[connection.listener.index()].protocol else {
            unreachable!("an MQTT listener's bytes go to mqtt.rs");
        };
        let is_spoken = version == 1 || (version == 0 && private.accept_version_0);
        let Some(connect) = connect.filter(|_| is_spoken) else {
            return self.turn_device_away(id, Denial::of_version(), b"", actions);
        };
        if self.is_host_banned(id) {
            return self.turn_device_away(id, Refusal::Banned.into(), connect.client_id, actions);
        }
        let device = match Device::of(&connect, private, &settings.limits) {
            Ok(device) => device,
            Err(denial) => return self.turn_device_away(id, denial, connect.client_id, actions),
        };
        let home = self.placement.home(device.client_id.as_bytes());
        if home != self.shard {
            self.hand_over(id, home, received, actions);
            return Flow::Gone;
        }
        match self.admit(id, greeting(&device, private), actions) {
            Ok(_) => self.welcome(id, &device, private, actions),
            Err(refusal) => self.turn_device_away(id, refusal.into(), connect.client_id, actions),
        }
    }

    /// The device is in: its subscription, then CONNACK, then what waits for it, then what is retained on its dn topic.
    fn welcome(
        &mut self,
        id: ConnectionId,
        device: &Device<'_>,
        private: &PrivateTcp,
        actions: &mut Actions,
    ) -> Flow {
        let session = self.connections.get(id).and_then(|connection| connection.session);
        let session = session.expect("an admitted connection has a session");
        let recall = self.subscribe_dn(session, &device.dn_topic, private, actions);
        let accepted = Frame::ConnAck {
            code: ConnAckCode::Accepted,
            message: b"Connect Successfully",
        };
        self.send_frame(id, &accepted, actions);
        self.pump(session, actions);
        if let Some(filter) = recall {
            self.recall(session, filter, actions);
        }
        Flow::Next
    }

    /// Subscribes a device to its dn topic, and to nothing else; the filter, when it has it.
    fn subscribe_dn(
        &mut self,
        session: SessionId,
        dn_topic: &str,
        private: &PrivateTcp,
        actions: &mut Actions,
    ) -> Option<FilterId> {
        // A kept session may hold the dn topic of another username.
        let held = self
            .sessions
            .get(session)
            .map(|session| session.filters.clone())
            .unwrap_or_default();
        for filter in held {
            let text = self.index.text(filter).to_owned();
            if text != dn_topic {
                self.remove_subscription(session, &text);
            }
        }
        if dn_topic.is_empty() {
            return None;
        }
        let options = SubscriptionOptions {
            qos: private.dn_qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
        };
        match self.subscribe(
            session,
            &SubscribeFilter {
                filter: dn_topic,
                options,
            },
            0,
        ) {
            Ok((_, recall)) => recall,
            Err(_) => {
                self.remove_subscription(session, dn_topic);
                self.dropped(session, DropReason::SubscribeNotAuthorized, dn_topic, actions);
                None
            }
        }
    }

    /// CONNACK with a text that says why, flushed, then the end; what follows is not looked at.
    fn turn_device_away(
        &mut self,
        id: ConnectionId,
        denial: Denial,
        name: &[u8],
        actions: &mut Actions,
    ) -> Flow {
        let refused = Frame::ConnAck {
            code: denial.code,
            message: denial.text.as_bytes(),
        };
        self.send_frame(id, &refused, actions);
        let name: String = String::from_utf8_lossy(name)
            .chars()
            .take(NOTED_CHARS_MAX)
            .collect();
        let detail = format!("{}, client id {name:?}", denial.text);
        self.close(id, denial.reason, detail, actions)
    }
}

fn greeting<'a>(device: &'a Device<'a>, private: &PrivateTcp) -> Greeting<'a> {
    Greeting {
        wire: Wire::Private,
        client_id: &device.client_id,
        username: device.username,
        password: device.password,
        is_proved: false,
        clean_start: private.session_expiry_s == 0,
        expiry_s: private.session_expiry_s,
        keepalive_s: device.keepalive_s,
        will: None,
        // No packet ids: what was written is delivered.
        window_max: 0,
        packet_size_max: 3 + PAYLOAD_BYTES_MAX as u32,
        device: Some(private.overflow),
    }
}
