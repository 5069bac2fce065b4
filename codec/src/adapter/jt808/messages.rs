//! Every message that has members in JSON, as a table: its id, its layout, and how it is answered.
//!
//! Names, and what is a number or text, are EMQX's. Where EMQX's gateway and the standard disagree on bytes, these are the
//! standard's (`docs/decisions/0015-jt808.md` lists where). The order of the parts is the wire's.

use super::layout::Part::{self, *};
use super::layout::Width::{Byte, Dword, Word};

/// Messages of a device; `None`: unknown.
pub(super) fn up(id: u16, is_2019: bool) -> Option<&'static [Part]> {
    let layout: &'static [Part] = match id {
        0x0004 => &[],
        0x0005 => &[
            Number(Word, "seq"),
            Count(Word, "count", "ids"),
            Numbers(Word, "ids"),
        ],
        0x0104 => &[
            Number(Word, "seq"),
            Count(Byte, "length", "params"),
            Parameters("params"),
        ],
        0x0107 if is_2019 => &ATTRIBUTES_2019,
        0x0107 => &ATTRIBUTES,
        0x0108 => &[Number(Byte, "type"), Number(Byte, "result")],
        0x0200 => &[OwnPosition],
        0x0201 => &[Number(Word, "seq"), Position("params")],
        0x0301 => &[Number(Byte, "id")],
        0x0302 => &[Number(Word, "seq"), Number(Byte, "id")],
        0x0303 => &[Number(Byte, "id"), Number(Byte, "flag")],
        0x0500 => &[Number(Word, "seq"), Position("location")],
        0x0608 => &[Number(Byte, "type"), Number(Dword, "count"), Data("data")],
        0x0700 => &[Number(Word, "seq"), Number(Byte, "command"), Data("data")],
        0x0701 | 0x0901 => &[Number(Dword, "length"), Data("data")],
        0x0702 => &DRIVER,
        0x0704 => &[
            Count(Word, "length", "location"),
            Number(Byte, "type"),
            List("location", &[SizedPosition]),
        ],
        0x0705 => &[
            Count(Word, "length", "can_data"),
            Bcd(5, "time"),
            List("can_data", &[CanId, Bytes(8, "data")]),
        ],
        0x0800 => &MEDIA_EVENT,
        0x0801 => &MEDIA,
        0x0802 => &[
            Number(Word, "seq"),
            Count(Word, "length", "result"),
            List("result", &FOUND_MEDIA),
        ],
        0x0805 => &[
            Number(Word, "seq"),
            Number(Byte, "result"),
            If("ids", &[Count(Word, "length", "ids"), Numbers(Dword, "ids")]),
        ],
        0x0900 => &[Number(Byte, "type"), Data("data")],
        0x0a00 => &KEY,
        _ => return None,
    };
    Some(layout)
}

/// Messages for a device; `None`: unknown.
pub(super) fn down(id: u16, is_2019: bool) -> Option<&'static [Part]> {
    let layout: &'static [Part] = match id {
        0x8001 => &[Number(Word, "seq"), Number(Word, "id"), Number(Byte, "result")],
        0x8003 if is_2019 => &[
            Number(Word, "seq"),
            Count(Word, "length", "ids"),
            Numbers(Word, "ids"),
        ],
        0x8003 => &[
            Number(Word, "seq"),
            Count(Byte, "length", "ids"),
            Numbers(Word, "ids"),
        ],
        0x8004 => &[Bcd(6, "time")],
        0x8100 => &[
            Number(Word, "seq"),
            Number(Byte, "result"),
            If("auth_code", &[Text("auth_code")]),
        ],
        0x8103 => &[Count(Byte, "length", "params"), Parameters("params")],
        0x8104 | 0x8107 | 0x8201 | 0x8204 | 0x8702 => &[],
        0x8105 => &[Number(Byte, "command"), If("param", &[Text("param")])],
        0x8106 => &IDS,
        0x8108 => &[
            Number(Byte, "type"),
            Fixed(5, "manufacturer"),
            Sized(Byte, "version"),
            SizedData(Dword, "firmware"),
        ],
        0x8202 => &[Number(Word, "period"), If("expiry", &[Number(Dword, "expiry")])],
        0x8203 => &[Number(Word, "seq"), Number(Dword, "type")],
        0x8300..=0x8499 => return communication(id, is_2019),
        0x8500 if is_2019 => &[
            Count(Word, "count", "controls"),
            List("controls", &[Number(Word, "id"), Control("param")]),
        ],
        0x8500 => &[Number(Byte, "flag")],
        0x8600..=0x8699 => return area(id, is_2019),
        0x8700 | 0x8701 => &[Number(Byte, "command"), Data("param")],
        0x8800..=0x8899 => return media(id),
        0x8900 => &[Number(Byte, "type"), Data("data")],
        0x8a00 => &KEY,
        _ => return None,
    };
    Some(layout)
}

/// Texts, questions, menus and telephone numbers.
fn communication(id: u16, is_2019: bool) -> Option<&'static [Part]> {
    let layout: &'static [Part] = match id {
        0x8300 if is_2019 => &[Number(Byte, "flag"), NumberOr(Byte, "text_type", 1), Text("text")],
        0x8300 => &[Number(Byte, "flag"), Text("text")],
        0x8301 => &[
            Number(Byte, "type"),
            If(
                "events",
                &[
                    Count(Byte, "length", "events"),
                    List("events", &[Number(Byte, "id"), Sized(Byte, "content")]),
                ],
            ),
        ],
        0x8302 => &[
            Number(Byte, "flag"),
            Sized(Byte, "question"),
            ListToEnd("answers", &[Number(Byte, "id"), Sized(Word, "answer")]),
        ],
        0x8303 => &[
            Number(Byte, "type"),
            If(
                "menus",
                &[
                    Count(Byte, "length", "menus"),
                    List("menus", &[Number(Byte, "type"), Sized(Word, "info")]),
                ],
            ),
        ],
        0x8304 => &[Number(Byte, "type"), Sized(Word, "info")],
        0x8400 => &[Number(Byte, "type"), Text("phone")],
        0x8401 => &[
            Number(Byte, "type"),
            If(
                "contacts",
                &[
                    Count(Byte, "length", "contacts"),
                    List(
                        "contacts",
                        &[Number(Byte, "type"), Sized(Byte, "phone"), Sized(Byte, "name")],
                    ),
                ],
            ),
        ],
        _ => return None,
    };
    Some(layout)
}

/// Areas and routes.
fn area(id: u16, is_2019: bool) -> Option<&'static [Part]> {
    let layout: &'static [Part] = match (id, is_2019) {
        (0x8600, false) => &[Number(Byte, "type"), AREAS, List("areas", &CIRCLE)],
        (0x8600, true) => &[Number(Byte, "type"), AREAS, List("areas", &CIRCLE_2019)],
        (0x8602, false) => &[Number(Byte, "type"), AREAS, List("areas", &CORNERS)],
        (0x8602, true) => &[Number(Byte, "type"), AREAS, List("areas", &CORNERS_2019)],
        (0x8604, false) => &POLYGON,
        (0x8604, true) => &POLYGON_2019,
        (0x8606, false) => &ROUTE,
        (0x8606, true) => &ROUTE_2019,
        (0x8601 | 0x8603 | 0x8605 | 0x8607, _) => &IDS,
        (0x8608, _) => &[
            Number(Byte, "type"),
            Count(Dword, "count", "ids"),
            Numbers(Dword, "ids"),
        ],
        _ => return None,
    };
    Some(layout)
}

/// Pictures, sound and film.
fn media(id: u16) -> Option<&'static [Part]> {
    let layout: &'static [Part] = match id {
        0x8800 => &[
            Number(Dword, "mm_id"),
            If(
                "retx_ids",
                &[Count(Byte, "length", "retx_ids"), Numbers(Word, "retx_ids")],
            ),
        ],
        0x8801 => &[
            Number(Byte, "channel_id"),
            Number(Word, "command"),
            Number(Word, "period"),
            Number(Byte, "save"),
            Number(Byte, "resolution"),
            Number(Byte, "quality"),
            Number(Byte, "bright"),
            Number(Byte, "contrast"),
            Number(Byte, "saturate"),
            Number(Byte, "chromaticity"),
        ],
        0x8802 => &[
            Number(Byte, "type"),
            Number(Byte, "channel"),
            Number(Byte, "event"),
            Bcd(6, "start_time"),
            Bcd(6, "end_time"),
        ],
        0x8803 => &[
            Number(Byte, "type"),
            Number(Byte, "channel"),
            Number(Byte, "event"),
            Bcd(6, "start_time"),
            Bcd(6, "end_time"),
            Number(Byte, "delete"),
        ],
        0x8804 => &[
            Number(Byte, "command"),
            Number(Word, "time"),
            Number(Byte, "save"),
            Number(Byte, "rate"),
        ],
        0x8805 => &[Number(Dword, "id"), Number(Byte, "flag")],
        _ => return None,
    };
    Some(layout)
}

const IDS: [Part; 2] = [Count(Byte, "length", "ids"), Numbers(Dword, "ids")];
const KEY: [Part; 2] = [Number(Dword, "e"), Bytes(128, "n")];
const POINT: [Part; 2] = [Number(Dword, "lat"), Number(Dword, "lng")];

const TIMES: Part = If("start_time", &[Bcd(6, "start_time"), Bcd(6, "end_time")]);
const SPEED: Part = If(
    "max_speed",
    &[Number(Word, "max_speed"), Number(Byte, "overspeed_duration")],
);
/// Goes with `SPEED`; JSON of EMQX may leave it out.
const NIGHT: Part = If("max_speed", &[NumberOr(Word, "night_max_speed", 0)]);
const NAME: Part = SizedOr(Word, "name");
const PASSING: Part = If("passed", &[Number(Word, "passed"), Number(Word, "uncovered")]);

const AREAS: Part = Count(Byte, "length", "areas");
const POINTS: Part = Count(Word, "length", "points");

const CIRCLE: [Part; 7] = [
    Number(Dword, "id"),
    Number(Word, "flag"),
    Number(Dword, "center_latitude"),
    Number(Dword, "center_longitude"),
    Number(Dword, "radius"),
    TIMES,
    SPEED,
];
const CIRCLE_2019: [Part; 9] = behind(CIRCLE, [NIGHT, NAME]);

const CORNERS: [Part; 8] = [
    Number(Dword, "id"),
    Number(Word, "flag"),
    Number(Dword, "lt_lat"),
    Number(Dword, "lt_lng"),
    Number(Dword, "rb_lat"),
    Number(Dword, "rb_lng"),
    TIMES,
    SPEED,
];
const CORNERS_2019: [Part; 10] = behind(CORNERS, [NIGHT, NAME]);

const POLYGON: [Part; 6] = [
    Number(Dword, "id"),
    Number(Word, "flag"),
    TIMES,
    SPEED,
    POINTS,
    List("points", &POINT),
];
const POLYGON_2019: [Part; 8] = behind(POLYGON, [NIGHT, NAME]);

const TURN: [Part; 8] = [
    Number(Dword, "point_id"),
    Number(Dword, "path_id"),
    Number(Dword, "point_lat"),
    Number(Dword, "point_lng"),
    Number(Byte, "width"),
    Number(Byte, "attrib"),
    PASSING,
    SPEED,
];
const TURN_2019: [Part; 9] = behind(TURN, [NIGHT]);

const ROUTE: [Part; 5] = [
    Number(Dword, "id"),
    Number(Word, "flag"),
    TIMES,
    POINTS,
    List("points", &TURN),
];
const ROUTE_2019: [Part; 6] = [
    ROUTE[0],
    ROUTE[1],
    TIMES,
    POINTS,
    List("points", &TURN_2019),
    NAME,
];

/// What 2019 has behind a layout of 2013.
const fn behind<const A: usize, const B: usize, const C: usize>(
    front: [Part; A],
    more: [Part; B],
) -> [Part; C] {
    assert!(A + B == C);
    let mut all = [front[0]; C];
    let mut at = 0;
    while at < C {
        all[at] = if at < A { front[at] } else { more[at - A] };
        at += 1;
    }
    all
}

const ATTRIBUTES: [Part; 9] = [
    Number(Word, "type"),
    Fixed(5, "manufacturer"),
    Fixed(20, "model"),
    Fixed(7, "id"),
    Bcd(10, "iccid"),
    Sized(Byte, "hardware_version"),
    Sized(Byte, "firmware_version"),
    Number(Byte, "gnss_prop"),
    Number(Byte, "comm_prop"),
];

const ATTRIBUTES_2019: [Part; 9] = [
    ATTRIBUTES[0],
    ATTRIBUTES[1],
    Fixed(30, "model"),
    Fixed(30, "id"),
    ATTRIBUTES[4],
    ATTRIBUTES[5],
    ATTRIBUTES[6],
    ATTRIBUTES[7],
    ATTRIBUTES[8],
];

const DRIVER: [Part; 3] = [
    Number(Byte, "status"),
    Bcd(6, "time"),
    If(
        "ic_result",
        &[
            Number(Byte, "ic_result"),
            If(
                "driver_name",
                &[
                    Sized(Byte, "driver_name"),
                    Fixed(20, "certificate"),
                    Sized(Byte, "organization"),
                    Bcd(4, "cert_expiry"),
                    // Since 2019.
                    If("id_card", &[Fixed(20, "id_card")]),
                ],
            ),
        ],
    ),
];

const MEDIA_EVENT: [Part; 5] = [
    Number(Dword, "id"),
    Number(Byte, "type"),
    Number(Byte, "format"),
    Number(Byte, "event"),
    Number(Byte, "channel"),
];

const MEDIA: [Part; 7] = [
    MEDIA_EVENT[0],
    MEDIA_EVENT[1],
    MEDIA_EVENT[2],
    MEDIA_EVENT[3],
    MEDIA_EVENT[4],
    ShortPosition("location"),
    Data("multimedia"),
];

const FOUND_MEDIA: [Part; 5] = [
    Number(Dword, "id"),
    Number(Byte, "type"),
    Number(Byte, "channel"),
    Number(Byte, "event"),
    ShortPosition("location"),
];

/// How a device says that it has a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// It does not.
    Never,
    /// With the general answer 0x0001.
    Generally,
    /// With that, or with this message, which begins with the serial number.
    BySerial(u16),
    /// With that, or with this message, which does not say to what it belongs.
    ByMessage(u16),
}

/// How a device says that it has the message `id`.
pub(super) fn acknowledged(id: u16) -> Acknowledged {
    match id {
        0x8001 | 0x8003 | 0x8004 | 0x8100 | 0x8800 | 0x8a00 => Acknowledged::Never,
        0x8104 | 0x8106 => Acknowledged::BySerial(0x0104),
        0x8107 => Acknowledged::ByMessage(0x0107),
        0x8108 => Acknowledged::ByMessage(0x0108),
        0x8201 => Acknowledged::BySerial(0x0201),
        0x8302 => Acknowledged::BySerial(0x0302),
        0x8500 => Acknowledged::BySerial(0x0500),
        0x8608 => Acknowledged::ByMessage(0x0608),
        0x8700 => Acknowledged::BySerial(0x0700),
        0x8702 => Acknowledged::ByMessage(0x0702),
        0x8801 => Acknowledged::BySerial(0x0805),
        0x8802 | 0x8805 => Acknowledged::BySerial(0x0802),
        _ => Acknowledged::Generally,
    }
}

/// Whether a device waits for the general answer to its message `id`: not when that is itself an answer.
pub(super) fn wants_answer(id: u16) -> bool {
    !matches!(
        id,
        0x0001 | 0x0005 | 0x0104 | 0x0107 | 0x0201 | 0x0302 | 0x0500 | 0x0608 | 0x0700 | 0x0802 | 0x0805
    )
}
