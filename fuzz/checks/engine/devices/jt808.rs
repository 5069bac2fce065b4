//! JT/T 808 terminals, by the frames of the tests' own terminal.

#[path = "../../../../codec/tests/terminal/mod.rs"]
pub mod terminal;

use super::super::packets::body;
use super::super::script::Script;
use terminal::{Frame, position};

/// Phone numbers, which are client ids.
pub const PHONES: [&str; 3] = ["013900000001", "013900000002", "013900000003"];

/// Ids that have a layout, or do something.
const IDS: [u16; 12] = [
    0x0001, 0x0002, 0x0104, 0x0107, 0x0201, 0x0301, 0x0608, 0x0702, 0x0704, 0x0800, 0x0805, 0xe000,
];

/// Frames of a terminal: one, or the packages of a long message.
pub fn frame(script: &mut Script<'_>, is_connected: bool) -> Vec<u8> {
    let phone = script.below(PHONES.len());
    let what = script.below(16);
    let (id, content) = match what {
        0 => (0x0003, Vec::new()),
        _ if !is_connected || what == 1 => greeting(script, phone),
        2 => (0x0002, Vec::new()),
        3 | 4 => (0x0001, vec![0, script.below(6) as u8, 0x83, 0, 0]),
        5 => (0x0900, body(script)),
        6 => (script.pick(&IDS), body(script)),
        7 => (0x0801, [[0; 36].to_vec(), body(script)].concat()),
        _ => (0x0200, position()),
    };
    let mut whole = Frame::new(id, u16::from(script.byte()), &content);
    whole.phone = vec![0x01, 0x39, 0, 0, 0, phone as u8 + 1];
    let is_long = content.len() > 1_023 || (id == 0x0801 && script.one_in(2));
    let mut packages = match is_long {
        true => whole.packages(script.pick(&[1_000, 1_000, 60])),
        false => vec![whole],
    };
    // A package is lost; one of a message that is whole is nothing.
    if is_long && script.one_in(3) {
        let lost = script.below(packages.len());
        packages.remove(lost);
    }
    let mut bytes: Vec<u8> = packages.iter().flat_map(Frame::bytes).collect();
    // A check byte that is wrong, or a half frame.
    match script.below(32) {
        31 => bytes.get_mut(3).into_iter().for_each(|byte| *byte ^= 0x40),
        30 => bytes.truncate(bytes.len() / 2),
        _ => {}
    }
    bytes
}

fn greeting(script: &mut Script<'_>, phone: usize) -> (u16, Vec<u8>) {
    match script.below(8) {
        0 => (0x0100, [[0; 37].to_vec(), b"plate".to_vec()].concat()),
        1 => (0x0102, b"another code".to_vec()),
        2 => (0x0200, position()),
        _ => (0x0102, PHONES[phone].as_bytes().to_vec()),
    }
}

/// What acknowledges a message of the platform's.
pub fn answer(frame: &Frame) -> Vec<u8> {
    let body = [&frame.serial.to_be_bytes()[..], &frame.id.to_be_bytes(), &[0]].concat();
    let mut answer = Frame::new(0x0001, 0, &body);
    answer.phone.clone_from(&frame.phone);
    answer.version = frame.version;
    answer.bytes()
}
