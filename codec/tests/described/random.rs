//! Random descriptions and random bytes: what a fuzzer checks, with what proptest makes.

use crate::checks;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_descriptions_read_random_bytes_the_same_however_they_are_split(
        plan in prop::collection::vec(any::<u8>(), 0..200),
        stream in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        checks::check(&input(&plan, &stream));
    }

    #[test]
    fn random_descriptions_read_bytes_that_are_likely_in_frames(
        plan in prop::collection::vec(any::<u8>(), 0..200),
        stream in prop::collection::vec(prop_oneof![Just(0u8), 0u8..8, Just(b'\n'), Just(0x7e), Just(0x7d), Just(b',')], 0..300),
    ) {
        checks::check(&input(&plan, &stream));
    }
}

fn input(plan: &[u8], stream: &[u8]) -> Vec<u8> {
    let size = u16::try_from(plan.len()).expect("short");
    [&size.to_le_bytes(), plan, stream].concat()
}

#[test]
fn most_random_descriptions_hold() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let plans = prop::collection::vec(any::<u8>(), 50..200);
    let mut held = 0;
    for _ in 0..500 {
        let plan = plans.new_tree(&mut runner).expect("bytes").current();
        held += usize::from(
            checks::random::Choices::new(&plan)
                .description()
                .compile()
                .is_ok(),
        );
    }
    assert!(held > 150, "only {held} of 500 descriptions are without flaws");
}
