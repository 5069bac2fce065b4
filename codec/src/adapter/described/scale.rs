//! Numbers with a factor and an offset, exactly: 1234 with a factor of 0.1 is 123.4, and not 123.40000000000001.
//!
//! Factor and offset are taken as the decimal numbers that they are written as. What does not fit into 128 bits is computed
//! in floating point.

use super::description::Scale;
use super::value::push_integer;
use std::io::Write as _;

/// A factor and an offset, ready to be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaling {
    scale: Scale,
    exact: Option<(Decimal, Decimal)>,
}

/// `mantissa * 10^-places`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    mantissa: i128,
    places: u32,
}

/// Places of a number that is written exactly: 10^38 is the last power of ten that 128 bits have.
const PLACES_MAX: u32 = 38;

/// Digits of a factor that is not computed in floating point: 1/3 has more.
const DIGITS_MAX: u32 = 12;

impl Scaling {
    pub(super) fn new(scale: Scale) -> Self {
        let decimal = |number: f64| Decimal::read(format!("{number}").as_bytes());
        let is_short = |decimal: &Decimal| decimal.places <= DIGITS_MAX;
        let exact = decimal(scale.factor)
            .filter(is_short)
            .zip(decimal(scale.offset).filter(is_short));
        Self { scale, exact }
    }

    /// Appends `number`, scaled. Nothing is appended, and `false` returned, when it is not finite.
    pub(super) fn push(&self, number: Decimal, out: &mut Vec<u8>) -> bool {
        let exact = self
            .exact
            .and_then(|(factor, offset)| number.times(factor)?.plus(offset));
        match exact {
            Some(exact) => {
                exact.push(out);
                true
            }
            None => self.push_float(number.float(), out),
        }
    }

    /// The same for a number in floating point.
    pub(super) fn push_float(&self, number: f64, out: &mut Vec<u8>) -> bool {
        push_float(number * self.scale.factor + self.scale.offset, out)
    }
}

/// Appends the shortest decimal form that is read as the same number, if it is finite.
pub(super) fn push_float(number: f64, out: &mut Vec<u8>) -> bool {
    if number.is_finite() {
        write!(out, "{number:?}").expect("a vector takes everything");
    }
    number.is_finite()
}

impl Decimal {
    pub(super) fn integer(number: i128) -> Self {
        Self {
            mantissa: number,
            places: 0,
        }
    }

    /// Reads `-12.50`, of up to 36 digits.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        let mut number = Self::integer(0);
        let (mut seen, mut point) = (0, false);
        for byte in digits {
            match byte {
                b'.' if !point => point = true,
                b'0'..=b'9' if seen < 36 => {
                    number.mantissa = number.mantissa * 10 + i128::from(byte - b'0');
                    number.places += u32::from(point);
                    seen += 1;
                }
                _ => return None,
            }
        }
        if negative {
            number.mantissa = -number.mantissa;
        }
        (seen > 0).then_some(number)
    }

    fn times(self, other: Self) -> Option<Self> {
        let mantissa = self.mantissa.checked_mul(other.mantissa)?;
        let places = self.places + other.places;
        (places <= PLACES_MAX).then_some(Self { mantissa, places })
    }

    fn plus(self, other: Self) -> Option<Self> {
        let places = self.places.max(other.places);
        let aligned = |number: Self| {
            number
                .mantissa
                .checked_mul(10i128.checked_pow(places - number.places)?)
        };
        let mantissa = aligned(self)?.checked_add(aligned(other)?)?;
        Some(Self { mantissa, places })
    }

    fn float(self) -> f64 {
        self.mantissa as f64 / 10f64.powi(self.places.cast_signed())
    }

    /// Appends it as JSON has numbers, without zeros at the end of its fraction.
    pub(super) fn push(mut self, out: &mut Vec<u8>) {
        while self.places > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.places -= 1;
        }
        if self.mantissa < 0 {
            out.push(b'-');
        }
        let digits = self.mantissa.unsigned_abs();
        let Some(unit) = 10u128.checked_pow(self.places).filter(|_| self.places > 0) else {
            push_integer(digits, out);
            return;
        };
        push_integer(digits / unit, out);
        out.push(b'.');
        let fraction = digits % unit;
        let written = out.len();
        push_integer(fraction, out);
        let missing = self.places as usize - (out.len() - written);
        out.splice(written..written, std::iter::repeat_n(b'0', missing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(number: i128, factor: f64, offset: f64) -> String {
        let mut out = Vec::new();
        assert!(Scaling::new(Scale { factor, offset }).push(Decimal::integer(number), &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn scaled_numbers_are_exact() {
        for (number, factor, offset, expected) in [
            (1234, 0.1, 0.0, "123.4"),
            (1230, 0.1, 0.0, "123"),
            (5, 0.1, -40.0, "-39.5"),
            (39, 1.0, -40.0, "-1"),
            (40, 1.0, -40.0, "0"),
            (116_397_428, 0.000_001, 0.0, "116.397428"),
            (1, 0.001, 0.0, "0.001"),
            (-1, 0.01, 0.0, "-0.01"),
            (7, 1000.0, 0.5, "7000.5"),
            (i128::from(u64::MAX), 0.001, 0.0, "18446744073709551.615"),
            (3, 1.0 / 3.0, 0.0, "1.0"),
            (2, 1e300, 0.0, "2e300"),
        ] {
            assert_eq!(
                scaled(number, factor, offset),
                expected,
                "{number} * {factor} + {offset}"
            );
        }
    }

    #[test]
    fn what_is_not_finite_is_not_written() {
        let mut out = Vec::new();
        let scaling = Scaling::new(Scale {
            factor: 1e308,
            offset: 0.0,
        });
        assert!(!scaling.push(Decimal::integer(1 << 70), &mut out));
        assert_eq!(out, b"");
    }

    #[test]
    fn what_has_too_many_places_is_computed_in_floating_point() {
        let tiny = Decimal::read(b"0.00000000000000000000000000000000012").expect("35 places");
        let mut out = Vec::new();
        let scaling = Scaling::new(Scale {
            factor: 0.000_001,
            offset: 0.0,
        });
        assert!(scaling.push(tiny, &mut out));
        assert!(
            out.starts_with(b"1.2") && out.ends_with(b"e-40"),
            "{}",
            String::from_utf8_lossy(&out)
        );
        // With an offset that has places of its own, too.
        out.clear();
        let scaling = Scaling::new(Scale {
            factor: 0.000_001,
            offset: 0.001,
        });
        assert!(scaling.push(tiny, &mut out));
        assert_eq!(out, b"0.001");
    }

    #[test]
    fn decimals_are_read_and_written() {
        for (text, expected) in [
            ("-12.50", Some("-12.5")),
            ("+007", Some("7")),
            (".5", Some("0.5")),
            ("5.", Some("5")),
            ("-0", Some("0")),
            ("", None),
            (".", None),
            ("1e5", None),
            ("1.2.3", None),
        ] {
            let read = Decimal::read(text.as_bytes()).map(|decimal| {
                let mut out = Vec::new();
                decimal.push(&mut out);
                String::from_utf8(out).unwrap()
            });
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }
}
