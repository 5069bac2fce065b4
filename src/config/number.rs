//! Numbers with a unit and a range: counts, sizes like `"1MB"`, durations like `"15s"`.
//!
//! Sizes are powers of 1,024, as EMQX writes them. A duration needs its unit (only 0 does without), because nobody
//! remembers which key counts seconds and which milliseconds.

use super::form::{Form, Value, Wrong, quote};
use std::ops::RangeInclusive;
use toml::de::DeValue;

const SIZES: [(&str, u64); 4] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1)];

/// Microseconds of each.
const TIMES: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

enum Unit {
    Plain,
    PowerOfTwo,
    Bytes,
    /// Microseconds in one of what is kept.
    Time(u64),
}

/// See the module.
pub struct Number {
    unit: Unit,
    range: RangeInclusive<u64>,
}

impl Number {
    pub(super) fn plain(range: RangeInclusive<u64>) -> Self {
        let unit = Unit::Plain;
        Self { unit, range }
    }

    pub(super) fn power_of_two(range: RangeInclusive<u64>) -> Self {
        let unit = Unit::PowerOfTwo;
        Self { unit, range }
    }

    pub(super) fn size(range: RangeInclusive<u64>) -> Self {
        let unit = Unit::Bytes;
        Self { unit, range }
    }

    pub(super) fn time(microseconds: u64, range: RangeInclusive<u64>) -> Self {
        let unit = Unit::Time(microseconds);
        Self { unit, range }
    }

    fn parse(&self, value: &DeValue<'_>) -> Option<u64> {
        match (value, &self.unit) {
            (DeValue::Integer(digits), Unit::Time(_)) => (digits.as_str() == "0").then_some(0),
            (DeValue::Integer(digits), _) => u64::from_str_radix(digits.as_str(), digits.radix()).ok(),
            (DeValue::String(text), Unit::Bytes) => {
                let text = text.replace("iB", "B");
                scaled(&text, &SIZES)
            }
            (DeValue::String(text), Unit::Time(base)) => {
                let microseconds = scaled(text, &TIMES)?;
                microseconds.is_multiple_of(*base).then_some(microseconds / base)
            }
            _ => None,
        }
    }

    fn fits(&self, number: u64) -> bool {
        let shape = !matches!(self.unit, Unit::PowerOfTwo) || number.is_power_of_two();
        shape && self.range.contains(&number)
    }

    fn written(&self, number: u64) -> String {
        let largest = |units: &[(&str, u64)], number: u64| {
            let unit = units.iter().find(|(_, unit)| number.is_multiple_of(*unit));
            let (name, unit) = unit.unwrap_or(&("", 1));
            format!("{}{name}", number / unit)
        };
        match self.unit {
            Unit::Plain | Unit::PowerOfTwo => number.to_string(),
            Unit::Bytes | Unit::Time(_) if number == 0 => "0".to_owned(),
            Unit::Bytes if !number.is_multiple_of(1_024) => number.to_string(),
            Unit::Bytes => quote(&largest(&SIZES, number)),
            Unit::Time(base) => quote(&largest(&TIMES, number * base)),
        }
    }
}

/// `15s` or `0`, as flags of the command line write it.
pub fn microseconds(text: &str) -> Option<u64> {
    if text == "0" {
        Some(0)
    } else {
        scaled(text, &TIMES)
    }
}

/// `64` or `1KB`, as flags of the command line write it.
pub fn bytes(text: &str) -> Option<u64> {
    let plain = text.parse().ok();
    plain.or_else(|| scaled(&text.replace("iB", "B"), &SIZES))
}

/// `"15s"` with the units' factors: digits, then one unit's name.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, name) = text.split_at(digits);
    let (_, unit) = units.iter().find(|(unit, _)| *unit == name.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*unit)
}

impl<T> Form<T> for Number
where
    T: Copy + TryFrom<u64>,
    u64: TryFrom<T>,
{
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<T> {
        let number = self.parse(value.get_ref()).filter(|number| self.fits(*number));
        let read = number.and_then(|number| T::try_from(number).ok());
        if read.is_none() {
            let expects = <Self as Form<T>>::expects(self);
            wrong.push(Wrong::value(value, format!("expected {expects}")));
        }
        read
    }

    fn write(&self, value: &T) -> String {
        u64::try_from(*value).map_or_else(|_| String::new(), |number| self.written(number))
    }

    fn expects(&self) -> String {
        let (from, to) = (self.written(*self.range.start()), self.written(*self.range.end()));
        match self.unit {
            Unit::Plain => format!("a number, {from} to {to}"),
            Unit::PowerOfTwo => format!("a power of two, {from} to {to}"),
            Unit::Bytes => format!("bytes like 4096 or \"1MB\", {from} to {to}"),
            Unit::Time(_) => {
                format!("a duration like \"15s\", {from} to {to}")
            }
        }
    }
}
