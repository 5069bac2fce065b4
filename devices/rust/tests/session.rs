//! The session alone: bytes and moments by hand, no socket. Vectors of the protocol's text, every split, every timer.

use proptest::prelude::*;
use ringwire_device::{Arrival, Lost, PublishError, Refusal, Session, Settings};
use std::time::{Duration, Instant};

const ACCEPTED: &[u8] = b"\x20\x00\x14Connect Successfully";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A session that was accepted, with nothing left to send, and its moment 0.
fn online(settings: Settings) -> (Session, Instant) {
    let now = Instant::now();
    let mut session = Session::new(&settings, now).expect("settings");
    output(&mut session, now);
    session.receive(ACCEPTED, now);
    let arrival = session.arrival().expect("accepted");
    assert_eq!(arrival, Some(Arrival::Online("Connect Successfully".to_owned())));
    (session, now)
}

/// Takes all output.
fn output(session: &mut Session, now: Instant) -> Vec<u8> {
    let bytes = session.output().to_vec();
    session.sent(bytes.len(), now);
    bytes
}

fn data(payload: &[u8]) -> Vec<u8> {
    let size = u16::try_from(payload.len()).expect("a payload that fits");
    let mut frame = vec![0x30];
    frame.extend(size.to_be_bytes());
    frame.extend(payload);
    frame
}

#[test]
fn frames_are_those_of_the_protocol_text() {
    let now = Instant::now();
    let settings = Settings::new("abcd").keepalive_s(60);
    let mut session = Session::new(&settings, now).expect("settings");
    assert_eq!(output(&mut session, now), b"\x11\x00\x07\x3c\x00\x04abcd");
    let settings = settings.username("abcd").password("abcd");
    let mut named = Session::new(&settings, now).expect("settings");
    assert_eq!(
        output(&mut named, now),
        b"\x11\x00\x13\x3c\x00\x04abcd\x00\x04abcd\x00\x04abcd"
    );
    assert_eq!(session.publish(b"too early"), Err(PublishError::Offline));
    session.receive(ACCEPTED, now);
    assert!(session.arrival().expect("accepted").is_some() && session.is_online());
    session.publish(b"abcd").expect("online");
    assert_eq!(output(&mut session, now), b"\x30\x00\x04abcd");
    session.check(now + seconds(45)).expect("alive");
    assert_eq!(output(&mut session, now), b"\x40");
    session.disconnect();
    session.disconnect();
    assert_eq!(output(&mut session, now), b"\x60");
    assert_eq!(session.publish(b"too late"), Err(PublishError::Offline));
}

#[test]
fn a_refusal_says_why() {
    for (code, wanted) in [(0x21, Refusal::Credentials), (0x22, Refusal::Version)] {
        let now = Instant::now();
        let mut session = Session::new(&Settings::new("d"), now).expect("settings");
        session.receive(&[code, 0, 2, b'n', b'o'], now);
        match session.arrival() {
            Err(Lost::Refused { refusal, text }) => assert_eq!((refusal, text.as_str()), (wanted, "no")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_first_byte_of_a_frame_that_has_no_place_ends_the_session() {
    let now = Instant::now();
    for first in 0..=255_u8 {
        let mut greeting = Session::new(&Settings::new("d"), now).expect("settings");
        greeting.receive(&[first], now);
        assert_eq!(
            greeting.arrival().is_ok(),
            (0x20..=0x22).contains(&first),
            "{first:#x}"
        );
        let (mut online, now) = online(Settings::new("d"));
        online.receive(&[first], now);
        assert_eq!(
            online.arrival().is_ok(),
            matches!(first >> 4, 3 | 5),
            "{first:#x}"
        );
    }
}

#[test]
fn silence_is_pinged_and_a_dead_broker_found() {
    let (mut session, start) = online(Settings::new("d").keepalive_s(60));
    assert_eq!(session.next_check(), Some(start + seconds(45)));
    session.check(start + seconds(44)).expect("alive");
    assert_eq!(session.output(), b"");
    // A device that only talks hears as well whether anybody is there.
    for second in 0..45 {
        session.publish(b"x").expect("online");
        output(&mut session, start + seconds(second));
    }
    session.check(start + seconds(45)).expect("alive");
    assert_eq!(output(&mut session, start + seconds(45)), b"\x40");
    assert_eq!(session.next_check(), Some(start + seconds(55)));
    session.receive(b"\x50", start + seconds(54));
    assert_eq!(session.arrival().expect("a PONG"), None);
    session.check(start + seconds(90)).expect("alive");
    assert_eq!(output(&mut session, start + seconds(90)), b"\x40");
    assert!(matches!(session.check(start + seconds(100)), Err(Lost::NoPong)));

    let (mut session, start) = online(Settings::new("d").keepalive_s(0));
    assert_eq!(session.next_check(), None);
    session.check(start + seconds(10_000)).expect("no keepalive");
    assert_eq!(session.output(), b"");
}

#[test]
fn what_does_not_move_is_given_up() {
    let now = Instant::now();
    let mut session = Session::new(&Settings::new("d"), now).expect("settings");
    output(&mut session, now);
    assert_eq!(session.next_check(), Some(now + seconds(10)));
    session.check(now + seconds(9)).expect("there is time");
    assert!(matches!(session.check(now + seconds(10)), Err(Lost::NoAnswer)));

    let (mut session, now) = online(Settings::new("d"));
    session.publish(b"stuck").expect("online");
    // It counts from when it was seen that nothing moves, not from the last byte before.
    session.check(now + seconds(30)).expect("just queued");
    session.sent(1, now + seconds(39));
    session.check(now + seconds(41)).expect("it moved");
    session.check(now + seconds(50)).expect("there is time");
    assert!(matches!(session.check(now + seconds(51)), Err(Lost::Stalled)));
}

#[test]
fn a_queue_has_an_end_but_takes_any_single_message() {
    let (mut session, _) = online(Settings::new("d").queue_bytes_max(10));
    session.publish(&[0; 65_535]).expect("nothing waits");
    assert_eq!(session.publish(b""), Err(PublishError::Full { waiting: 65_538 }));
    let too_large = PublishError::TooLarge { size: 65_536 };
    assert_eq!(session.publish(&[0; 65_536]), Err(too_large));
}

#[test]
fn while_closing_messages_are_not_shown() {
    let (mut session, now) = online(Settings::new("d"));
    session.disconnect();
    session.receive(&data(b"late"), now);
    assert_eq!(session.arrival().expect("read"), None);
}

proptest! {
    #[test]
    fn messages_arrive_the_same_however_they_are_split(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
        cuts in prop::collection::vec(1..40_usize, 1..60),
    ) {
        let mut stream = ACCEPTED.to_vec();
        for payload in &payloads {
            stream.extend(data(payload));
            stream.push(0x50);
        }
        let now = Instant::now();
        let mut session = Session::new(&Settings::new("d"), now).expect("settings");
        let mut arrived = Vec::new();
        let mut rest = stream.as_slice();
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            rest = after;
            session.receive(piece, now);
            while let Some(arrival) = session.arrival().expect("good frames") {
                arrived.push(arrival);
            }
            if rest.is_empty() {
                break;
            }
        }
        let greeting = Arrival::Online("Connect Successfully".to_owned());
        let wanted: Vec<_> = std::iter::once(greeting).chain(payloads.into_iter().map(Arrival::Message)).collect();
        prop_assert_eq!(arrived, wanted);
    }

    #[test]
    fn output_is_the_same_however_the_socket_takes_it(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..20),
        takes in prop::collection::vec(0..30_usize, 1..60),
    ) {
        let (mut session, now) = online(Settings::new("d"));
        let (mut wire, mut wanted) = (Vec::new(), Vec::new());
        let mut take = |session: &mut Session, count: usize| {
            let count = count.min(session.output().len());
            wire.extend_from_slice(&session.output()[..count]);
            session.sent(count, now);
        };
        let mut takes = takes.iter().cycle();
        for payload in &payloads {
            session.publish(payload).expect("online");
            wanted.extend(data(payload));
            take(&mut session, *takes.next().expect("endless"));
        }
        take(&mut session, usize::MAX);
        prop_assert_eq!(wire, wanted);
        prop_assert_eq!(session.output(), b"");
    }

    #[test]
    fn no_bytes_reach_a_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..10), is_greeted: bool) {
        let now = Instant::now();
        let mut session = Session::new(&Settings::new("d"), now).expect("settings");
        if is_greeted {
            session.receive(ACCEPTED, now);
        }
        for piece in pieces {
            session.receive(&piece, now);
            while let Ok(Some(_)) = session.arrival() {}
        }
    }
}
