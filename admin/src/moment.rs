//! Times of day in the API: RFC 3339 in UTC when written; when read also another offset, or seconds since 1970, as EMQX
//! takes them.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What EMQX calls "never".
const NEVER: &str = "infinity";

/// A time as a request gives it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Moment {
    Seconds(u64),
    Text(String),
}

impl Moment {
    /// Seconds since 1970, `Some(None)` for never; `None` when it is no time.
    pub(crate) fn seconds(&self) -> Option<Option<u64>> {
        let text = match self {
            Self::Seconds(seconds) => return Some(Some(*seconds)),
            Self::Text(text) if text == NEVER => return Some(None),
            Self::Text(text) => text,
        };
        let read = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        u64::try_from(read.unix_timestamp()).ok().map(Some)
    }
}

/// Milliseconds since 1970 as text; those of the second only where there are any.
pub fn text_of_ms(unix_ms: u64) -> String {
    let nanos = i128::from(unix_ms) * 1_000_000;
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    let text = moment.and_then(|moment| moment.format(&Rfc3339).ok());
    // Years from 10,000 on have no text in RFC 3339.
    text.unwrap_or_else(|| NEVER.to_owned())
}

/// Seconds since 1970 as text, or never.
pub(crate) fn text_of_s(unix_s: Option<u64>) -> String {
    unix_s.map_or_else(
        || NEVER.to_owned(),
        |unix_s| text_of_ms(unix_s.saturating_mul(1_000)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_and_written_in_one() {
        let text = |text: &str| Moment::Text(text.to_owned());
        let rows = [
            (Moment::Seconds(1_635_169_727), Some(Some(1_635_169_727))),
            (text("2021-10-25T21:48:47+08:00"), Some(Some(1_635_169_727))),
            (text("2021-10-25T13:48:47Z"), Some(Some(1_635_169_727))),
            (text("infinity"), Some(None)),
            (text("soon"), None),
            (text("1900-01-01T00:00:00Z"), None),
        ];
        for (moment, expected) in rows {
            assert_eq!(moment.seconds(), expected, "{moment:?}");
        }
        assert_eq!(text_of_s(Some(1_635_169_727)), "2021-10-25T13:48:47Z");
        assert_eq!(text_of_ms(1_635_169_727_120), "2021-10-25T13:48:47.12Z");
        assert_eq!(text_of_s(None), "infinity");
        assert_eq!(text_of_s(Some(u64::MAX)), "infinity");
    }
}
