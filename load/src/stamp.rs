//! What stands in a payload: a stamp of 16 bytes that says who sent it, in which place and when, then a pattern.
//!
//! A `Mint` strikes the payloads of one run and reads them back; whatever was not struck by it, to the last byte, is
//! not read. The pattern depends on the stamp, so that bytes of one message in another are noticed. A flow is one
//! publisher's messages to one topic: that is what a broker keeps in order.

/// Bytes of a stamp: the shortest payload that can be checked and timed.
pub const BYTES: usize = 16;

/// Flows of one run at most.
pub(crate) const FLOWS_MAX: usize = 1 << 24;

/// Times are kept in units of so many nanoseconds, so that 48 bits are seven weeks.
const TICK_NS: u64 = 16;
const TICKS: u64 = (1 << 48) - 1;

/// Sequence numbers have 40 bits: ten million a second for a day.
const SEQUENCES: u64 = (1 << 40) - 1;

/// The pattern starts at one of so many places.
const PLACES: usize = 256;

/// Who sent a message, in which place, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Below `FLOWS_MAX`.
    pub flow: u32,
    /// From 0, without gaps.
    pub sequence: u64,
    /// When it should have been sent, on the run's clock; a multiple of 16.
    pub at_ns: u64,
}

/// Strikes and reads the payloads of one run.
#[derive(Debug)]
pub(crate) struct Mint {
    run: u16,
    pattern: Box<[u8]>,
}

impl Mint {
    /// For payloads of up to so many bytes.
    pub(crate) fn new(run: u16, payload_bytes_max: usize) -> Self {
        // A linear congruence: any bytes do that differ from place to place.
        let mut state = u64::from(run) << 1 | 1;
        let pattern = (0..PLACES + payload_bytes_max).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        Self {
            run,
            pattern: pattern.collect(),
        }
    }

    /// Appends a payload. One shorter than a stamp has none.
    #[inline]
    pub(crate) fn strike(&self, stamp: Stamp, payload_bytes: usize, out: &mut Vec<u8>) {
        let Some(rest) = payload_bytes.checked_sub(BYTES) else {
            out.extend_from_slice(&self.pattern[..payload_bytes]);
            return;
        };
        let flow = u64::from(stamp.flow);
        let first = u64::from(self.run) << 48 | flow << 24 | ((stamp.sequence >> 16) & 0xFF_FFFF);
        let second = stamp.sequence << 48 | ((stamp.at_ns / TICK_NS) & TICKS);
        let both = u128::from(first) << 64 | u128::from(second);
        out.extend_from_slice(&both.to_be_bytes());
        out.extend_from_slice(self.rest(stamp, rest));
    }

    /// The stamp of a payload that this mint struck; `None` for any other.
    #[inline]
    pub(crate) fn read(&self, payload: &[u8]) -> Option<Stamp> {
        let (stamp, rest) = payload.split_first_chunk::<BYTES>()?;
        let both = u128::from_be_bytes(*stamp);
        let (first, second) = ((both >> 64) as u64, both as u64);
        let stamp = Stamp {
            flow: (first >> 24) as u32 & (FLOWS_MAX as u32 - 1),
            sequence: ((first & 0xFF_FFFF) << 16 | second >> 48) & SEQUENCES,
            at_ns: (second & TICKS) * TICK_NS,
        };
        let is_ours = first >> 48 == u64::from(self.run)
            && rest.len() + PLACES <= self.pattern.len()
            && rest == self.rest(stamp, rest.len());
        is_ours.then_some(stamp)
    }

    #[inline]
    fn rest(&self, stamp: Stamp, bytes: usize) -> &[u8] {
        let place = (stamp.flow as usize * 31).wrapping_add(stamp.sequence as usize) % PLACES;
        &self.pattern[place..place + bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(mint: &Mint, stamp: Stamp, bytes: usize) -> Vec<u8> {
        let mut out = Vec::new();
        mint.strike(stamp, bytes, &mut out);
        out
    }

    const STAMP: Stamp = Stamp {
        flow: 0x12_3456,
        sequence: 0xFE_DCBA_9876,
        at_ns: 0x1234_5678_9AB0,
    };

    #[test]
    fn a_stamp_is_read_as_it_was_struck() {
        let mint = Mint::new(0xBEEF, 1_000);
        for bytes in [16, 17, 64, 1_000] {
            let payload = struck(&mint, STAMP, bytes);
            assert_eq!(payload.len(), bytes);
            assert_eq!(mint.read(&payload), Some(STAMP));
        }
        for stamp in [
            Stamp {
                flow: 0,
                sequence: 0,
                at_ns: 0,
            },
            Stamp {
                flow: FLOWS_MAX as u32 - 1,
                sequence: SEQUENCES,
                at_ns: TICKS * TICK_NS,
            },
        ] {
            assert_eq!(mint.read(&struck(&mint, stamp, 64)), Some(stamp));
        }
    }

    #[test]
    fn any_changed_byte_of_run_or_pattern_is_noticed() {
        let mint = Mint::new(7, 100);
        let payload = struck(&mint, STAMP, 100);
        for at in (0..2).chain(BYTES..100) {
            let mut wrong = payload.clone();
            wrong[at] ^= 0x40;
            assert_eq!(mint.read(&wrong), None, "byte {at}");
        }
        // A changed stamp is another message's, with another pattern after it.
        let mut other = payload.clone();
        other[8..10].copy_from_slice(&(STAMP.sequence as u16 + 1).to_be_bytes());
        assert_eq!(mint.read(&other), None);
    }

    #[test]
    fn another_run_and_another_length_are_not_ours() {
        let mint = Mint::new(7, 100);
        assert_eq!(mint.read(&struck(&Mint::new(8, 100), STAMP, 64)), None);
        assert_eq!(mint.read(&[7; 4_000]), None);
        assert_eq!(mint.read(&struck(&mint, STAMP, 10)), None);
        assert_eq!(mint.read(&[]), None);
    }
}
