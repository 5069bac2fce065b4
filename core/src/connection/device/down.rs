//! Messages on their way to a device: written by its adapter, and sent again until it acknowledges them, where its protocol
//! has acknowledgements.
//!
//! Such messages go through the session's window like QoS 1 ones of an MQTT client, whatever QoS they were published
//! with; their number is the packet id. An MQTT client is sent nothing twice on one connection, a device is: many of
//! them listen only now and then.

use crate::connection::{Connection, Wire};
use crate::session::frame::News;
use crate::session::window::Outgoing;
use crate::timers::Timer;
use crate::wheel::TimerId;
use crate::{Actions, CloseReason, ConnectionId, DropReason, Engine, Note, SessionId, Time};
use ringwire_codec::adapter::{Down, Tail, Undeliverable};
use std::collections::VecDeque;

/// What was sent to a device and is not acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Unacknowledged {
    /// In the order of their last sending.
    sent: VecDeque<Sending>,
    timer: Option<TimerId>,
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    number: u16,
    at: Time,
    times: u16,
}

impl Connection {
    /// Messages to it wait for its acknowledgement, though it speaks no MQTT.
    pub(crate) fn acknowledges(&self) -> bool {
        self.wire == Wire::Device && self.window_max > 0
    }
}

impl Engine {
    /// Has a device's adapter write a message. `number`: 0 when no acknowledgement is waited for. An error: nothing was
    /// written, and the caller says so; the connection may be closed for it.
    pub(crate) fn send_to_device(
        &mut self,
        id: ConnectionId,
        (number, again): (u16, bool),
        news: &mut News<'_>,
        actions: &mut Actions,
    ) -> Result<(), DropReason> {
        let connection = self.connections.get(id).expect("the caller has looked at it");
        let speech = connection.speech.expect("a device speaks with an adapter");
        let outbox = actions.send(id);
        let before = (outbox.buffer.len(), outbox.backlog());
        let down = Down {
            topic: news.topic,
            payload: news.payload,
            number,
            again,
        };
        let mut is_settled = number == 0;
        let session = connection.session;
        let adapter = &mut self.adapters.of(speech).adapter;
        match adapter.deliver(speech.link, &down, &mut outbox.buffer) {
            Ok(Tail::Nothing) => {}
            Ok(Tail::Settled) => is_settled = true,
            Ok(Tail::Payload) if news.payload.len() >= self.settings.limits.reference_bytes => {
                outbox.refer(news.share().clone());
            }
            Ok(Tail::Payload) => outbox.buffer.extend_from_slice(news.payload),
            Err(error) => {
                outbox.buffer.truncate(before.0);
                return Err(self.undeliverable(id, &error, news.topic, actions));
            }
        }
        let bytes = outbox.backlog() - before.1;
        self.count_sent(news.qos, bytes);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.sent += 1;
        }
        match (is_settled, session) {
            (true, None) => {}
            (true, Some(session)) => self.end_delivery(session, number),
            (false, _) => self.follow_up(id, number, 1),
        }
        Ok(())
    }

    #[cold]
    fn undeliverable(
        &mut self,
        id: ConnectionId,
        error: &Undeliverable,
        topic: &str,
        actions: &mut Actions,
    ) -> DropReason {
        match error {
            Undeliverable::TooLarge { .. } => DropReason::TooLarge,
            Undeliverable::Invalid(what) => {
                self.note_unencodable(id, what, topic, actions);
                DropReason::Unencodable
            }
            Undeliverable::Failed(_) => {
                self.close(id, CloseReason::AdapterFailed, error.to_string(), actions);
                DropReason::Unencodable
            }
        }
    }

    /// Tells the operator what is wrong with the first message of a session that cannot be written; the drop itself is then
    /// no news.
    fn note_unencodable(&mut self, id: ConnectionId, what: &str, topic: &str, actions: &mut Actions) {
        let session = self.connections.get(id).and_then(|connection| connection.session);
        if let Some(session) = session.and_then(|session| self.sessions.get_mut(session))
            && session.first_drop(DropReason::Unencodable)
        {
            actions.note(Note::Dropped {
                client_id: String::from_utf8_lossy(&session.client_id).into_owned(),
                reason: DropReason::Unencodable,
                topic: topic.to_owned(),
                detail: what.to_owned(),
            });
        }
    }

    /// A message waits for its acknowledgement from now on.
    fn follow_up(&mut self, id: ConnectionId, number: u16, times: u16) {
        let at = self.now;
        if self.connections.get(id).is_none() {
            return;
        }
        let waits = self.unacknowledged.entry(id).or_default();
        waits.sent.push_back(Sending { number, at, times });
        if waits.timer.is_none() {
            self.arm_retry(id);
        }
    }

    /// Sets the timer for the message that was sent longest ago.
    fn arm_retry(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let interval_ms = self.device_settings(connection).retry_interval_ms;
        let Some(waits) = self.unacknowledged.get_mut(&id) else {
            return;
        };
        let older = waits.timer.take();
        if let Some(first) = waits.sent.front() {
            let due = first.at + interval_ms;
            waits.timer = Some(self.timers.insert(due, Timer::Unacknowledged(id)));
        }
        self.disarm(older);
    }

    /// A device has a message. A number that no message has is of no consequence: the device may acknowledge twice.
    pub(super) fn acknowledged_by_device(&mut self, id: ConnectionId, number: u16, actions: &mut Actions) {
        if self.forget_sending(id, number)
            && let Some(session) = self.connections.get(id).and_then(|connection| connection.session)
        {
            self.end_delivery(session, number);
            self.pump(session, actions);
        }
    }

    /// True when it was waited for.
    fn forget_sending(&mut self, id: ConnectionId, number: u16) -> bool {
        let Some(waits) = self.unacknowledged.get_mut(&id) else {
            return false;
        };
        let Some(at) = waits.sent.iter().position(|sending| sending.number == number) else {
            return false;
        };
        waits.sent.remove(at);
        if waits.sent.is_empty() {
            self.forget_unacknowledged(id);
        }
        true
    }

    /// Nothing is waited for any more, or the connection is over.
    pub(crate) fn forget_unacknowledged(&mut self, id: ConnectionId) {
        let waits = self.unacknowledged.remove(&id);
        self.disarm(waits.and_then(|waits| waits.timer));
    }

    /// A message is delivered, or given up. Nothing happens for number 0.
    fn end_delivery(&mut self, session: SessionId, number: u16) {
        let session = self.sessions.get_mut(session);
        if let Some(window) = session.and_then(|session| session.window.as_mut()) {
            window.forget(number);
        }
    }

    /// Messages were not acknowledged in time: sent again, or given up.
    pub(crate) fn unacknowledged_due(&mut self, id: ConnectionId, actions: &mut Actions) {
        let waits = self.unacknowledged.get_mut(&id);
        waits.expect("timers of closed connections are cleared").timer = None;
        while let Some(sending) = self.next_due(id) {
            self.send_again(id, sending, actions);
        }
        self.arm_retry(id);
        if let Some(session) = self.connections.get(id).and_then(|connection| connection.session) {
            self.pump(session, actions);
        }
    }

    /// Takes out a message that was sent long enough ago.
    fn next_due(&mut self, id: ConnectionId) -> Option<Sending> {
        let connection = self.connections.get(id)?;
        let interval_ms = self.device_settings(connection).retry_interval_ms;
        let waits = self.unacknowledged.get_mut(&id)?;
        let is_due = self.now.millis_since(waits.sent.front()?.at) >= interval_ms;
        is_due.then(|| waits.sent.pop_front()).flatten()
    }

    fn send_again(&mut self, id: ConnectionId, sending: Sending, actions: &mut Actions) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let (Some(session), retry_max) = (connection.session, self.device_settings(connection).retry_max)
        else {
            return;
        };
        let Sending { number, times, .. } = sending;
        let Some(outgoing) = self.delivery(session, number) else {
            return;
        };
        if times > u16::from(retry_max) {
            return self.give_up(session, number, (DropReason::NotAcknowledged, &outgoing), actions);
        }
        let is_full = actions.outbox(id).backlog() > self.settings.limits.outbox_bytes;
        if is_full {
            // It reads nothing: once more would only fill its out box. That counts as a time.
            return self.follow_up(id, number, times + 1);
        }
        let mut news = News::shared(&outgoing.message, self.now);
        match self.send_to_device(id, (number, true), &mut news, actions) {
            Ok(()) => self.count_time(id, times + 1),
            Err(reason) => self.give_up(session, number, (reason, &outgoing), actions),
        }
    }

    /// What was just sent was sent before.
    fn count_time(&mut self, id: ConnectionId, times: u16) {
        let waits = self.unacknowledged.get_mut(&id);
        if let Some(sending) = waits.and_then(|waits| waits.sent.back_mut()) {
            sending.times = times;
        }
    }

    /// The message with a number, as it stands in the session's window.
    fn delivery(&self, session: SessionId, number: u16) -> Option<Outgoing> {
        let window = self.sessions.get(session)?.window.as_ref()?;
        window.published(number).cloned()
    }

    fn give_up(
        &mut self,
        session: SessionId,
        number: u16,
        (reason, outgoing): (DropReason, &Outgoing),
        actions: &mut Actions,
    ) {
        self.end_delivery(session, number);
        let topic = outgoing.message.topic().to_owned();
        self.dropped(session, reason, &topic, actions);
    }
}
