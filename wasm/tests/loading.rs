//! Modules that are refused when they are loaded, each with an error that says what to do; and those that replace others.

// Its files are the tests' own.
#![allow(clippy::disallowed_methods)]

mod device;

use device::{adapter, hear, module, module_with, open, tracker};
use ringwire_codec::adapter::{Blueprint, Peer};
use ringwire_wasm::{Module, Settings};
use std::path::Path;

const READ: &str = r#"(func (export "ringwire_read") (param i32 i32) (result i32) (i32.const 1))"#;

fn refused(bytes: &[u8]) -> String {
    let loaded = Module::from_bytes("test", bytes, Settings::default());
    loaded.expect_err("it is refused").to_string()
}

fn refused_text(text: &str) -> String {
    refused(&wat::parse_str(text).expect("the test's module assembles"))
}

/// What is wrong with a module that has everything, and `body`.
fn refused_with(body: &str) -> String {
    module(body).expect_err("it is refused").to_string()
}

#[test]
fn what_is_no_module_is_told_from_what_is_another_format() {
    assert!(refused(b"\x7fELF....").contains("it begins with [7f, 45, 4c, 46] instead of"));
    assert!(refused(b"").contains("it begins with [] instead of"));
    assert!(refused(b" (module)").contains("as text: assemble it first, as with `wat2wasm"));
    assert!(refused(b"\0asm\x0d\0\x01\0").contains("is a WebAssembly component"));
    assert!(refused(b"\0asm\x01\0\0\0\xff").starts_with("the module is invalid: "));
    let lost = Module::from_file("test", Path::new("no/such.wasm"), Settings::default());
    let lost = lost.expect_err("it is not there").to_string();
    assert!(
        lost.starts_with("cannot read no/such.wasm: No such file"),
        "{lost}"
    );
}

#[test]
fn every_part_of_the_interface_is_missed_by_its_name() {
    let memory = r#"(memory (export "memory") 1)"#;
    let abi = r#"(func (export "ringwire_abi") (result i32) (i32.const 1))"#;
    let input = r#"(func (export "ringwire_input") (param i32) (result i32) (i32.const 8))"#;
    for (parts, missing) in [
        (vec![], "memory"),
        (vec![memory], "ringwire_abi"),
        (vec![memory, abi], "ringwire_input"),
        (vec![memory, abi, input], "ringwire_read"),
    ] {
        let says = refused_text(&format!("(module {})", parts.concat()));
        assert!(
            says.starts_with(&format!("the module does not export {missing}: ")),
            "{says}"
        );
    }
    assert!(module(READ).is_ok());
}

#[test]
fn a_wrong_signature_is_named_with_the_right_one() {
    let says = refused_with(r#"(func (export "ringwire_read") (param i32) (result i32) (i32.const 1))"#);
    assert_eq!(
        says,
        "the module exports ringwire_read with the wrong signature: it must be (input: i32, bytes: i32) -> i32"
    );
    let says = refused_with(&format!(
        "{READ} (func (export \"ringwire_window\") (result i64) (i64.const 1))"
    ));
    assert!(
        says.contains("ringwire_window with the wrong signature"),
        "{says}"
    );
    let says = refused_with(&format!(
        "(import \"ringwire\" \"write\" (func (param i64))) {READ}"
    ));
    assert!(
        says.contains("with another signature than in wasm/README.md") && says.contains("write"),
        "{says}"
    );
}

#[test]
fn what_the_broker_does_not_have_is_named() {
    let says = refused_with(&format!(
        "(import \"wasi_snapshot_preview1\" \"fd_write\" (func)) {READ}"
    ));
    assert!(
        says.starts_with("the module imports wasi_snapshot_preview1.fd_write, which does not exist"),
        "{says}"
    );
    assert!(says.contains("no WASI"), "{says}");
    let says = refused_with(&format!("(import \"ringwire\" \"shout\" (func)) {READ}"));
    assert!(says.starts_with("the module imports ringwire.shout, "), "{says}");
}

#[test]
fn a_module_of_another_version_is_refused() {
    let says = refused_text(&format!(
        r#"(module (memory (export "memory") 1) {READ}
        (func (export "ringwire_abi") (result i32) (i32.const 2))
        (func (export "ringwire_input") (param i32) (result i32) (i32.const 8)))"#
    ));
    assert!(
        says.starts_with("the module speaks version 2 of the interface and this broker version 1"),
        "{says}"
    );
}

#[test]
fn a_module_that_fails_at_its_start_is_refused_with_the_reason() {
    let says = refused_with(&format!("{READ} (func $main unreachable) (start $main)"));
    assert!(
        says.starts_with("the module fails before the first device: "),
        "{says}"
    );
    let says = refused_with(&format!(
        "{READ} (func $main (loop $again (br $again))) (start $main)"
    ));
    assert!(says.contains("it ran for more than 10 ms"), "{says}");
    let small = Settings {
        memory_bytes_max: 65_536,
        ..Settings::default()
    };
    let says = module_with(READ, small).expect_err("it is refused").to_string();
    assert!(says.contains("memory"), "{says}");
}

#[test]
fn what_a_module_says_of_itself_must_make_sense() {
    let state = |at: i32, size: i32| {
        format!(
            r#"{READ} (func (export "ringwire_state") (result i32) (i32.const {at}))
            (func (export "ringwire_state_size") (result i32) (i32.const {size}))"#
        )
    };
    assert!(
        refused_with(&state(0, 65_537)).contains("ringwire_state_size says 65537, and the limit is 65536")
    );
    assert!(refused_with(&state(131_071, 2)).contains("ringwire_state says 0x1ffff"));
    assert!(refused_with(&state(-1, 2)).contains("ringwire_state says 0xffffffff"));
    let window = r#"(func (export "ringwire_window") (result i32) (i32.const 65536))"#;
    assert!(
        refused_with(&format!("{READ} {window}")).starts_with("ringwire_window of the module says 65536")
    );
    let fields = |text: &str| {
        format!(
            r#"{READ} (data (i32.const 16) "{text}")
            (func (export "ringwire_fields") (result i32) (i32.const 16))"#
        )
    };
    assert!(refused_with(&fields("a b/c\\00")).contains("names of letters, digits and _"));
    let loaded = module(&fields("a b_c \\00")).expect("it loads");
    assert_eq!(loaded.fields(), ["a", "b_c"]);
}

#[test]
fn a_module_is_told_who_connects() {
    // `ringwire_open` keeps the lengths of what it was told, and each reading publishes what it kept.
    let body = r#"(import "ringwire" "publish" (func $publish (param i32 i32 i32 i32)))
        (func (export "ringwire_state") (result i32) (i32.const 64))
        (func (export "ringwire_state_size") (result i32) (i32.const 100))
        (func (export "ringwire_open") (param i32 i32 i32 i32)
          (i32.store8 (i32.const 64) (local.get 1))
          (i32.store8 (i32.const 65) (local.get 3))
          (memory.copy (i32.const 66) (local.get 0) (i32.add (local.get 1) (local.get 3))))
        (func (export "ringwire_read") (param i32 i32) (result i32)
          (call $publish (i32.const 66) (i32.add (i32.load8_u (i32.const 64)) (i32.load8_u (i32.const 65)))
            (i32.const 0) (i32.const 0))
          (i32.const 1))"#;
    let module = module(body).expect("the module loads");
    let mut adapter = adapter(&module);
    let address = "[2001:db8::7]:4000".parse().expect("an address");
    let certified = adapter.open(Peer {
        address,
        certificate: Some("meter-9"),
    });
    let plain = open(&mut *adapter);
    assert_eq!(
        hear(&mut *adapter, plain, b".").events,
        ["publish 192.0.2.7:4000 []"]
    );
    assert_eq!(
        hear(&mut *adapter, certified, b".").events,
        ["publish [2001:db8::7]:4000meter-9 []"]
    );
}

#[test]
fn two_versions_of_a_module_work_side_by_side() {
    let say = |text: &str| {
        let body = format!(
            r#"(import "ringwire" "publish" (func $publish (param i32 i32 i32 i32)))
            (data (i32.const 0) "{text}")
            (func (export "ringwire_read") (param i32 i32) (result i32)
              (call $publish (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 0)) (i32.const 1))"#
        );
        module(&body).expect("the module loads")
    };
    let old = say("old");
    let mut with_old = adapter(&old);
    let before = open(&mut *with_old);
    // The blueprint goes; the adapter lives for as long as its connections.
    drop(old);
    let mut with_new = adapter(&say("new"));
    let after = open(&mut *with_new);
    for _ in 0..3 {
        assert_eq!(hear(&mut *with_old, before, b".").events, ["publish old []"]);
        assert_eq!(hear(&mut *with_new, after, b".").events, ["publish new []"]);
    }
}

#[test]
fn one_module_serves_several_threads() {
    let module = tracker();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut adapter = adapter(&module);
                for _ in 0..100 {
                    let link = open(&mut *adapter);
                    let heard = hear(&mut *adapter, link, b"\xa5\x08\x01track--1\x57\xa5\x00\x03\x03");
                    assert_eq!(heard.events.len(), 2, "{heard:?}");
                    adapter.close(link);
                }
            });
        }
    });
}
