//! Modules that go wrong, each in its own way: the connection ends with what happened, and nobody else notices.

mod device;

use device::{adapter, down, hear, module, module_with, note, open, pager};
use ringwire_codec::adapter::{Adapter, Answer, Kind, Read, Scratch, Undeliverable};
use ringwire_wasm::Settings;

/// A module that publishes a count of its connection's frames of one byte; `!` does what a test wants instead.
fn counting(fault: &str) -> String {
    format!(
        r#"(import "ringwire" "publish" (func $publish (param i32 i32 i32 i32)))
        (import "ringwire" "heartbeat" (func $heartbeat (param i32)))
        (import "ringwire" "write" (func $write (param i32 i32)))
        (global $all (mut i32) (i32.const 0))
        (func (export "ringwire_state") (result i32) (i32.const 64))
        (func (export "ringwire_state_size") (result i32) (i32.const 4))
        (func $fault {fault})
        (func (export "ringwire_read") (param i32 i32) (result i32)
          (global.set $all (i32.add (global.get $all) (i32.const 1)))
          (if (i32.eq (i32.load8_u (local.get 0)) (i32.const 33)) (then (call $fault)))
          (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
          (i32.store8 (i32.const 0) (i32.add (i32.load (i32.const 64)) (i32.const 48)))
          (call $publish (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))
          (i32.const 1))"#
    )
}

/// Lets the second of two devices run into a fault, and looks at how the first and a third fare.
fn fails_alone(fault: &str, what: &str) {
    let module = module(&counting(fault)).expect("the module loads");
    let mut adapter = adapter(&module);
    let (first, second) = (open(&mut *adapter), open(&mut *adapter));
    assert_eq!(
        hear(&mut *adapter, first, b"..").events,
        ["publish 1 []", "publish 2 []"]
    );
    let heard = hear(&mut *adapter, second, b".!.");
    assert_eq!(heard.events, ["publish 1 []"]);
    let error = heard.error.expect("it failed");
    assert_eq!(error.kind, Kind::Failed);
    assert!(error.what.contains(what), "{what:?} is not in {:?}", error.what);
    // It stays so for what the engine does before it closes the connection.
    assert_eq!(
        hear(&mut *adapter, second, b".").error.expect("still").kind,
        Kind::Failed
    );
    let delivered = adapter.deliver(second, &down(b"x"), &mut Vec::new());
    assert!(matches!(delivered, Err(Undeliverable::Failed(_))));
    adapter.close(second);
    // The first goes on where it was, a third begins at the beginning.
    assert_eq!(hear(&mut *adapter, first, b".").events, ["publish 3 []"]);
    let third = open(&mut *adapter);
    assert_eq!(hear(&mut *adapter, third, b".").events, ["publish 1 []"]);
    assert_eq!(hear(&mut *adapter, first, b".").events, ["publish 4 []"]);
}

#[test]
fn a_trap_ends_one_connection() {
    fails_alone("unreachable", "`unreachable` instruction executed");
    fails_alone(
        "(drop (i32.load (i32.const 131070)))",
        "out of bounds memory access",
    );
    fails_alone("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "divide by zero");
    fails_alone("(call $fault)", "call stack exhausted");
}

#[test]
fn a_trap_is_named_with_its_function() {
    fails_alone("unreachable", "(in fault)");
}

#[test]
fn an_endless_loop_is_ended_by_the_deadline() {
    fails_alone("(loop $again (br $again))", "it ran for more than 10 ms");
}

#[test]
fn an_address_outside_of_the_memory_ends_one_connection() {
    let beyond = "(call $publish (i32.const 131000) (i32.const 73) (i32.const 0) (i32.const 0))";
    fails_alone(
        beyond,
        "73 bytes at 0x1ffb8 are outside of its memory of 0x20000 bytes",
    );
    let far = "(call $publish (i32.const -1) (i32.const -1) (i32.const 0) (i32.const 0))";
    fails_alone(far, "are outside of its memory");
}

#[test]
fn more_than_a_call_may_report_ends_one_connection() {
    fails_alone(
        "(loop $again (call $heartbeat (i32.const 0)) (br $again))",
        "more than 256 events in one call",
    );
    let large = "(loop $again (call $publish (i32.const 0) (i32.const 65536) (i32.const 0) (i32.const 0)) (br $again))";
    fails_alone(large, "events of more than 262144 bytes in one call");
}

#[test]
fn writing_out_of_place_ends_one_connection() {
    fails_alone(
        "(call $write (i32.const 0) (i32.const 1))",
        "write may be called only in ringwire_answer and ringwire_deliver",
    );
}

#[test]
fn memory_beyond_the_cap_is_refused_and_named_when_that_ends_it() {
    let grow = "(if (i32.lt_s (memory.grow (i32.const 300)) (i32.const 0)) (then unreachable))";
    fails_alone(grow, "it was refused a memory of 19791872 bytes");
    // Up to it there is no objection.
    let body = counting("(if (i32.lt_s (memory.grow (i32.const 200)) (i32.const 0)) (then unreachable))");
    let module = module(&body).expect("the module loads");
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    assert_eq!(
        hear(&mut *adapter, link, b".!").events,
        ["publish 1 []", "publish 2 []"]
    );
}

#[test]
fn a_module_that_says_nonsense_ends_one_connection() {
    for (says, what) in [
        ("70000", "ringwire_read says 70000"),
        ("2", "ringwire_read says 2"),
    ] {
        let body =
            format!("(func (export \"ringwire_read\") (param i32 i32) (result i32) (i32.const {says}))");
        let module = module(&body).expect("the module loads");
        let mut adapter = adapter(&module);
        let link = open(&mut *adapter);
        let error = hear(&mut *adapter, link, b".").error.expect("an error");
        assert_eq!(error.kind, Kind::Failed);
        assert!(error.what.contains(what), "{}", error.what);
    }
}

#[test]
fn what_fails_in_an_answer_is_told_at_the_next_reading() {
    let body = r#"(import "ringwire" "heartbeat" (func $heartbeat (param i32)))
        (import "ringwire" "write" (func $write (param i32 i32)))
        (func (export "ringwire_read") (param i32 i32) (result i32)
          (call $heartbeat (i32.const 7)) (i32.const 1))
        (func (export "ringwire_answer") (param i32 i32 i32)
          (call $write (i32.const 0) (i32.const 10))
          unreachable)"#;
    let module = module(body).expect("the module loads");
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    let heard = hear(&mut *adapter, link, b".");
    // Half an answer is none.
    assert_eq!((heard.events.len(), heard.sent.len(), heard.used), (1, 0, 1));
    assert_eq!(heard.error.expect("an error").kind, Kind::Failed);
}

#[test]
fn a_frame_is_never_larger_than_the_limit() {
    let read = |says: &str| {
        let body =
            format!("(func (export \"ringwire_read\") (param i32 i32) (result i32) (i32.const {says}))");
        let settings = Settings {
            frame_bytes_max: 1_000,
            ..Settings::default()
        };
        let module = module_with(&body, settings).expect("the module loads");
        let mut adapter = adapter(&module);
        let link = open(&mut *adapter);
        let short = hear(&mut *adapter, link, &[b'.'; 999]).error;
        (short, hear(&mut *adapter, link, &[b'.'; 1_000]).error)
    };
    let (short, long) = read("0");
    assert_eq!((short, long.expect("an error").kind), (None, Kind::TooLarge));
    let (short, _) = read("-1001");
    assert_eq!(short.expect("an error").kind, Kind::TooLarge);
    assert_eq!(read("-1000").0, None);
}

#[test]
fn an_event_is_told_again_until_it_is_answered() {
    let module = pager();
    let mut adapter = adapter(&module);
    let (held, other) = (open(&mut *adapter), open(&mut *adapter));
    hear(&mut *adapter, held, b"\x03Lh1");
    hear(&mut *adapter, other, b"\x03Lo1");
    let mut scratch = Scratch::default();
    let mut told = |adapter: &mut dyn Adapter, input: &[u8]| {
        let mut events = Vec::new();
        let (used, _) = note(
            &adapter.read(held, input, &mut scratch).expect("readable"),
            &mut events,
        );
        (events.remove(0), used)
    };
    let input = b"\x03Dab\x03Dcd";
    for _ in 0..3 {
        assert_eq!(told(&mut *adapter, input), ("publish ab []".to_owned(), 4));
        // Others go on, and more may arrive behind it.
        assert_eq!(hear(&mut *adapter, other, b"\x02Dx").events, ["publish x []"]);
        assert_eq!(told(&mut *adapter, &input[..4]), ("publish ab []".to_owned(), 4));
    }
    let mut out = Vec::new();
    adapter.answer(held, Answer::Taken, &mut out);
    assert_eq!(told(&mut *adapter, &input[4..]), ("publish cd []".to_owned(), 4));
}

#[test]
fn events_that_wait_survive_what_other_connections_do() {
    // Each call reports three, from memory that the next call overwrites.
    let body = counting("(call $publish (i32.const 65536) (i32.const 1) (i32.const 0) (i32.const 0))");
    let module = module(&body).expect("the module loads");
    let mut adapter = adapter(&module);
    let (held, other) = (open(&mut *adapter), open(&mut *adapter));
    let mut scratch = Scratch::default();
    let mut events = Vec::new();
    for _ in 0..2 {
        let read = adapter.read(held, b"!", &mut scratch).expect("readable");
        let (used, _) = note(&read, &mut events);
        assert_eq!(used, 0);
        assert_eq!(hear(&mut *adapter, other, b"....").events.len(), 4);
    }
    adapter.answer(held, Answer::Taken, &mut Vec::new());
    assert_eq!(hear(&mut *adapter, other, b".").events.len(), 1);
    let read = adapter.read(held, b"!", &mut scratch).expect("readable");
    assert_eq!(note(&read, &mut events).0, 1);
    assert_eq!(events, ["publish ! []", "publish ! []", "publish 1 []"]);
}

#[test]
fn frames_of_any_size_up_to_the_limit_are_read_wherever_the_input_is_cut() {
    let module = pager();
    for size in [2_usize, 100, 255] {
        let frame = [
            &[u8::try_from(size).expect("a byte"), b'D'][..],
            &vec![b'x'; size - 1],
        ]
        .concat();
        let stream = [&b"\x03Lh1"[..], &frame.repeat(20)].concat();
        for cut in (0..stream.len()).step_by(37) {
            let mut adapter = adapter(&module);
            let link = open(&mut *adapter);
            let first = hear(&mut *adapter, link, &stream[..cut]);
            let second = hear(&mut *adapter, link, &stream[first.used..]);
            assert_eq!(
                first.events.len() + second.events.len(),
                21,
                "{size} cut at {cut}"
            );
        }
    }
}

#[test]
fn an_instance_can_be_lost_a_thousand_times() {
    let module = module(&counting("unreachable")).expect("the module loads");
    let mut adapter = adapter(&module);
    let steady = open(&mut *adapter);
    for _ in 0..1_000 {
        let link = open(&mut *adapter);
        let mut scratch = Scratch::default();
        assert!(matches!(adapter.read(link, b"!", &mut scratch), Err(why) if why.kind == Kind::Failed));
        adapter.close(link);
    }
    assert!(matches!(
        adapter.read(steady, b".", &mut Scratch::default()),
        Ok(Read::Event { .. })
    ));
}

#[test]
fn a_delivery_with_an_unknown_end_leaves_no_bytes() {
    let module = module(
        r#"(import "ringwire" "write" (func $write (param i32 i32)))
        (func (export "ringwire_read") (param i32 i32) (result i32) (i32.const 0))
        (func (export "ringwire_deliver") (param i32 i32 i32 i32 i32 i32) (result i32)
          (call $write (i32.const 0) (i32.const 4)) (i32.const 7))"#,
    )
    .expect("it loads");
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    let mut out = b"before".to_vec();
    let failed = adapter.deliver(link, &down(b"x"), &mut out);
    assert!(
        matches!(&failed, Err(Undeliverable::Failed(what)) if what.contains("ringwire_deliver says 7")),
        "{failed:?}"
    );
    assert_eq!(out, b"before");
}
