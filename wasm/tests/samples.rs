//! The samples, byte for byte: what their devices send, what the engine sees, what the devices are told.
//!
//! `tracker.wasm` is committed, because not everybody has clang; where it is, the source is compiled anew and compared.

// Its files are the tests' own.
#![allow(clippy::disallowed_methods)]

mod device;

use device::{adapter, down, hear, open, pager, samples, tracker};
use ringwire_codec::adapter::{
    Answer, Blueprint, Cause, Down, Kind, Read, Refusal, Scratch, Tail, Undeliverable,
};
use std::process::Command;

/// A frame of the tracker.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let count = u8::try_from(body.len()).expect("a short body");
    let sum = body.iter().fold(count ^ kind, |sum, byte| sum ^ byte);
    [&[0xa5, count, kind], body, &[sum]].concat()
}

fn position(serial: u16, latitude: i32, longitude: i32) -> Vec<u8> {
    [
        &serial.to_be_bytes()[..],
        &[0],
        &latitude.to_be_bytes(),
        &longitude.to_be_bytes(),
    ]
    .concat()
}

#[test]
fn the_pager_logs_in_sends_data_and_pings() {
    let module = pager();
    assert_eq!((module.name(), module.version()), ("pager", 1));
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    let heard = hear(&mut *adapter, link, b"\x05Lp-17\x03Dhi\x01D\x01P\x03Dla\x09Dnot");
    assert_eq!(
        heard.events,
        [
            "connect p-17 None None 0",
            "publish hi []",
            "publish  []",
            "heartbeat",
            "publish la []"
        ]
    );
    assert_eq!((heard.sent.as_slice(), heard.error), (&b"\x02l+\x01p"[..], None));
    // The rest is not whole, and the module says how much is missing.
    assert_eq!(adapter.frame_size(link, b"\x09Dnot"), Some(10));
    let heard = hear(&mut *adapter, link, b"\x09Dnot-yet.\x01Q");
    assert_eq!(heard.events, ["publish not-yet. []", "close"]);
}

#[test]
fn the_pager_names_what_it_cannot_read() {
    let module = pager();
    for (bytes, kind, what, offset) in [
        (
            &b"\x03Dhi"[..],
            Kind::NotConnected,
            "the first frame is no login",
            1,
        ),
        (b"\x02La\x02La", Kind::AlreadyConnected, "a second login", 1),
        (b"\x02La\x01?", Kind::Illegal, "an unknown kind of frame", 1),
        (b"\x02La\x00", Kind::Malformed, "an empty frame", 0),
    ] {
        let mut adapter = adapter(&module);
        let link = open(&mut *adapter);
        let error = hear(&mut *adapter, link, bytes).error.expect("an error");
        assert_eq!((error.kind, &*error.what, error.offset), (kind, what, offset));
    }
}

#[test]
fn the_pager_gets_messages_and_says_which_it_cannot_take() {
    let module = pager();
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    let mut out = b"before".to_vec();
    assert_eq!(adapter.deliver(link, &down(b"ring"), &mut out), Ok(Tail::Payload));
    assert_eq!(out, b"before\x05d");
    let refused = adapter.deliver(link, &down(&[b'x'; 255]), &mut out);
    assert_eq!(
        refused,
        Err(Undeliverable::Invalid("a message of more than 254 bytes".into()))
    );
    let refused = adapter.deliver(link, &down(&[b'x'; 61_440]), &mut out);
    assert_eq!(
        refused,
        Err(Undeliverable::TooLarge {
            size: 61_440,
            limit: 61_440 - "down/d1".len()
        })
    );
    assert_eq!(out, b"before\x05d");
}

#[test]
fn the_trackers_differences_are_added_up_for_each_device_alone() {
    let module = tracker();
    assert_eq!(module.window(), 4);
    assert_eq!(module.fields(), ["hemisphere", "serial"]);
    let mut adapter = module.adapter(&["serial".to_owned(), "hemisphere".to_owned(), "serial".to_owned()]);
    let links = [open(&mut *adapter), open(&mut *adapter)];
    for (at, link) in links.into_iter().enumerate() {
        let login = frame(1, format!("track--{at}9999").as_bytes());
        let heard = hear(&mut *adapter, link, &login);
        let id = format!("track--{at}");
        assert_eq!(
            heard.events,
            [format!("connect {id} Some({id:?}) Some(\"9999\") 0")]
        );
        assert_eq!(heard.sent, frame(0x81, &[0]));
    }
    // Both at places of their own, in turns.
    let heard = hear(
        &mut *adapter,
        links[0],
        &frame(2, &position(7, 52_517_036, 13_388_860)),
    );
    assert_eq!(
        heard.events,
        [r#"publish {\"serial\":7,\"lat\":52.517036,\"lon\":13.388860} ["7", "north", "7"]"#]
    );
    assert_eq!(heard.sent, frame(0x82, &[0, 7]));
    hear(&mut *adapter, links[1], &frame(2, &position(0, -5, 1_000_001)));
    let step = |serial: u16, north: i16, east: i16| {
        [
            &serial.to_be_bytes()[..],
            &[1],
            &north.to_be_bytes(),
            &east.to_be_bytes(),
        ]
        .concat()
    };
    let heard = hear(&mut *adapter, links[0], &frame(2, &step(8, -36, 140)));
    assert_eq!(
        heard.events,
        [r#"publish {\"serial\":8,\"lat\":52.517000,\"lon\":13.389000} ["8", "north", "8"]"#]
    );
    let heard = hear(&mut *adapter, links[1], &frame(2, &step(1, -1, -2)));
    assert_eq!(
        heard.events,
        [r#"publish {\"serial\":1,\"lat\":-0.000006,\"lon\":0.999999} ["1", "south", "1"]"#]
    );
}

#[test]
fn several_steps_of_a_frame_are_several_publishes_and_one_answer() {
    let module = tracker();
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    hear(&mut *adapter, link, &frame(1, b"track--1"));
    let body = [
        &position(0x1234, 1_000_000, 2_000_000)[..],
        &[1, 0, 1, 0, 2],
        &[1, 0, 1, 0, 2],
    ]
    .concat();
    let heard = hear(&mut *adapter, link, &frame(2, &body));
    assert_eq!(
        heard.events,
        [
            r#"publish {\"serial\":4660,\"lat\":1.000000,\"lon\":2.000000} []"#,
            r#"publish {\"serial\":4660,\"lat\":1.000001,\"lon\":2.000002} []"#,
            r#"publish {\"serial\":4660,\"lat\":1.000002,\"lon\":2.000004} []"#,
        ]
    );
    assert_eq!(heard.sent, frame(0x82, &[0x12, 0x34]));
}

#[test]
fn the_tracker_leaves_a_frame_with_a_wrong_checksum_out() {
    let module = tracker();
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    let mut bytes = frame(1, b"track--1");
    bytes.extend([0xa5, 0, 3, 0xff]);
    bytes.extend(frame(3, b""));
    let heard = hear(&mut *adapter, link, &bytes);
    assert_eq!(
        heard.events[1..],
        [
            "skipped 4: Checksum the checksum is another (offset 3)",
            "heartbeat"
        ]
    );
    assert_eq!(heard.used, bytes.len());
}

#[test]
fn the_trackers_messages_are_acknowledged_by_number() {
    let module = tracker();
    let mut adapter = adapter(&module);
    assert_eq!(adapter.window(), 4);
    let link = open(&mut *adapter);
    hear(&mut *adapter, link, &frame(1, b"track--1"));
    let mut out = Vec::new();
    let message = Down {
        number: 0x0102,
        ..down(b"stop")
    };
    assert_eq!(adapter.deliver(link, &message, &mut out), Ok(Tail::Nothing));
    assert_eq!(out, frame(0x85, b"\x01\x02stop"));
    let heard = hear(&mut *adapter, link, &frame(4, &[1, 2]));
    assert_eq!(heard.events, ["acknowledge 258"]);
}

#[test]
fn a_refused_tracker_is_told_so() {
    let module = tracker();
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    let mut scratch = Scratch::default();
    let login = frame(1, b"track--1wrong");
    let read = adapter.read(link, &login, &mut scratch);
    assert!(matches!(read, Ok(Read::Event { .. })));
    let mut out = Vec::new();
    let refusal = Refusal {
        cause: Cause::Credentials,
        text: "wrong PIN",
    };
    adapter.answer(link, Answer::Refused(refusal), &mut out);
    assert_eq!(out, frame(0x81, &[1]));
}

#[test]
fn the_committed_module_is_what_its_source_says() {
    let found = Command::new("clang").arg("--print-targets").output();
    if !found.is_ok_and(|found| String::from_utf8_lossy(&found.stdout).contains("wasm32")) {
        eprintln!(
            "SKIPPED: no clang for wasm32 here, so samples/tracker.wasm is not compared with its source"
        );
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let built = folder.path().join("tracker.wasm");
    let output = Command::new("clang")
        .args([
            "--target=wasm32",
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-O2",
        ])
        .args(["-ffreestanding", "-nostdlib", "-Wl,--no-entry,-s", "-o"])
        .args([&built, &samples().join("tracker.c")])
        .output()
        .expect("clang runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let module = ringwire_wasm::Module::from_file("tracker", &built, ringwire_wasm::Settings::default());
    let module = module.expect("what clang makes here loads");
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    let bytes = [frame(1, b"track--1"), frame(2, &position(7, 1, 2)), frame(3, b"")].concat();
    let heard = hear(&mut *adapter, link, &bytes);
    let committed = tracker();
    let mut committed = device::adapter(&committed);
    let link = open(&mut *committed);
    assert_eq!(heard, hear(&mut *committed, link, &bytes));
    assert_eq!(heard.events.len(), 3);
}
