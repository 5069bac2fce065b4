//! What a CONNACK of 5.0 says, for cases about one of its properties.
//!
//! A property's value is left as bytes; only its size is known here, so that the next one can be found.

use crate::notation::show;

/// A CONNACK that is taken apart.
#[derive(Debug)]
pub struct ConnAck {
    /// The Connect Acknowledge Flags.
    pub flags: u8,
    /// The reason code.
    pub reason: u8,
    properties: Vec<(u8, Vec<u8>)>,
}

impl ConnAck {
    /// Takes it apart; its lengths must agree, and no property may stand there twice but User Property.
    #[track_caller]
    pub fn of(packet: &[u8]) -> Self {
        // All that a server here sends is shorter than 128 bytes.
        let whole = packet[0] == 0x20 && usize::from(packet[1]) + 2 == packet.len();
        assert!(
            whole && usize::from(packet[4]) + 5 == packet.len(),
            "{}",
            show(packet)
        );
        let mut connack = Self {
            flags: packet[2],
            reason: packet[3],
            properties: Vec::new(),
        };
        let mut rest = &packet[5..];
        while let Some((&id, value)) = rest.split_first() {
            let size = size(id, value).unwrap_or_else(|| panic!("property {id:02X} in {}", show(packet)));
            let once = id == 0x26 || connack.property(id).is_none();
            assert!(once, "property {id:02X} twice in {}", show(packet));
            connack.properties.push((id, value[..size].to_vec()));
            rest = &value[size..];
        }
        connack
    }

    /// The value of a property, a string's without its length.
    pub fn property(&self, id: u8) -> Option<&[u8]> {
        let (_, value) = self.properties.iter().find(|(property, _)| *property == id)?;
        match id {
            0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => value.get(2..),
            _ => Some(value),
        }
    }

    /// The Assigned Client Identifier.
    #[track_caller]
    pub fn assigned(&self) -> String {
        let id = self.property(0x12).expect("an Assigned Client Identifier");
        assert!(!id.is_empty(), "an id is not empty");
        String::from_utf8(id.to_vec()).expect("UTF-8")
    }

    /// The identifiers of its properties, in their order.
    pub fn identifiers(&self) -> Vec<u8> {
        self.properties.iter().map(|(id, _)| *id).collect()
    }
}

/// Bytes of a property's value; `None` for one that CONNACK cannot have, or that is cut short.
fn size(id: u8, value: &[u8]) -> Option<usize> {
    let field = |at: usize| Some(2 + usize::from(u16::from_be_bytes([*value.get(at)?, *value.get(at + 1)?])));
    let size = match id {
        0x24 | 0x25 | 0x28 | 0x29 | 0x2A => 1,
        0x13 | 0x21 | 0x22 => 2,
        0x11 | 0x27 => 4,
        0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => field(0)?,
        0x26 => field(0)? + field(field(0)?)?,
        _ => return None,
    };
    (size <= value.len()).then_some(size)
}
