//! Numbers and plans as people read them: `1,234,567`, `12.3 MB`, `85 us`, `1 publisher, QoS 0, 64 bytes`.
//!
//! For the table and the page; JSON keeps the numbers.

use ringwire_load::plan::{Group, Pace};

/// `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits that count: `0.213`, `4.31`, `85.2`, `1,234`.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "-".to_owned(),
        size if size >= 100.0 || size == 0.0 => {
            let whole = count(value.abs().round() as u64);
            if value <= -0.5 { format!("-{whole}") } else { whole }
        }
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// As [`number`], without zeros at the end: `2`, `0.5`, `1,500`.
pub fn short(value: f64) -> String {
    let text = number(value);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// `85.2 us`, `1.23 ms`, `2.10 s`.
pub fn microseconds(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{} s", number(value / 1e6)),
        _ if value >= 1e3 => format!("{} ms", number(value / 1e3)),
        _ => format!("{} us", number(value)),
    }
}

/// `640 B`, `12.3 KiB`, `1.50 GiB`.
pub fn bytes(value: f64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units
        .iter()
        .find(|(_, power)| value.abs() >= f64::from(1 << power));
    match unit {
        Some((name, power)) => format!("{} {name}", number(value / f64::from(1 << power))),
        None => format!("{value:.0} B"),
    }
}

/// What each client of a group does, on one line.
pub fn group(group: &Group) -> String {
    let mut parts = vec![format!("{} {}", count(group.count as u64), group.name)];
    if !group.filters.is_empty() {
        let filters = group.filters.iter();
        let filters: Vec<_> = filters
            .map(|filter| format!("{} at QoS {}", filter.text, filter.qos as u8))
            .collect();
        parts.push(format!("hears {}", filters.join(", ")));
    }
    if let Some(publishing) = &group.publishing {
        parts.push(format!(
            "sends {} bytes to {} at QoS {}, {}",
            publishing.payload_bytes,
            publishing.topics.join(", "),
            publishing.qos as u8,
            pace(publishing.pace),
        ));
    }
    if let Some(topic) = &group.echo_to {
        parts.push(format!("answers to {topic}"));
    }
    parts.join("; ")
}

fn pace(pace: Pace) -> String {
    match pace {
        Pace::Window { messages, .. } => format!("at most {} under way", count(u64::from(messages))),
        Pace::Rate { per_second, .. } => format!("{} a second", number(per_second)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0.0, 0.21349, 4.312, 85.23, 1_234.4, -250.6, f64::NAN].map(number),
            ["0", "0.213", "4.31", "85.2", "1,234", "-251", "-"]
        );
        assert_eq!(
            [85.23, 1_230.0, 2.1e6].map(microseconds),
            ["85.2 us", "1.23 ms", "2.10 s"]
        );
        let sizes = [640.0, 12_595.2, 1_610_612_736.0];
        assert_eq!(sizes.map(bytes), ["640 B", "12.3 KiB", "1.50 GiB"]);
    }
}
