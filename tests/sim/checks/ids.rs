//! Checks of packet identifiers and of the window, made by a client while it runs: an identifier is never zero, never in
//! use twice, and no more are in use than the client takes (5.0 sections 2.2.1 and 4.9).

use super::Failure;
use std::collections::BTreeMap;

/// The identifiers that a server has in use towards one client.
#[derive(Clone, Debug, Default)]
pub struct PacketIds {
    /// The identifier, and the payload that was sent with it.
    in_use: BTreeMap<u16, Use>,
}

#[derive(Clone, Debug)]
struct Use {
    payload: Vec<u8>,
    /// PUBREC was sent: the message is the client's, PUBREL comes next.
    received: bool,
    /// Seen on the present connection.
    seen: bool,
}

impl PacketIds {
    /// A PUBLISH at QoS 1 or 2 arrived. True: the message is new; false: it is one that was received and comes again.
    pub fn publish(&mut self, id: u16, payload: &[u8], dup: bool, window: usize) -> Result<bool, Failure> {
        let fail = |text: String| Err(Failure::new("packet_id_rules", text));
        if id == 0 {
            return fail("a PUBLISH carries packet identifier 0".to_owned());
        }
        if let Some(known) = self.in_use.get_mut(&id) {
            if known.seen || !dup || known.payload != payload {
                return fail(format!(
                    "packet identifier {id} is used again while it is in use (dup {dup})"
                ));
            }
            known.seen = true;
            return Ok(!known.received);
        }
        self.in_use.insert(
            id,
            Use {
                payload: payload.to_vec(),
                received: false,
                seen: true,
            },
        );
        let open = self.in_use.values().filter(|entry| entry.seen).count();
        if open > window {
            return Err(Failure::new(
                "window_is_kept",
                format!("{open} publishes in flight, receive maximum {window}"),
            ));
        }
        Ok(true)
    }

    /// PUBREC was sent.
    pub fn received(&mut self, id: u16) {
        if let Some(entry) = self.in_use.get_mut(&id) {
            entry.received = true;
        }
    }

    /// A PUBREL arrived: only for what was received with PUBREC, or on a resumed session.
    pub fn release(&mut self, id: u16, resumed: bool) -> Result<(), Failure> {
        match self.in_use.get(&id) {
            Some(entry) if entry.received => Ok(()),
            None if resumed => Ok(()),
            Some(_) | None => Err(Failure::new(
                "packet_id_rules",
                format!("PUBREL {id}, which was not received"),
            )),
        }
    }

    /// PUBACK or PUBCOMP was sent.
    pub fn done(&mut self, id: u16) {
        self.in_use.remove(&id);
    }

    /// The connection is gone: what was not received comes again.
    pub fn lose(&mut self) {
        self.in_use.retain(|_, entry| entry.received);
        self.in_use.values_mut().for_each(|entry| entry.seen = false);
    }

    /// Nothing is in use.
    pub fn is_empty(&self) -> bool {
        self.in_use.is_empty()
    }
}
