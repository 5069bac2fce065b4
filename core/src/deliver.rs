//! A message into one session: sent now, into its window, into its queue, or dropped with a named reason.
//!
//! QoS 0 is for who reads now; but while retained messages wait it waits behind them, so that none arrives stale.
//! QoS 1/2 goes through the window; what finds it full, the out box full, or older messages waiting, goes to the queue,
//! and `pump` moves it on. So for one session nothing overtakes within QoS 1 and 2. A private
//! device has no window, and its QoS 0 messages wait in the queue like the others.

use crate::connection::Wire;
use crate::connection::aliases::{Said, Told};
use crate::session::Session;
use crate::session::frame::{News, Own, Shape, frame_size, write_once};
use crate::session::queue::{self, Queue};
use crate::session::window::{Outgoing, Resend};
use crate::settings::Overflow;
use crate::{Actions, CloseReason, ConnectionId, DropReason, Engine, Note, SessionId};
use ringwire_codec::mqtt::{Ack, Packet, PacketId, Properties, QoS, ReasonCode};

/// A Topic Alias in a packet, and the most that the packet grows by it: two lengths may need a byte more.
const ALIAS_BYTES: usize = 3;
const ALIAS_BYTES_MAX: usize = ALIAS_BYTES + 2;

/// What stands between a delivery and the wire.
#[derive(Debug)]
enum Way {
    /// Send, with this packet id (0 for none).
    Send(u16),
    Queue,
    Drop(DropReason),
}

impl Engine {
    /// Delivers a live message: QoS 0 is dropped for who does not read.
    pub(crate) fn deliver(
        &mut self,
        to: SessionId,
        shape: Shape<'_>,
        news: &mut News<'_>,
        actions: &mut Actions,
    ) {
        // One that is not retained replaces no retained message, so the answer is still wanted. And what comes by a shared
        // subscription says nothing of the session's own ones.
        if news.retain
            && shape.share.is_none()
            && self.sessions.get(to).is_some_and(|session| session.recalls > 0)
        {
            self.recalls
                .arrived(to, &self.placement, news.topic, news.payload);
        }
        if !self.send_at_once(to, shape, news, actions) {
            self.send_or_keep(to, shape, false, news, actions);
        }
    }

    /// The short way, which most deliveries take: QoS 0 to a client that reads, and for whom nothing waits. False, and
    /// nothing was done, when it takes more thought.
    fn send_at_once(
        &mut self,
        to: SessionId,
        shape: Shape<'_>,
        news: &mut News<'_>,
        actions: &mut Actions,
    ) -> bool {
        let session = self.sessions.get(to).expect("a subscriber has a session");
        let (Some(id), None, QoS::AtMostOnce) = (session.connection, &session.queue, shape.qos) else {
            return false;
        };
        let connection = self
            .connections
            .get_mut(id)
            .expect("a session's connection is live");
        if connection.alias_max != 0 || connection.wire == Wire::Device {
            return false;
        }
        let size = self.scratch.frames.size(news, connection.wire, shape);
        if size > connection.packet_size_max as usize
            || actions.outbox(id).backlog() > self.settings.limits.outbox_bytes
        {
            return false;
        }
        connection.sent += 1;
        let wire = connection.wire;
        let written = self.scratch.frames.write(news, wire, shape, 0, actions.send(id));
        assert!(written, "its size was checked");
        self.count_sent(QoS::AtMostOnce, size);
        true
    }

    /// Delivers a retained message: QoS 0 waits for room too, the client asked for it.
    pub(crate) fn deliver_retained(
        &mut self,
        to: SessionId,
        shape: Shape<'_>,
        news: &mut News<'_>,
        actions: &mut Actions,
    ) {
        self.scratch.frames.clear();
        self.send_or_keep(to, shape, true, news, actions);
    }

    fn send_or_keep(
        &mut self,
        to: SessionId,
        shape: Shape<'_>,
        patient: bool,
        news: &mut News<'_>,
        actions: &mut Actions,
    ) {
        match self.way(to, shape, patient, news, actions) {
            Way::Send(packet_id) => self.send_now(to, shape, packet_id, news, actions),
            Way::Queue => self.enqueue(to, shape, news, actions),
            Way::Drop(reason) => self.dropped(to, reason, news.topic, actions),
        }
    }

    fn way(
        &mut self,
        to: SessionId,
        shape: Shape<'_>,
        patient: bool,
        news: &mut News<'_>,
        actions: &mut Actions,
    ) -> Way {
        let session = self.sessions.get_mut(to).expect("a subscriber has a session");
        let is_device = session.device.is_some();
        let Some(id) = session.connection else {
            return match shape.qos {
                QoS::AtMostOnce if !is_device => Way::Drop(DropReason::Qos0Offline),
                QoS::AtMostOnce | QoS::AtLeastOnce | QoS::ExactlyOnce => Way::Queue,
            };
        };
        let connection = self.connections.get(id).expect("a session's connection is live");
        if is_device {
            let is_full = actions.outbox(id).backlog() > self.settings.limits.outbox_bytes;
            if is_full || !session.queue_is_empty() {
                return Way::Queue;
            }
            if !connection.acknowledges() {
                return Way::Send(0);
            }
            let window = session.window.get_or_insert_default();
            if !window.has_room(connection.window_max) {
                return Way::Queue;
            }
            return Way::Send(window.push(followed(outgoing(shape, news))));
        }
        let size = match connection.alias_max {
            0 => self.scratch.frames.size(news, connection.wire, shape),
            _ => frame_size(news, connection.wire, shape),
        };
        if size > connection.packet_size_max as usize {
            return Way::Drop(DropReason::TooLarge);
        }
        let full = actions.outbox(id).backlog() > self.settings.limits.outbox_bytes;
        if shape.qos == QoS::AtMostOnce && !patient {
            let behind = (session.queue.as_ref()).is_some_and(|queue| queue.is_before_qos0());
            return match (full, behind) {
                (true, _) => Way::Drop(DropReason::SlowConsumer),
                (false, true) => Way::Queue,
                (false, false) => Way::Send(0),
            };
        }
        if full || !session.queue_is_empty() {
            return Way::Queue;
        }
        if shape.qos == QoS::AtMostOnce {
            return Way::Send(0);
        }
        let window = session.window.get_or_insert_default();
        if !window.has_room(connection.window_max) {
            return Way::Queue;
        }
        Way::Send(window.push(outgoing(shape, news)))
    }

    fn send_now(
        &mut self,
        to: SessionId,
        shape: Shape<'_>,
        packet_id: u16,
        news: &mut News<'_>,
        actions: &mut Actions,
    ) {
        let Some(id) = self.sessions.get(to).and_then(|session| session.connection) else {
            return;
        };
        let connection = self
            .connections
            .get_mut(id)
            .expect("a session's connection is live");
        if connection.wire == Wire::Device {
            if let Err(reason) = self.send_to_device(id, (packet_id, false), news, actions) {
                self.not_sent(to, packet_id, (reason, news.topic), actions);
            }
            return;
        }
        if connection.alias_max != 0 {
            let own = Own {
                packet_id,
                dup: false,
                said: Said::Plain,
            };
            let written = self.send_alone(id, (shape, own), news, actions);
            assert!(written, "its size was checked");
            return;
        }
        connection.sent += 1;
        let wire = connection.wire;
        let outbox = actions.send(id);
        let before = outbox.backlog();
        let written = self.scratch.frames.write(news, wire, shape, packet_id, outbox);
        assert!(written, "its size was checked");
        let bytes = outbox.backlog() - before;
        self.count_sent(shape.qos, bytes);
    }

    pub(crate) fn count_sent(&mut self, qos: QoS, bytes: usize) {
        self.stats.messages_sent += 1;
        self.stats.messages_qos_sent[qos as usize] += 1;
        self.stats.packets_sent += 1;
        self.stats.bytes_sent += bytes as u64;
    }

    fn enqueue(&mut self, to: SessionId, shape: Shape<'_>, news: &mut News<'_>, actions: &mut Actions) {
        let (messages_max, bytes_max) = (
            self.settings.limits.queue_messages,
            self.settings.limits.queue_bytes,
        );
        let session = self.sessions.get_mut(to).expect("a subscriber has a session");
        let queue = session.queue.get_or_insert_default();
        let outgoing = outgoing(shape, news);
        let added = queue::cost(&outgoing);
        queue.push(outgoing);
        if let Some(id) = session.connection
            && actions.outbox(id).backlog() > self.settings.limits.outbox_bytes
        {
            self.watch(id, actions);
        }
        self.sessions.queued_bytes += added;
        while let Some(victim) = self.overflow(to, messages_max, bytes_max, actions) {
            self.sessions.queued_bytes -= queue::cost(&victim);
            let topic = victim.message.topic().to_owned();
            self.dropped(to, DropReason::QueueFull, &topic, actions);
        }
        self.slow_if_behind(to, shape.qos, news.publisher, actions);
    }

    /// What must go for a session's queue, and all of the shard, to be within the limits; `None` when they are. Closes a device whose listener
    /// wants that.
    fn overflow(
        &mut self,
        id: SessionId,
        messages_max: usize,
        bytes_max: usize,
        actions: &mut Actions,
    ) -> Option<Outgoing> {
        let shard_is_over = self.sessions.queued_bytes > self.settings.limits.shard_queue_bytes;
        let is_over = |queue: &Queue| shard_is_over || queue.is_over(messages_max, bytes_max);
        let session = self.sessions.get(id)?;
        session.queue.as_deref().filter(|queue| is_over(queue))?;
        if let (Some(Overflow::Disconnect), Some(connection)) = (session.device, session.connection)
            && !session.catches_up
        {
            let detail = "its queue is full".to_owned();
            self.close(connection, CloseReason::SlowConsumer, detail, actions);
        }
        // A session that is kept without its connection is within its limits too.
        let session = self.sessions.get_mut(id)?;
        let queue = session.queue.as_mut()?;
        match session.device {
            Some(Overflow::DropNewest) => queue.drop_newest(),
            None | Some(Overflow::DropOldest | Overflow::Disconnect) => queue.drop_oldest(),
        }
    }

    /// Counts a message that one receiver does not get.
    pub(crate) fn dropped(&mut self, to: SessionId, reason: DropReason, topic: &str, actions: &mut Actions) {
        self.stats.drops[reason as usize] += 1;
        if let Some(session) = self.sessions.get_mut(to) {
            session.dropped += 1;
        }
        self.note_dropped(to, reason, topic, actions);
    }

    /// Tells the operator of the first drop of its kind in a session.
    pub(crate) fn note_dropped(
        &mut self,
        to: SessionId,
        reason: DropReason,
        topic: &str,
        actions: &mut Actions,
    ) {
        if let Some(session) = self.sessions.get_mut(to)
            && session.first_drop(reason)
        {
            actions.note(Note::Dropped {
                client_id: String::from_utf8_lossy(&session.client_id).into_owned(),
                reason,
                topic: topic.to_owned(),
                detail: String::new(),
            });
        }
    }

    /// Sends what waits in a session, as far as the client's window and its out box allow: first what an earlier
    /// connection left unacknowledged, then the queue.
    pub(crate) fn pump(&mut self, to: SessionId, actions: &mut Actions) {
        loop {
            let Some(session) = self.sessions.get_mut(to) else {
                return;
            };
            let Some(id) = session.connection else {
                return;
            };
            if !waits(session) {
                session.catches_up = false;
                release_memory(session);
                return self.watch_recalls(to, actions);
            }
            if actions.outbox(id).backlog() > self.settings.limits.outbox_bytes {
                return self.watch(id, actions);
            }
            if !self.resend_one(to, id, actions) && !self.dequeue_one(to, id, actions) {
                return;
            }
        }
    }

    /// Sends the next unacknowledged delivery again; false when none may be sent.
    fn resend_one(&mut self, to: SessionId, id: ConnectionId, actions: &mut Actions) -> bool {
        let connection = self.connections.get(id).expect("a session's connection is live");
        let window_max = connection.window_max;
        let Some(window) = self
            .sessions
            .get_mut(to)
            .and_then(|session| session.window.as_mut())
        else {
            return false;
        };
        match window.resend(window_max) {
            None => false,
            Some(Resend::Release(number)) => {
                let packet_id = PacketId::new(number).expect("window ids are not 0");
                let ack = Ack {
                    packet_id,
                    reason: ReasonCode::Success,
                    properties: Properties::EMPTY,
                };
                self.send_packet(id, &Packet::PubRel(ack), actions);
                true
            }
            Some(Resend::Publish(number, dup, outgoing)) => {
                let outgoing = outgoing.clone();
                if let Err(reason) = self.send_kept(id, &outgoing, (number, dup), actions) {
                    self.not_sent(to, number, (reason, outgoing.message.topic()), actions);
                }
                true
            }
        }
    }

    /// Sends the oldest message of the queue; false when none may be sent.
    fn dequeue_one(&mut self, to: SessionId, id: ConnectionId, actions: &mut Actions) -> bool {
        let connection = self.connections.get(id).expect("a session's connection is live");
        let window_max = connection.window_max;
        let (is_device, follows) = (connection.wire == Wire::Device, connection.acknowledges());
        let Some(session) = self.sessions.get_mut(to) else {
            return false;
        };
        let Some(front) = session.queue.as_ref().and_then(|queue| queue.front()) else {
            return false;
        };
        if front.message.is_expired(self.now) {
            self.drop_expired(to, actions);
            return true;
        }
        let acknowledged = if is_device {
            follows
        } else {
            front.qos != QoS::AtMostOnce
        };
        if acknowledged && !session.window.get_or_insert_default().has_room(window_max) {
            return false;
        }
        let Some(outgoing) = session.queue.as_mut().and_then(|queue| queue.pop()) else {
            return false;
        };
        let mut number = 0;
        if acknowledged {
            let sent = if is_device {
                followed(outgoing.clone())
            } else {
                outgoing.clone()
            };
            number = session.window.get_or_insert_default().push(sent);
        }
        self.sessions.queued_bytes -= queue::cost(&outgoing);
        self.ease_if_caught_up(to, actions);
        if let Err(reason) = self.send_kept(id, &outgoing, (number, false), actions) {
            self.not_sent(to, number, (reason, outgoing.message.topic()), actions);
        }
        true
    }

    /// A message cannot be sent to this client at all. `number`: 0 when it is not in the window.
    fn not_sent(
        &mut self,
        to: SessionId,
        number: u16,
        (reason, topic): (DropReason, &str),
        actions: &mut Actions,
    ) {
        let session = self.sessions.get_mut(to);
        if let Some(window) = session.and_then(|session| session.window.as_mut())
            && number != 0
        {
            window.forget(number);
        }
        self.dropped(to, reason, topic, actions);
    }

    /// The oldest message of a queue waited for longer than its publisher wants [MQTT-3.3.2-5].
    fn drop_expired(&mut self, to: SessionId, actions: &mut Actions) {
        let session = self.sessions.get_mut(to);
        let Some(outgoing) = session.and_then(|session| session.queue.as_mut()?.pop()) else {
            return;
        };
        self.sessions.queued_bytes -= queue::cost(&outgoing);
        self.ease_if_caught_up(to, actions);
        let topic = outgoing.message.topic().to_owned();
        self.dropped(to, DropReason::Expired, &topic, actions);
    }

    /// Sends a message that waited, if the client takes it.
    fn send_kept(
        &mut self,
        id: ConnectionId,
        outgoing: &Outgoing,
        (packet_id, dup): (u16, bool),
        actions: &mut Actions,
    ) -> Result<(), DropReason> {
        let mut news = News::shared(&outgoing.message, self.now);
        let connection = self.connections.get(id).expect("the caller has looked at it");
        if connection.wire == Wire::Device {
            // What it was sent on an earlier connection it is not known to have been sent.
            return self.send_to_device(id, (packet_id, false), &mut news, actions);
        }
        let shape = Shape {
            qos: outgoing.qos,
            retain: outgoing.retain,
            identifiers: outgoing.identifiers.as_deref().unwrap_or_default(),
            share: None,
        };
        let own = Own {
            packet_id,
            dup,
            said: Said::Plain,
        };
        match self.send_alone(id, (shape, own), &mut news, actions) {
            true => Ok(()),
            false => Err(DropReason::TooLarge),
        }
    }

    /// Sends a frame that no other client gets, its topic by an alias if the client allows that; false when it is larger
    /// than the client takes.
    fn send_alone(
        &mut self,
        id: ConnectionId,
        (shape, mut own): (Shape<'_>, Own),
        news: &mut News<'_>,
        actions: &mut Actions,
    ) -> bool {
        let connection = self.connections.get(id).expect("the caller has looked at it");
        let (wire, size_max) = (connection.wire, connection.packet_size_max as usize);
        let size = frame_size(news, wire, shape);
        if size > size_max {
            return false;
        }
        // Both the alias and a longer length of the properties must fit.
        if connection.alias_max != 0 && size + ALIAS_BYTES_MAX <= size_max {
            own.said = self.say_topic(id, news.topic);
        }
        let outbox = actions.send(id);
        let before = outbox.backlog();
        let reference_bytes = self.settings.limits.reference_bytes;
        let written = write_once(news, wire, (shape, own), reference_bytes, outbox);
        assert!(written, "its size was checked");
        let bytes = outbox.backlog() - before;
        self.count_sent(shape.qos, bytes);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.sent += 1;
        }
        true
    }

    /// How the topic of a packet is said that is written now: aliases are for topics that are longer than what they cost.
    fn say_topic(&mut self, id: ConnectionId, topic: &str) -> Said {
        let hasher = &self.alias_hasher;
        let bytes_max = self.settings.limits.topic_alias_bytes;
        match self.connections.get_mut(id) {
            Some(connection) if topic.len() > ALIAS_BYTES => {
                let aliases = connection.aliases.get_or_insert_default();
                let told = aliases.told.get_or_insert_with(|| Told::new(hasher.clone()));
                told.say(topic, connection.alias_max, bytes_max)
            }
            Some(_) | None => Said::Plain,
        }
    }
}

/// True when a session has something that `pump` could send.
fn waits(session: &Session) -> bool {
    !session.queue_is_empty() || session.window.as_ref().is_some_and(|window| window.unsent() > 0)
}

/// A session in which nothing waits holds no memory for waiting.
fn release_memory(session: &mut Session) {
    session.queue = None;
}

/// A message that a device acknowledges: at least once, whatever QoS it was published with.
fn followed(outgoing: Outgoing) -> Outgoing {
    let qos = QoS::AtLeastOnce;
    Outgoing { qos, ..outgoing }
}

fn outgoing(shape: Shape<'_>, news: &mut News<'_>) -> Outgoing {
    Outgoing {
        message: news.share().clone(),
        qos: shape.qos,
        retain: shape.retain,
        identifiers: (!shape.identifiers.is_empty()).then(|| shape.identifiers.into()),
        share: shape.share.map(|(share, _)| share),
        returns: shape.share.map_or(0, |(_, returns)| returns),
    }
}
