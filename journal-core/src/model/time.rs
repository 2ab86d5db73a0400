//! Dates and times in text: ISO 8601, UTC, years 0001 to 9999, microseconds.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, SecondsFormat, Timelike};

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

fn epoch_day() -> NaiveDate {
    DateTime::UNIX_EPOCH.date_naive()
}

/// `2005-05-24` as days since 1970-01-01; `None` for anything else or a year outside 0001 to 9999.
pub fn parse_date(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    if !(1..=9999).contains(&date.year()) {
        return None;
    }
    i32::try_from(date.signed_duration_since(epoch_day()).num_days()).ok()
}

/// `22:53:30`, with up to six digits behind a point, as microseconds since midnight.
pub fn parse_time(text: &str) -> Option<i64> {
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok()?;
    if time.nanosecond() % 1000 != 0 || time.nanosecond() >= 1_000_000_000 {
        return None; // Never rounded in silence; a leap second has no place on this scale.
    }
    Some(i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1000))
}

/// `2005-05-24T22:53:30Z`, with up to six digits behind the seconds, an offset in place of `Z`, or a blank in place of
/// `T`, as microseconds since 1970. A text without zone is refused: it names no instant.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let instant = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .ok()?;
    let utc = instant.naive_utc();
    let nanos = utc.and_utc().timestamp_subsec_nanos();
    if nanos % 1000 != 0 || nanos >= 1_000_000_000 || !(1..=9999).contains(&utc.year()) {
        return None;
    }
    Some(utc.and_utc().timestamp_micros())
}

/// The text of a day: `2005-05-24`.
pub fn date_text(days: i32) -> String {
    let step = Days::new(u64::from(days.unsigned_abs()));
    let day = if days < 0 { epoch_day().checked_sub_days(step) } else { epoch_day().checked_add_days(step) };
    day.map_or_else(|| format!("day {days}"), |day| day.to_string())
}

/// The text of a time of day, always with six digits: `22:53:30.000000`.
pub fn time_text(micros: i64) -> String {
    let within = micros.rem_euclid(DAY_MICROS);
    let (seconds, fraction) = (within / 1_000_000, within % 1_000_000);
    format!("{:02}:{:02}:{:02}.{fraction:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The text of an instant, always with six digits, so that texts sort as instants do:
/// `2005-05-24T22:53:30.000000Z`.
pub fn timestamp_text(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).map_or_else(
        || format!("instant {micros}"),
        |instant| instant.to_rfc3339_opts(SecondsFormat::Micros, true),
    )
}

/// Whether an instant lies in the years 0001 to 9999.
pub fn timestamp_in_range(micros: i64) -> bool {
    DateTime::from_timestamp_micros(micros).is_some_and(|instant| (1..=9999).contains(&instant.year()))
}

/// Whether a day lies in the years 0001 to 9999.
pub fn date_in_range(days: i32) -> bool {
    timestamp_in_range(i64::from(days).saturating_mul(DAY_MICROS))
}

/// Whether a number of microseconds is a time of day.
pub fn time_in_range(micros: i64) -> bool {
    (0..DAY_MICROS).contains(&micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back() {
        for text in
            ["0001-01-01T00:00:00.000000Z", "2005-05-24T22:53:30.000001Z", "9999-12-31T23:59:59.999999Z"]
        {
            assert_eq!(timestamp_text(parse_timestamp(text).unwrap()), text);
        }
        for text in ["0001-01-01", "1969-12-31", "2024-02-29", "9999-12-31"] {
            assert_eq!(date_text(parse_date(text).unwrap()), text);
        }
        assert_eq!(time_text(parse_time("22:53:30.5").unwrap()), "22:53:30.500000");
        assert_eq!(parse_timestamp("2005-05-24 22:53:30+02"), parse_timestamp("2005-05-24T20:53:30Z"));
    }

    #[test]
    fn what_has_no_exact_place_is_refused() {
        for text in
            ["2005-05-24T22:53:30", "2005-05-24T22:53:30.0000001Z", "2023-02-29T00:00:00Z", "infinity"]
        {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
        assert_eq!(parse_date("10000-01-01"), None);
        assert_eq!(parse_time("24:00:00"), None);
    }
}
