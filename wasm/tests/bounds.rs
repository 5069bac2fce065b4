//! What a module may take and say, and that not a byte more is given: memory, tables, time, addresses, texts.
//!
//! `faults.rs` is about who pays for a failure; here each bound is met from both sides where it can be.

// Modules are files.
#![allow(clippy::disallowed_methods)]

mod device;

use device::{adapter, hear, module, module_with, note, open};
use ringwire_codec::adapter::{Answer, Blueprint, Kind, Read, Scratch};
use ringwire_wasm::{Module, Settings};
use std::path::Path;

const READ: &str = r#"(func (export "ringwire_read") (param i32 i32) (result i32) (i32.const 1))"#;

/// A module whose reading does this once and uses a byte.
fn reading(before: &str, does: &str) -> String {
    format!(
        r#"{before}
        (func $does {does})
        (func (export "ringwire_read") (param i32 i32) (result i32) (call $does) (i32.const 1))"#
    )
}

/// What the first reading of a module fails with; empty: it does not.
fn fault(text: &str) -> String {
    let module = module(text).expect("the module loads");
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    let error = hear(&mut *adapter, link, b".").error;
    error.map_or_else(String::new, |error| {
        assert_eq!(error.kind, Kind::Failed);
        error.what.to_string()
    })
}

fn refused(body: &str) -> String {
    module(body).expect_err("it is refused").to_string()
}

#[test]
fn tables_have_a_cap() {
    let table = |elements: u32| format!("(table {elements} funcref) {READ}");
    assert!(module(&table(65_536)).is_ok());
    let says = refused(&table(65_537));
    assert!(says.contains("table"), "{says}");
    let tables = |count: usize| format!("{} {READ}", "(table 65536 funcref)".repeat(count));
    assert!(module(&tables(4)).is_ok());
    assert!(refused(&tables(5)).contains("table"));
    let grows = |by: u32| {
        let table = "(table $t 1 funcref)";
        let grow = format!("(table.grow $t (ref.null func) (i32.const {by}))");
        fault(&reading(
            table,
            &format!("(if (i32.lt_s {grow} (i32.const 0)) (then unreachable))"),
        ))
    };
    assert_eq!(grows(65_535), "");
    assert!(grows(65_536).contains("unreachable"));
}

#[test]
fn memory_has_a_cap_in_the_start_function_too() {
    let starts = |pages: u32| {
        let grow = format!("(memory.grow (i32.const {pages}))");
        module(&format!(
            "{READ} (func $main (if (i32.lt_s {grow} (i32.const 0)) (then unreachable))) (start $main)"
        ))
    };
    // 16 MiB are 256 pages, and it begins with two.
    assert!(starts(254).is_ok());
    let says = starts(255).expect_err("it is refused").to_string();
    assert!(
        says.contains("it was refused a memory of 16842752 bytes"),
        "{says}"
    );
}

#[test]
fn a_start_function_has_nobody_to_call() {
    let says = |import: &str, call: &str| {
        refused(&format!(
            "(import \"ringwire\" {import}) {READ} (func $main {call}) (start $main)"
        ))
    };
    let log = says(
        "\"log\" (func $log (param i32 i32))",
        "(call $log (i32.const 0) (i32.const 4))",
    );
    assert!(log.contains("out of the start section"), "{log}");
    let heartbeat = says(
        "\"heartbeat\" (func $beat (param i32))",
        "(call $beat (i32.const 0))",
    );
    assert!(
        heartbeat.contains("may be called only in ringwire_read"),
        "{heartbeat}"
    );
}

/// All that a module can do for long: each is ended.
#[test]
fn every_way_to_run_for_ever_has_a_deadline() {
    let imports = r#"(import "ringwire" "log" (func $log (param i32 i32)))
        (func $tail (return_call $tail))
        (func $deep (param i32) (if (local.get 0) (then
            (call $deep (i32.sub (local.get 0) (i32.const 1)))
            (call $deep (i32.sub (local.get 0) (i32.const 1))))))"#;
    let fills = "(memory.fill (i32.const 0) (i32.const 0) (i32.const 16777216))".repeat(200);
    for does in [
        "(loop $again (call $log (i32.const 0) (i32.const 200)) (br $again))",
        "(call $tail)",
        // 2^100 calls without a loop.
        "(call $deep (i32.const 100))",
        // Many milliseconds without a loop or a call.
        &format!("(drop (memory.grow (i32.const 254))) {fills}"),
    ] {
        let says = fault(&reading(imports, does));
        let shown: String = does.chars().take(80).collect();
        assert!(says.contains("it ran for more than 10 ms"), "{shown}: {says}");
    }
}

#[test]
fn an_address_is_good_up_to_the_last_byte_of_the_memory() {
    let publish = r#"(import "ringwire" "publish" (func $publish (param i32 i32 i32 i32)))"#;
    let says = |at: u32, bytes: u32| {
        let call =
            format!("(call $publish (i32.const {at}) (i32.const {bytes}) (i32.const 0) (i32.const 0))");
        fault(&reading(publish, &call))
    };
    for (at, bytes) in [(131_071, 1), (131_072, 0), (0, 131_072)] {
        assert_eq!(says(at, bytes), "", "{bytes} at {at}");
    }
    for (at, bytes) in [
        (131_072, 1),
        (131_073, 0),
        (0, 131_073),
        (u32::MAX, 1),
        (1, u32::MAX),
        (u32::MAX, u32::MAX),
        (0x8000_0000, 0x8000_0000),
    ] {
        let says = says(at, bytes);
        assert!(
            says.contains("are outside of its memory"),
            "{bytes} at {at}: {says}"
        );
    }
}

/// Each import that takes an address, with one that wraps around.
#[test]
fn every_import_looks_at_its_addresses() {
    let far = "(i32.const -8) (i32.const 16)";
    let near = "(i32.const 0) (i32.const 1)";
    let zero = "(i32.const 0)";
    for (name, parameters, arguments) in [
        ("identify", 3, format!("{far} {zero}")),
        ("connect", 8, format!("{far} {near} {near} {zero} {zero}")),
        ("connect", 8, format!("{near} {far} {near} {zero} {zero}")),
        ("connect", 8, format!("{near} {near} {far} {zero} {zero}")),
        ("publish", 4, format!("{far} {zero} {zero}")),
        ("skip", 4, format!("(i32.const 4) {far} {zero}")),
        ("unreadable", 4, format!("(i32.const 4) {far} {zero}")),
        ("log", 2, far.to_owned()),
    ] {
        // Address 0 of a user name and of a password is none, so these are somewhere.
        let arguments = arguments.replace(near, "(i32.const 4) (i32.const 1)");
        let import = format!(
            "(import \"ringwire\" \"{name}\" (func $it (param{})))",
            " i32".repeat(parameters)
        );
        let says = fault(&reading(&import, &format!("(call $it {arguments})")));
        assert!(
            says.contains("16 bytes at 0xfffffff8 are outside"),
            "{name}: {says}"
        );
    }
}

#[test]
fn what_an_answer_may_call_looks_at_its_addresses() {
    for (import, call) in [
        (
            "\"write\" (func $it (param i32 i32))",
            "(call $it (i32.const -8) (i32.const 16))",
        ),
        (
            "\"refusal\" (func $it (param i32 i32) (result i32))",
            "(drop (call $it (i32.const -8) (i32.const 16)))",
        ),
    ] {
        let text = format!(
            r#"(import "ringwire" {import})
            (import "ringwire" "heartbeat" (func $beat (param i32)))
            (func (export "ringwire_answer") (param i32 i32 i32) {call})
            (func (export "ringwire_read") (param i32 i32) (result i32)
              (call $beat (i32.const 1)) (i32.const 1))"#
        );
        let module = module(&text).expect("the module loads");
        let mut adapter = adapter(&module);
        let link = open(&mut *adapter);
        let mut scratch = Scratch::default();
        assert!(matches!(
            adapter.read(link, b".", &mut scratch),
            Ok(Read::Event { .. })
        ));
        let refusal = ringwire_codec::adapter::Refusal {
            cause: ringwire_codec::adapter::Cause::Full,
            text: "no room",
        };
        adapter.answer(link, Answer::Refused(refusal), &mut Vec::new());
        let error = adapter.read(link, b".", &mut scratch).expect_err("it failed");
        assert!(error.what.contains("are outside of its memory"), "{}", error.what);
    }
}

#[test]
fn a_place_for_input_outside_of_the_memory_is_no_place() {
    let load = |says: &str| {
        let text = format!(
            r#"(module (memory (export "memory") 1) {READ}
            (func (export "ringwire_abi") (result i32) (i32.const 1))
            (func (export "ringwire_input") (param i32) (result i32) {says}))"#
        );
        let bytes = wat::parse_str(&text).expect("it assembles");
        Module::from_bytes("test", &bytes, Settings::default())
    };
    for at in ["(i32.const 65281)", "(i32.const -1)", "(i32.const -256)"] {
        let says = load(at).expect_err("it is refused").to_string();
        assert!(says.contains("has no such room"), "{at}: {says}");
    }
    assert!(load("(i32.const 65280)").is_ok());
    // It begins to lie with a large frame.
    let later = "(select (i32.const 64) (i32.const -9) (i32.le_u (local.get 0) (i32.const 256)))";
    let module = load(later).expect("it loads");
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    assert_eq!(hear(&mut *adapter, link, b"..").used, 2);
    // It reads a byte at a time, so only a message is ever so large.
    let mut out = Vec::new();
    let sent = adapter.deliver(link, &device::down(&[b'x'; 300]), &mut out);
    assert!(sent.is_err() && out.is_empty(), "{sent:?}");
}

#[test]
fn a_module_whose_input_lies_in_its_state_harms_itself() {
    let text = format!(
        r#"(module (memory (export "memory") 1) {READ}
        (func (export "ringwire_abi") (result i32) (i32.const 1))
        (func (export "ringwire_state") (result i32) (i32.const 64))
        (func (export "ringwire_state_size") (result i32) (i32.const 4096))
        (func (export "ringwire_input") (param i32) (result i32) (i32.const 64)))"#
    );
    let bytes = wat::parse_str(&text).expect("it assembles");
    let module = Module::from_bytes("test", &bytes, Settings::default()).expect("it loads");
    let mut adapter = adapter(&module);
    let links = [(); 3].map(|()| open(&mut *adapter));
    for _ in 0..4 {
        for link in links {
            assert_eq!(hear(&mut *adapter, link, &[b'x'; 700]).used, 700);
        }
    }
}

#[test]
fn what_stands_in_the_input_is_what_the_device_sent() {
    // It writes over its input and reports it: the broker has the device's bytes, which it did not copy.
    let text = r#"(import "ringwire" "publish" (func $publish (param i32 i32 i32 i32)))
        (func (export "ringwire_read") (param i32 i32) (result i32)
          (i32.store8 (local.get 0) (i32.const 64))
          (call $publish (local.get 0) (i32.const 1) (i32.const 0) (i32.const 0))
          (i32.store8 (i32.const 0) (i32.load8_u (local.get 0)))
          (call $publish (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))
          (i32.const 1))"#;
    let module = module(text).expect("it loads");
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    let heard = hear(&mut *adapter, link, b"a");
    assert_eq!(heard.events, ["publish a []", "publish @ []"]);
}

/// A module with the fields `a b`, whose values are so many bytes of the memory; it publishes so often.
fn with_values(bytes: u32, times: u32, then: &str) -> (Module, Vec<String>) {
    let text = format!(
        r#"(import "ringwire" "publish" (func $publish (param i32 i32 i32 i32)))
        (import "ringwire" "heartbeat" (func $beat (param i32)))
        (data (i32.const 16) "a b\00")
        (func (export "ringwire_fields") (result i32) (i32.const 16))
        (func (export "ringwire_read") (param i32 i32) (result i32) (local $n i32)
          (i32.store (i32.const 32) (i32.const 1024)) (i32.store (i32.const 36) (i32.const {bytes}))
          (i32.store (i32.const 40) (i32.const 1024)) (i32.store (i32.const 44) (i32.const {bytes}))
          (loop $again
            (call $publish (i32.const 0) (i32.const 1) (i32.const 32) (i32.const 0))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $n) (i32.const {times}))))
          {then}
          (i32.const 1))"#
    );
    let module = module(&text).expect("it loads");
    (module, vec!["b".to_owned(), "a".to_owned()])
}

#[test]
fn values_count_for_the_bytes_of_all_events_of_a_call() {
    let says = |bytes, times| {
        let (module, wanted) = with_values(bytes, times, "");
        let mut adapter = module.adapter(&wanted);
        let link = open(&mut *adapter);
        let heard = hear(&mut *adapter, link, b".");
        (
            heard.events.len(),
            heard.error.map(|error| error.what.to_string()),
        )
    };
    // Each event has a byte of payload and two values.
    assert_eq!(says(1_000, 131), (131, None));
    let (events, error) = says(1_000, 132);
    assert_eq!(events, 0);
    let error = error.expect("too much");
    assert!(
        error.contains("events of more than 262144 bytes in one call"),
        "{error}"
    );
    // Each call begins at zero.
    let (module, wanted) = with_values(60_000, 2, "");
    let mut adapter = module.adapter(&wanted);
    let link = open(&mut *adapter);
    for _ in 0..5 {
        assert_eq!(hear(&mut *adapter, link, b".").events.len(), 2);
    }
}

#[test]
fn a_value_that_is_no_text_is_the_fault_of_the_device_whatever_is_reported_behind_it() {
    let (module, wanted) = with_values(4, 3, "(call $beat (i32.const 0))");
    let mut adapter = module.adapter(&wanted);
    let link = open(&mut *adapter);
    assert_eq!(hear(&mut *adapter, link, b".").events.len(), 4);
    let spoiled = "(data (i32.const 1024) \"\\ff\")";
    let text = format!(
        r#"(import "ringwire" "publish" (func $publish (param i32 i32 i32 i32)))
        (import "ringwire" "heartbeat" (func $beat (param i32)))
        (data (i32.const 16) "a\00") {spoiled}
        (func (export "ringwire_fields") (result i32) (i32.const 16))
        (func (export "ringwire_read") (param i32 i32) (result i32)
          (i32.store (i32.const 32) (i32.const 1024)) (i32.store (i32.const 36) (i32.const 1))
          (call $beat (i32.const 0))
          (call $publish (i32.const 0) (i32.const 1) (i32.const 32) (i32.const 0))
          (call $publish (i32.const 0) (i32.const 1) (i32.const 32) (i32.const 0))
          (call $beat (i32.const 0))
          (i32.const 1))"#
    );
    let module = device::module(&text).expect("it loads");
    let mut adapter = module.adapter(&["a".to_owned()]);
    let link = open(&mut *adapter);
    let heard = hear(&mut *adapter, link, b".");
    assert_eq!(heard.events, ["heartbeat"]);
    let error = heard.error.expect("it is unreadable");
    assert_eq!(error.kind, Kind::Malformed);
    assert!(error.what.contains("not UTF-8"), "{}", error.what);
}

#[test]
fn a_module_is_not_asked_again_and_again_for_room_that_it_does_not_have() {
    // Publishes how often it was asked for room, in frames of 600 bytes; it takes 1,000.
    let text = r#"(module
        (import "ringwire" "publish" (func $publish (param i32 i32 i32 i32)))
        (memory (export "memory") 1)
        (global $asked (mut i32) (i32.const 0))
        (func (export "ringwire_abi") (result i32) (i32.const 1))
        (func (export "ringwire_input") (param i32) (result i32)
          (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
          (select (i32.const 4096) (i32.const 0) (i32.le_u (local.get 0) (i32.const 1000))))
        (func (export "ringwire_read") (param i32 i32) (result i32)
          (if (i32.lt_u (local.get 1) (i32.const 600)) (then (return (i32.const -600))))
          (i32.store8 (i32.const 0) (global.get $asked))
          (call $publish (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))
          (i32.const 600)))"#;
    let bytes = wat::parse_str(text).expect("it assembles");
    let module = Module::from_bytes("test", &bytes, Settings::default()).expect("it loads");
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    let input = [b'x'; 60_000];
    let (mut scratch, mut asked, mut at) = (Scratch::default(), Vec::new(), 0);
    while at < input.len() {
        let read = adapter.read(link, &input[at..], &mut scratch).expect("readable");
        if let Read::Event {
            event: ringwire_codec::adapter::Event::Publish(publish),
            ..
        } = &read
        {
            asked.push(publish.payload[0]);
        }
        at += note(&read, &mut Vec::new()).0;
        adapter.answer(link, Answer::Taken, &mut Vec::new());
    }
    assert_eq!(asked.len(), 100);
    assert!(asked[99] < 20, "asked {} times for 100 frames", asked[99]);
    assert_eq!(asked[10], asked[99], "what is known is not asked again");
}

#[test]
fn names_of_a_module_are_cut_and_plain() {
    let long = "n".repeat(5_000);
    let says = fault(&format!(
        r#"(func ${long} unreachable)
        (func (export "ringwire_read") (param i32 i32) (result i32) (call ${long}) (i32.const 1))"#
    ));
    assert!(
        says.contains("(in nnn") && says.len() < 500,
        "{} bytes: {says}",
        says.len()
    );
    let says = refused(&format!(
        "(import \"{long}\\1b[31m\" \"\\1b[31m\\n\" (func)) {READ}"
    ));
    assert!(
        says.len() < 800 && !says.chars().any(char::is_control),
        "{says:?}"
    );
}

#[test]
fn a_state_has_a_place_and_a_size() {
    let place = r#"(func (export "ringwire_state") (result i32) (i32.const 64))"#;
    let size = r#"(func (export "ringwire_state_size") (result i32) (i32.const 64))"#;
    assert!(refused(&format!("{READ} {place}")).contains("does not export ringwire_state_size"));
    assert!(refused(&format!("{READ} {size}")).contains("does not export ringwire_state: "));
    assert!(module(&format!("{READ} {place} {size}")).is_ok());
}

#[test]
fn names_of_fields_have_an_end() {
    let fields = |zero_at: u32| {
        format!(
            r#"{READ} (data (i32.const 1024) "x")
            (func $main (memory.fill (i32.const 1024) (i32.const 120) (i32.const 100000))
              (i32.store8 (i32.const {zero_at}) (i32.const 0)))
            (start $main)
            (func (export "ringwire_fields") (result i32) (i32.const 1024))"#
        )
    };
    assert!(module(&fields(1024 + 16_383)).is_ok());
    let says = refused(&fields(1024 + 16_384));
    assert!(says.contains("a text with a zero at its end"), "{says}");
}

#[test]
fn a_file_without_an_end_is_not_read_to_its_end() {
    let says = Module::from_file("test", Path::new("/dev/zero"), Settings::default());
    let says = says.expect_err("it is refused").to_string();
    assert!(
        says.starts_with("/dev/zero has more than 16777216 bytes"),
        "{says}"
    );
}

#[test]
fn other_things_than_functions_are_no_imports() {
    let says = refused(&format!("(import \"ringwire\" \"write\" (global i32)) {READ}"));
    assert!(says.contains("another signature"), "{says}");
    let text = r#"(module (import "ringwire" "memory" (memory 1)))"#;
    let bytes = wat::parse_str(text).expect("it assembles");
    let loaded = Module::from_bytes("test", &bytes, Settings::default());
    assert!(loaded.is_err());
}

#[test]
fn a_state_of_the_largest_size_is_kept_for_each_connection() {
    // Its last byte but one counts; `-` makes the state small again.
    let text = r#"(import "ringwire" "publish" (func $publish (param i32 i32 i32 i32)))
        (func (export "ringwire_state") (result i32) (i32.const 0))
        (func (export "ringwire_state_size") (result i32) (i32.const 65536))
        (func (export "ringwire_read") (param i32 i32) (result i32)
          (i32.store8 (i32.const 65534) (i32.add (i32.load8_u (i32.const 65534)) (i32.const 1)))
          (if (i32.eq (i32.load8_u (local.get 0)) (i32.const 45)) (then (i32.store8 (i32.const 65534) (i32.const 0))))
          (i32.store8 (i32.const 131000) (i32.add (i32.load8_u (i32.const 65534)) (i32.const 48)))
          (call $publish (i32.const 131000) (i32.const 1) (i32.const 0) (i32.const 0))
          (i32.const 1))"#;
    let settings = Settings::default();
    let module = module_with(text, settings).expect("it loads");
    let mut adapter = adapter(&module);
    let [first, second] = [open(&mut *adapter), open(&mut *adapter)];
    for (link, sends, counts) in [
        (first, b".", "1"),
        (second, b".", "1"),
        (first, b".", "2"),
        (second, b"-", "0"),
        (first, b".", "3"),
        (second, b".", "1"),
    ] {
        assert_eq!(
            hear(&mut *adapter, link, sends).events,
            [format!("publish {counts} []")]
        );
    }
}
