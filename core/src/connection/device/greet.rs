//! The greeting of a device, and the subscription that the server makes for it.
//!
//! A device is refused before anything is acted upon: nobody may choose a name that would change the topics that the
//! operator laid out. The interest map hears of the dn topic before the device hears that it is accepted.

use super::super::{Flow, Wire};
use crate::connect::{self, Greeting};
use crate::connection::device::adapters::Speech;
use crate::index::FilterId;
use crate::limits::Limits;
use crate::placeholder::{self, Names};
use crate::settings::{self, Protocol};
use crate::{Actions, CloseReason, ConnectionId, DropReason, Engine, SessionId};
use ringwire_codec::adapter::{Answer, Cause, Connect, Refusal};
use ringwire_codec::mqtt::{RetainHandling, SubscribeFilter, SubscriptionOptions};
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
    refusal: Refusal,
    reason: CloseReason,
}

impl Denial {
    fn of_name(text: &'static str) -> Self {
        let cause = Cause::ClientId;
        Self {
            refusal: Refusal { cause, text },
            reason: CloseReason::InvalidClientId,
        }
    }

    fn of_credentials(text: &'static str) -> Self {
        let cause = Cause::Credentials;
        Self {
            refusal: Refusal { cause, text },
            reason: CloseReason::AuthenticationFailed,
        }
    }
}

impl From<connect::Refusal> for Denial {
    fn from(refusal: connect::Refusal) -> Self {
        let (cause, text, reason) = match refusal {
            connect::Refusal::BadCredentials | connect::Refusal::NotAuthorized => {
                return Self::of_credentials("Authentication Failure");
            }
            connect::Refusal::QuotaExceeded => (Cause::Full, "Server Full", CloseReason::QuotaExceeded),
            connect::Refusal::Banned => (Cause::Banned, "Banned", CloseReason::Banned),
        };
        Self {
            refusal: Refusal { cause, text },
            reason,
        }
    }
}

impl<'a> Device<'a> {
    fn of(connect: &Connect<'a>, settings: &settings::Device, limits: &Limits) -> Result<Self, Denial> {
        let name = checked_id(connect.client_id, settings).map_err(Denial::of_name)?;
        let topics = [&settings.up_topic, &settings.dn_topic];
        let wants_username = topics.iter().any(|topic| placeholder::wants_username(topic));
        // `$SYS`, `$share`, `$delayed`: topics that begin so are the broker's, or the operator's to give.
        let is_dollar = |mark: &str, name: &str| {
            name.starts_with('$') && topics.iter().any(|topic| topic.starts_with(mark))
        };
        let username = match connect.username.map(std::str::from_utf8) {
            None => None,
            Some(Ok(username)) => Some(username),
            Some(Err(_)) => return Err(Denial::of_credentials("Invalid Username: not UTF-8")),
        };
        if wants_username {
            let Some(username) = username else {
                return Err(Denial::of_credentials("Username Required"));
            };
            if username.len() > settings.max_clientid_len {
                return Err(Denial::of_credentials("Invalid Username: too long"));
            }
            if checked_name(username.as_bytes(), false).is_err() || is_dollar("%u", username) {
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
        if settings.client_id_prefix.is_empty() && is_dollar("%c", name) {
            return Err(Denial::of_name("Invalid Client Id: dollar"));
        }
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
            keepalive_s: keepalive_s(connect.keepalive_s, settings),
        })
    }
}

/// A client id that changes no topic it is put into, and is not so long that a frame of three bytes becomes a message of
/// thousands.
fn checked_id<'a>(name: &'a [u8], settings: &settings::Device) -> Result<&'a str, &'static str> {
    if name.len() > settings.max_clientid_len {
        return Err("Invalid Client Id: too long");
    }
    checked_name(name, settings.allow_slash)
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
fn keepalive_s(asked: u16, settings: &settings::Device) -> u16 {
    match (asked, settings.max_keepalive_s) {
        (0, _) => settings.default_keepalive_s,
        (asked, 0) => asked,
        (asked, cap) => asked.min(cap),
    }
}

impl Engine {
    /// A device says who it is, before it is let in; `received` is everything since the accept.
    pub(super) fn identify_device(
        &mut self,
        id: ConnectionId,
        client_id: &[u8],
        received: &[u8],
        actions: &mut Actions,
    ) -> Flow {
        let connection = self
            .connections
            .get(id)
            .expect("the event is of a live connection");
        let device = self.device_settings(connection);
        if self.is_host_banned(id) {
            return self.turn_device_away(id, connect::Refusal::Banned.into(), client_id, actions);
        }
        let name = match checked_id(client_id, device) {
            Ok(name) => format!("{}{name}", device.client_id_prefix),
            Err(text) => return self.turn_device_away(id, Denial::of_name(text), client_id, actions),
        };
        if let Some(flow) = self.go_home(id, &name, received, actions) {
            return flow;
        }
        let connection = self.connections.get_mut(id).expect("it is at home here");
        let speech = connection
            .speech
            .as_mut()
            .expect("a device speaks with an adapter");
        speech.identified = true;
        let speech = *speech;
        self.answer_device(id, speech, Answer::Identified, actions);
        Flow::Next
    }

    /// A device wants to be let in; `received` is everything since the accept, or since it was identified.
    pub(super) fn greet_device(
        &mut self,
        id: ConnectionId,
        connect: &Connect<'_>,
        received: &[u8],
        actions: &mut Actions,
    ) -> Flow {
        let settings = self.settings.clone();
        let connection = self
            .connections
            .get(id)
            .expect("the event is of a live connection");
        let Protocol::Device(own) = &settings.listeners[connection.listener.index()].protocol else {
            unreachable!("an MQTT listener's bytes go to mqtt.rs");
        };
        if self.is_host_banned(id) {
            return self.turn_device_away(id, connect::Refusal::Banned.into(), connect.client_id, actions);
        }
        let device = match Device::of(connect, own, &settings.limits) {
            Ok(device) => device,
            Err(denial) => return self.turn_device_away(id, denial, connect.client_id, actions),
        };
        if let Some(flow) = self.go_home(id, &device.client_id, received, actions) {
            return flow;
        }
        let speech = connection_speech(self, id);
        let window_max = self.adapters.look(speech).adapter.window();
        let window_max = window_max.min(settings.limits.inflight);
        match self.admit(id, greeting(&device, own, window_max), actions) {
            Ok(_) => self.welcome(id, &device, own, actions),
            Err(refusal) => self.turn_device_away(id, refusal.into(), connect.client_id, actions),
        }
    }

    /// Hands a connection over if its client id is at home elsewhere; `None` when it stays.
    fn go_home(
        &mut self,
        id: ConnectionId,
        client_id: &str,
        received: &[u8],
        actions: &mut Actions,
    ) -> Option<Flow> {
        let home = self.placement.home(client_id.as_bytes());
        if home == self.shard {
            return None;
        }
        if connection_speech(self, id).identified {
            let detail = "it greets with another client id than it named before".to_owned();
            return Some(self.close(id, CloseReason::InvalidClientId, detail, actions));
        }
        self.hand_over(id, home, received, actions);
        Some(Flow::Gone)
    }

    /// The device is in: its subscription, then the answer, then what waits for it, then what is retained on its dn topic.
    fn welcome(
        &mut self,
        id: ConnectionId,
        device: &Device<'_>,
        own: &settings::Device,
        actions: &mut Actions,
    ) -> Flow {
        let session = self.connections.get(id).and_then(|connection| connection.session);
        let session = session.expect("an admitted connection has a session");
        let recall = self.subscribe_dn(session, &device.dn_topic, own, actions);
        self.answer_device(id, connection_speech(self, id), Answer::Accepted, actions);
        self.pump(session, actions);
        if let Some(filter) = recall {
            self.recall(session, filter, actions);
        }
        match self.connections.get(id) {
            Some(_) => Flow::Next,
            // Its adapter failed at what waited for it.
            None => Flow::Gone,
        }
    }

    /// Subscribes a device to its dn topic, and to nothing else; the filter, when it has it.
    fn subscribe_dn(
        &mut self,
        session: SessionId,
        dn_topic: &str,
        own: &settings::Device,
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
            qos: own.dn_qos,
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

    /// An answer that says why, flushed, then the end; what follows is not looked at.
    fn turn_device_away(
        &mut self,
        id: ConnectionId,
        denial: Denial,
        name: &[u8],
        actions: &mut Actions,
    ) -> Flow {
        let refusal = denial.refusal;
        self.answer_device(id, connection_speech(self, id), Answer::Refused(refusal), actions);
        let name: String = String::from_utf8_lossy(name)
            .chars()
            .take(NOTED_CHARS_MAX)
            .collect();
        let detail = format!("{}, client id {name:?}", refusal.text);
        self.close(id, denial.reason, detail, actions)
    }
}

/// How a live connection of a device speaks.
fn connection_speech(engine: &Engine, id: ConnectionId) -> Speech {
    let connection = engine.connections.get(id);
    connection
        .and_then(|connection| connection.speech)
        .expect("a device is live and speaks with an adapter")
}

fn greeting<'a>(device: &'a Device<'a>, own: &settings::Device, window_max: u16) -> Greeting<'a> {
    Greeting {
        wire: Wire::Device,
        client_id: &device.client_id,
        username: device.username,
        password: device.password,
        is_proved: false,
        clean_start: own.session_expiry_s == 0,
        expiry_s: own.session_expiry_s,
        keepalive_s: device.keepalive_s,
        will: None,
        window_max,
        // Its adapter knows what it can carry.
        packet_size_max: u32::MAX,
        device: Some(own.overflow),
    }
}
