//! What holds of every packet: round trip, any split of a stream, no panic on any bytes.
//!
//! The strategies are in `model`, the checks for arbitrary bytes are those of the fuzz targets.

#[path = "../../fuzz/checks/mqtt.rs"]
mod checks;
mod model;

use model::{Case, KINDS, case, case_of};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use ringwire_codec::mqtt::*;

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn version() -> impl Strategy<Value = Version> {
    proptest::sample::select(&VERSIONS[..])
}

fn stream() -> impl Strategy<Value = (Version, Vec<Case>)> {
    version().prop_flat_map(|version| (Just(version), vec(case(version), 1..6)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_encoded_decodes_to_the_same(case in version().prop_flat_map(case)) {
        let bytes = case.bytes();
        let decoded = decode(case.version, &bytes, u32::MAX);
        prop_assert_eq!(decoded, Ok(Decoded::Packet(case.packet(), bytes.len())));
        checks::check(case.version, &bytes);
    }

    #[test]
    fn any_split_of_a_stream_gives_the_same_packets(
        (version, cases) in stream(),
        reads in vec(1usize..50, 1..40),
    ) {
        let whole: Vec<u8> = cases.iter().flat_map(Case::bytes).collect();
        let mut reads = reads.into_iter().cycle();
        let (mut arrived, mut taken, mut packets) = (0, 0, 0);
        while taken < whole.len() {
            match decode(version, &whole[taken..arrived], u32::MAX) {
                Ok(Decoded::Packet(packet, size)) => {
                    prop_assert_eq!(packet, cases[packets].packet());
                    taken += size;
                    packets += 1;
                }
                Ok(Decoded::Incomplete { needed }) => {
                    prop_assert!(arrived < whole.len(), "asks for more than there is: {:?}", needed);
                    prop_assert!(needed.is_none_or(|needed| taken + needed > arrived));
                    arrived = (arrived + reads.next().unwrap_or(1)).min(whole.len());
                }
                Err(error) => prop_assert!(false, "{} after {} packets", error, packets),
            }
        }
        prop_assert_eq!(packets, cases.len());
    }

    #[test]
    fn damaged_packets_are_errors_or_other_packets(
        case in version().prop_flat_map(case),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        as_version in version(),
    ) {
        let mut bytes = case.bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        checks::check(as_version, &bytes);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(version in version(), bytes in vec(any::<u8>(), 0..200)) {
        checks::check(version, &bytes);
    }

    #[test]
    fn a_body_of_arbitrary_bytes_does_no_harm(
        version in version(),
        first in any::<u8>(),
        body in vec(any::<u8>(), 0..100),
    ) {
        let mut bytes = vec![first, body.len() as u8];
        bytes.extend(body);
        checks::check(version, &bytes);
    }
}

/// Every kind in every version by itself, so that no kind depends on being picked.
#[test]
fn every_kind_of_packet_makes_the_round_trip() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for version in VERSIONS {
        for kind in KINDS
            .into_iter()
            .filter(|&kind| kind != PacketType::Auth || version == Version::V5)
        {
            let strategy = case_of(version, kind);
            for _ in 0..20 {
                let case = strategy.new_tree(&mut runner).expect("a case").current();
                let bytes = case.bytes();
                let decoded = decode(version, &bytes, u32::MAX);
                assert_eq!(
                    decoded,
                    Ok(Decoded::Packet(case.packet(), bytes.len())),
                    "{case:?}"
                );
            }
        }
    }
}
