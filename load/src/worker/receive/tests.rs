//! Bytes as a network may deliver them: cut anywhere. What a client makes of them must not depend on it.

use super::*;
use crate::board::{Board, Counts};
use crate::clock::Clock;
use crate::layout::{Layout, Member};
use crate::plan::Protocol;
use crate::scenario::{Shape, plan};
use crate::stamp::{Mint, Stamp};
use crate::worker::desk::Run;
use proptest::prelude::*;
use ringwire_codec::mqtt::Properties;

/// What a subscriber has after it read some pieces: its counts, and what it answers.
type Result = (Counts, Vec<u8>, usize);

fn subscriber(protocol: Protocol, qos: QoS, pieces: &[&[u8]]) -> Result {
    let shape = Shape {
        protocol: Some(protocol),
        qos: Some(qos),
        ..Shape::default()
    };
    let mut plan = plan("p2p", &shape).unwrap();
    plan.groups[0].mqtt_always = false;
    let run = Run {
        plan: &plan,
        layout: Layout::of(&plan).unwrap(),
        mint: Mint::new(1, 300),
        board: Board::new(Clock::start(), 1),
    };
    let mut desk = Desk::new(&run, 0);
    let mut client = Client::new(&run, Member { group: 0, number: 0 }).unwrap();
    client.stage = Stage::Greeting;
    for piece in pieces {
        client.receive(piece, &mut desk).unwrap();
    }
    (desk.tally.counts, client.out, client.partial.len())
}

fn payload(sequence: u64, bytes: usize) -> Vec<u8> {
    let stamp = Stamp {
        flow: 0,
        sequence,
        at_ns: 0,
    };
    let mut payload = Vec::new();
    Mint::new(1, 300).strike(stamp, bytes, &mut payload);
    payload
}

/// CONNACK, some messages of different lengths, one of them twice.
fn mqtt(version: Version, qos: QoS) -> Vec<u8> {
    let mut out = Vec::new();
    let connack = ConnAck {
        session_present: false,
        reason: ReasonCode::Success,
        properties: Properties::EMPTY,
    };
    Packet::ConnAck(connack).encode(version, &mut out).unwrap();
    for (sequence, bytes) in [(0, 16), (1, 200), (2, 20), (2, 20), (4, 16), (3, 290)] {
        let publish = Publish {
            dup: false,
            qos,
            retain: false,
            topic: "bench/p2p/0",
            packet_id: PacketId::new(sequence as u16 + 1).filter(|_| qos != QoS::AtMostOnce),
            properties: Properties::EMPTY,
            payload: &payload(sequence, bytes),
        };
        Packet::Publish(publish).encode(version, &mut out).unwrap();
        Packet::PingResp.encode(version, &mut out).unwrap();
    }
    out
}

fn device() -> Vec<u8> {
    let mut out = Vec::new();
    let connack = Frame::ConnAck {
        code: ConnAckCode::Accepted,
        message: b"welcome",
    };
    assert!(connack.encode(&mut out));
    for (sequence, bytes) in [(0, 16), (1, 200), (2, 20), (2, 20), (4, 16), (3, 290)] {
        let payload = payload(sequence, bytes);
        assert!(
            Frame::DataTrans {
                flags: 0,
                payload: &payload
            }
            .encode(&mut out)
        );
        assert!(Frame::Pong.encode(&mut out));
    }
    out
}

fn assert_counts(counts: &Counts) {
    let found = [
        Count::Made,
        Count::Delivered,
        Count::Unique,
        Count::Again,
        Count::Late,
        Count::Strange,
    ]
    .map(|count| counts.of(count));
    assert_eq!(found, [1, 6, 5, 1, 1, 0]);
}

#[test]
fn what_arrives_in_one_piece_is_counted_and_answered() {
    for version in [Version::V31, Version::V311, Version::V5] {
        for (qos, answers) in [(QoS::AtMostOnce, 0), (QoS::AtLeastOnce, 6), (QoS::ExactlyOnce, 6)] {
            let bytes = mqtt(version, qos);
            let (counts, out, left) = subscriber(Protocol::Mqtt(version), qos, &[&bytes]);
            assert_counts(&counts);
            assert_eq!((out.len(), left), (4 * answers, 0));
        }
    }
    assert_counts(&subscriber(Protocol::Private, QoS::AtMostOnce, &[&device()]).0);
}

#[test]
fn a_packet_that_is_not_whole_is_kept() {
    let bytes = mqtt(Version::V311, QoS::AtMostOnce);
    let (_, _, left) = subscriber(
        Protocol::Mqtt(Version::V311),
        QoS::AtMostOnce,
        &[&bytes[..bytes.len() - 10]],
    );
    assert!(left > 200, "the last message but its end: {left}");
}

proptest! {
    #[test]
    fn where_the_stream_is_cut_makes_no_difference(
        mut cuts in proptest::collection::vec(0usize..700, 0..40),
        version in prop::sample::select(vec![None, Some(Version::V311), Some(Version::V5)]),
    ) {
        let bytes = version.map_or_else(device, |version| mqtt(version, QoS::ExactlyOnce));
        let (protocol, qos) = match version {
            Some(version) => (Protocol::Mqtt(version), QoS::ExactlyOnce),
            None => (Protocol::Private, QoS::AtMostOnce),
        };
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(bytes.len()));
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        let whole = subscriber(protocol, qos, &[&bytes]);
        prop_assert_eq!(subscriber(protocol, qos, &pieces), whole);
    }
}
