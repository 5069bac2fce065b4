//! Checksums: computed over a frame, read from it, put into it.

use super::description::{Algorithm, Checksum};
use super::plan::{push_unsigned, unsigned};
use super::value::push_undigits;
use crc::{
    CRC_16_IBM_3740, CRC_16_IBM_SDLC, CRC_16_KERMIT, CRC_16_MODBUS, CRC_16_XMODEM, CRC_32_ISO_HDLC, Crc,
};
use std::ops::Range;

static MODBUS: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);
static CCITT_FALSE: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_3740);
static XMODEM: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);
static KERMIT: Crc<u16> = Crc::<u16>::new(&CRC_16_KERMIT);
static X25: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_SDLC);
static CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What a frame says of its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the same, or not.
    Compared {
        computed: u64,
        found: u64,
        at: Range<usize>,
        over: Range<usize>,
    },
    /// It is written in hex, and these bytes are no digits.
    NoDigits { at: Range<usize> },
    /// The frame is too short to have one.
    Absent,
}

impl Checksum {
    /// Compares what stands in `frame` with what it should be.
    pub(super) fn verify(&self, frame: &[u8]) -> Verdict {
        let Some((at, over)) = self.places(frame.len()) else {
            return Verdict::Absent;
        };
        let computed = compute(self.algorithm, &frame[over.clone()]);
        let bytes = &frame[at.clone()];
        if !self.hex {
            let found = unsigned(bytes, self.endian);
            return Verdict::Compared {
                computed,
                found,
                at,
                over,
            };
        }
        let mut binary = Vec::with_capacity(bytes.len());
        match push_undigits(bytes, &mut binary).filter(|()| binary.len() * 2 == bytes.len()) {
            Some(()) => Verdict::Compared {
                computed,
                found: unsigned(&binary, self.endian),
                at,
                over,
            },
            None => Verdict::NoDigits { at },
        }
    }

    /// Where to put a checksum into a frame of `size` bytes that has none.
    pub(super) fn gap(&self, size: usize) -> Option<usize> {
        let at = resolve(self.at, size + self.width())?;
        (at <= size).then_some(at)
    }

    /// Writes the checksum into a frame that has room for it where it stands; `None` when the frame is too short.
    pub(super) fn fill(&self, frame: &mut [u8]) -> Option<()> {
        let (at, over) = self.places(frame.len())?;
        let computed = compute(self.algorithm, &frame[over]);
        let mut bytes = Vec::with_capacity(8);
        if self.hex {
            let mut binary = Vec::with_capacity(4);
            push_unsigned(computed, self.width() / 2, self.endian, &mut binary);
            super::value::push_digits(&binary, false, &mut bytes);
            bytes.make_ascii_uppercase();
        } else {
            push_unsigned(computed, self.width(), self.endian, &mut bytes);
        }
        frame[at].copy_from_slice(&bytes);
        Some(())
    }

    /// Where it stands in a frame, and what it covers, which is something else.
    fn places(&self, size: usize) -> Option<(Range<usize>, Range<usize>)> {
        let at = resolve(self.at, size)?;
        let end = at.checked_add(self.width()).filter(|end| *end <= size)?;
        let from = resolve(self.from, size)?;
        let to = self.to.map_or(Some(size), |to| resolve(to, size))?;
        // What covers itself can never be right.
        let is_apart = to <= at || end <= from;
        (from <= to && is_apart).then_some((at..end, from..to))
    }
}

/// A position in `size` bytes that is counted from the front, or from the end when it is negative.
pub(super) fn resolve(position: i32, size: usize) -> Option<usize> {
    let distance = position.unsigned_abs() as usize;
    let at = if position < 0 {
        size.checked_sub(distance)?
    } else {
        distance
    };
    (at <= size).then_some(at)
}

/// What the bytes sum up to.
pub(super) fn compute(algorithm: Algorithm, bytes: &[u8]) -> u64 {
    let sum = || bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    match algorithm {
        Algorithm::Xor => u64::from(bytes.iter().fold(0, |sum, byte| sum ^ byte)),
        Algorithm::Sum8 => sum() & 0xff,
        Algorithm::Sum16 => sum() & 0xffff,
        Algorithm::Crc16Modbus => u64::from(MODBUS.checksum(bytes)),
        Algorithm::Crc16CcittFalse => u64::from(CCITT_FALSE.checksum(bytes)),
        Algorithm::Crc16Xmodem => u64::from(XMODEM.checksum(bytes)),
        Algorithm::Crc16Kermit => u64::from(KERMIT.checksum(bytes)),
        Algorithm::Crc16X25 => u64::from(X25.checksum(bytes)),
        Algorithm::Crc32 => u64::from(CRC32.checksum(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::Endian;
    use super::*;

    #[test]
    fn check_values_are_those_of_the_catalogue() {
        for (algorithm, expected) in [
            (Algorithm::Xor, 0x31),
            (Algorithm::Sum8, 0xdd),
            (Algorithm::Sum16, 0x01dd),
            (Algorithm::Crc16Modbus, 0x4b37),
            (Algorithm::Crc16CcittFalse, 0x29b1),
            (Algorithm::Crc16Xmodem, 0x31c3),
            (Algorithm::Crc16Kermit, 0x2189),
            (Algorithm::Crc16X25, 0x906e),
            (Algorithm::Crc32, 0xcbf4_3926),
        ] {
            assert_eq!(compute(algorithm, b"123456789"), expected, "{algorithm:?}");
        }
    }

    fn checksum(algorithm: Algorithm, from: i32, to: Option<i32>, at: i32) -> Checksum {
        Checksum {
            algorithm,
            from,
            to,
            at,
            endian: Endian::Little,
            hex: false,
        }
    }

    fn is_right(checksum: &Checksum, frame: &[u8]) -> bool {
        matches!(checksum.verify(frame), Verdict::Compared { computed, found, .. } if computed == found)
    }

    #[test]
    fn a_modbus_request_has_its_crc_at_the_end() {
        // The example of the Modbus over serial line specification's users: read 10 registers of unit 1.
        let frame = [0x01, 0x03, 0x00, 0x00, 0x00, 0x0a, 0xc5, 0xcd];
        assert!(is_right(
            &checksum(Algorithm::Crc16Modbus, 0, Some(-2), -2),
            &frame
        ));
        assert!(!is_right(
            &checksum(Algorithm::Crc16Modbus, 1, Some(-2), -2),
            &frame
        ));
    }

    #[test]
    fn nmea_has_its_checksum_in_hex_of_either_case() {
        let nmea = Checksum {
            hex: true,
            ..checksum(Algorithm::Xor, 1, Some(-3), -2)
        };
        let line = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A";
        assert!(is_right(&nmea, line));
        assert!(
            is_right(&nmea, &line.to_ascii_lowercase()) ^ true,
            "other letters have another sum"
        );
        let mut lower = line.to_vec();
        lower[68 - 1] = b'a';
        assert!(is_right(&nmea, &lower));
        lower[68 - 2] = b'x';
        assert_eq!(nmea.verify(&lower), Verdict::NoDigits { at: 66..68 });
        lower[68 - 2] = b' ';
        assert_eq!(nmea.verify(&lower), Verdict::NoDigits { at: 66..68 });
        // A sum of 0 is two digits, and not none.
        assert_eq!(nmea.verify(b"$*  "), Verdict::NoDigits { at: 2..4 });
        let mut filled = line.to_vec();
        filled[66..].fill(0);
        nmea.fill(&mut filled).unwrap();
        assert_eq!(filled, line, "in capitals, as NMEA has it");
    }

    #[test]
    fn a_frame_that_is_too_short_has_none() {
        let modbus = checksum(Algorithm::Crc16Modbus, 0, Some(-2), -2);
        assert_eq!(modbus.verify(&[1]), Verdict::Absent);
        assert_eq!(
            checksum(Algorithm::Xor, 3, Some(-1), -1).verify(&[1, 2, 3]),
            Verdict::Absent
        );
        assert_eq!(
            checksum(Algorithm::Xor, 0, None, 3).verify(&[1, 2, 3]),
            Verdict::Absent
        );
        // What it covers ends behind the frame, or begins there, or the checksum stands in it.
        for (from, to, at) in [(1, Some(9), 0), (9, None, 0), (0, Some(-1), 2), (0, None, 1)] {
            assert_eq!(
                checksum(Algorithm::Xor, from, to, at).verify(&[1, 2, 3, 4]),
                Verdict::Absent,
                "{from} {to:?} {at}"
            );
        }
    }

    #[test]
    fn what_is_filled_in_is_right_wherever_it_stands() {
        for (at, from, to) in [(-2, 0, Some(-2)), (0, 2, None), (-3, 0, Some(-3)), (1, 3, None)] {
            let checksum = checksum(Algorithm::Sum16, from, to, at);
            let mut frame = vec![1, 2, 3, 4];
            let gap = checksum.gap(frame.len()).unwrap();
            frame.splice(gap..gap, [0, 0]);
            checksum.fill(&mut frame).unwrap();
            assert!(is_right(&checksum, &frame), "{frame:?}");
            frame[3] ^= 1;
            assert!(!is_right(&checksum, &frame), "{frame:?}");
        }
    }
}
