//! Position reports: 28 bytes that are always the same, and additional items behind them.
//!
//! An item is an id, a length and so many bytes. Known ones have a name, others are base64 under their number, those for
//! manufacturers below `custome`. One that comes twice counts the second time, as there is only one member of a name. From
//! the first on that goes on behind the end all are base64 in `extra_data`.

use super::json::Json;
use super::layout::Part;
use super::layout::Part::{Bcd, Number};
use super::layout::Width::{Byte, Dword, Word};
use super::up::Reader;

/// Of a report without additional items.
pub(super) const BYTES: usize = 28;

pub(super) const BASE: [Part; 8] = [
    Number(Dword, "alarm"),
    Number(Dword, "status"),
    Number(Dword, "latitude"),
    Number(Dword, "longitude"),
    Number(Word, "altitude"),
    Number(Word, "speed"),
    Number(Word, "direction"),
    Bcd(6, "time"),
];

/// From the lowest bit on. EMQX's names, also where they are misspelt.
const SIGNALS: [&str; 15] = [
    "low_beam",
    "high_beam",
    "right_turn",
    "left_turn",
    "brake",
    "reverse",
    "fog",
    "side_marker",
    "horn",
    "air_conditioner",
    "neutral",
    "retarder",
    "abs",
    "heater",
    "cluth",
];

/// The first id of those for manufacturers.
const CUSTOM: u8 = 0xe0;

/// Writes the members of the report that `body` is, to its end.
pub(super) fn read(mut body: Reader<'_>, json: &mut Json<'_>) -> Option<()> {
    body.members(&BASE, json)?;
    if body.rest.is_empty() {
        return Some(());
    }
    let items = Items::find(body.rest);
    json.open_named("extra", b'{');
    for id in 0..CUSTOM {
        if let Some(bytes) = items.of(id) {
            item(id, body.with(bytes), json);
        }
    }
    items.custom(json);
    json.close(b'}');
    if !items.behind.is_empty() {
        json.base64("extra_data", items.behind);
    }
    Some(())
}

/// Where each item is.
struct Items<'a> {
    bytes: &'a [u8],
    /// By id: the place of its length, which is never 0.
    places: [usize; 256],
    has_custom: bool,
    /// What is no whole item.
    behind: &'a [u8],
}

impl<'a> Items<'a> {
    fn find(bytes: &'a [u8]) -> Self {
        let mut items = Self {
            bytes,
            places: [0; 256],
            has_custom: false,
            behind: bytes,
        };
        while let [id, size, rest @ ..] = items.behind {
            let Some(behind) = rest.get(usize::from(*size)..) else {
                break;
            };
            let place = bytes.len() - items.behind.len() + 1;
            items.places[usize::from(*id)] = place;
            items.has_custom |= *id >= CUSTOM;
            items.behind = behind;
        }
        items
    }

    fn of(&self, id: u8) -> Option<&'a [u8]> {
        let place = self.places[usize::from(id)];
        if place == 0 {
            return None;
        }
        let size = usize::from(self.bytes[place]);
        Some(&self.bytes[place + 1..place + 1 + size])
    }

    fn custom(&self, json: &mut Json<'_>) {
        if !self.has_custom {
            return;
        }
        json.open_named("custome", b'{');
        for id in CUSTOM..=u8::MAX {
            if let Some(bytes) = self.of(id) {
                json.base64(&id.to_string(), bytes);
            }
        }
        json.close(b'}');
    }
}

/// Writes one item, by its name if it is what it should be.
pub(super) fn item(id: u8, bytes: Reader<'_>, json: &mut Json<'_>) {
    let start = json.position();
    let mut reader = bytes.clone();
    if known(id, &mut reader, json).is_none() || !reader.rest.is_empty() {
        json.back(start);
        json.base64(&id.to_string(), bytes.rest);
    }
}

fn known(id: u8, reader: &mut Reader<'_>, json: &mut Json<'_>) -> Option<()> {
    let is_2019 = reader.party.is_2019();
    match id {
        0x01 => json.numbered("mileage", reader.number(Dword)?),
        0x02 => json.numbered("fuel_meter", reader.number(Word)?),
        0x03 => json.numbered("speed", reader.number(Word)?),
        0x04 => json.numbered("alarm_id", reader.number(Word)?),
        0x05 if is_2019 => json.base64("tire_pressure", std::mem::take(&mut reader.rest)),
        0x06 if is_2019 => json.numbered("carriage_temp", reader.number(Word)? as u16 as i16),
        0x11 => nested("overspeed_alarm", overspeed(reader.rest.len())?, reader, json)?,
        0x12 => nested(
            "in_out_alarm",
            &[
                Number(Byte, "type"),
                Number(Dword, "id"),
                Number(Byte, "direction"),
            ],
            reader,
            json,
        )?,
        0x13 => nested(
            "path_time_alarm",
            &[Number(Dword, "id"), Number(Word, "time"), Number(Byte, "result")],
            reader,
            json,
        )?,
        0x25 => bits("signal", &SIGNALS, reader.number(Dword)?, json),
        0x2a => bits("io_status", &["deep_sleep", "sleep"], reader.number(Word)?, json),
        0x2b => nested(
            "analog",
            &[Number(Word, "ad1"), Number(Word, "ad0")],
            reader,
            json,
        )?,
        0x30 => json.numbered("rssi", reader.number(Byte)?),
        0x31 => json.numbered("gnss_sat_num", reader.number(Byte)?),
        _unknown => return None,
    }
    Some(())
}

fn overspeed(size: usize) -> Option<&'static [Part]> {
    match size {
        1 => Some(&[Number(Byte, "type")]),
        5 => Some(&[Number(Byte, "type"), Number(Dword, "id")]),
        _ => None,
    }
}

fn nested(name: &str, layout: &[Part], reader: &mut Reader<'_>, json: &mut Json<'_>) -> Option<()> {
    json.open_named(name, b'{');
    reader.members(layout, json)?;
    json.close(b'}');
    Some(())
}

fn bits(name: &str, names: &[&str], bits: u32, json: &mut Json<'_>) {
    json.open_named(name, b'{');
    for (bit, name) in names.iter().enumerate() {
        json.numbered(name, bits >> bit & 1);
    }
    json.close(b'}');
}
