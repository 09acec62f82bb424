//! The calendar periods of quotas, in UTC, which has no daylight saving time. Milliseconds in, milliseconds out.

use chrono::{DateTime, Datelike, NaiveDate};

use crate::clock::{DAY, MAX_TIME, Millis, SECOND};
use crate::record::Period;

const HOUR: Millis = 3_600 * SECOND;
const WEEK: Millis = 7 * DAY;

/// 1970-01-05, the first Monday after the epoch.
const FIRST_MONDAY: Millis = 4 * DAY;

/// The first time that a calendar of four-digit years has: 0001-01-01.
const MIN_TIME: Millis = -62_135_596_800_000;

/// One period of a quota: from its start up to, and without, its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) starts_at: Millis,
    pub(crate) ends_at: Millis,
}

impl Span {
    /// The span of a balance, which never ends.
    pub(crate) const ENDLESS: Self = Self { starts_at: 0, ends_at: Millis::MAX };

    /// The period that holds a time. Months begin on the day `anchor`, or on their last day where that is earlier.
    pub(crate) fn of(every: Option<Period>, anchor: Option<u8>, at: Millis) -> Self {
        let at = at.clamp(MIN_TIME, MAX_TIME);
        match every {
            None => Self::ENDLESS,
            Some(Period::Hour) => Self::regular(HOUR, 0, at),
            Some(Period::Day) => Self::regular(DAY, 0, at),
            Some(Period::Week) => Self::regular(WEEK, FIRST_MONDAY, at),
            Some(Period::Month) => Self::month(anchor.unwrap_or(1).into(), at),
        }
    }

    #[cfg(test)]
    fn holds(&self, at: Millis) -> bool {
        // A balance holds the times before the epoch too.
        *self == Self::ENDLESS || (self.starts_at..self.ends_at).contains(&at.clamp(MIN_TIME, MAX_TIME))
    }

    /// Seconds until the end, rounded up, so that a client that waits this long has waited long enough. `None` without an end.
    pub(crate) fn seconds_left(&self, at: Millis) -> Option<u64> {
        let left = (*self != Self::ENDLESS).then(|| self.ends_at.saturating_sub(at).max(1))?;
        Some(left.unsigned_abs().div_ceil(SECOND.unsigned_abs()))
    }

    fn regular(length: Millis, origin: Millis, at: Millis) -> Self {
        let starts_at = at - (at - origin).rem_euclid(length);
        Self { starts_at, ends_at: starts_at + length }
    }

    fn month(anchor: u32, at: Millis) -> Self {
        // The clamp of `of` leaves only times that the calendar has.
        let date = DateTime::from_timestamp_millis(at).unwrap_or_default().date_naive();
        let months = date.year() * 12 + date.month0().cast_signed();
        let this = month_start(months, anchor);
        let months = if at < this { months - 1 } else { months };
        Self { starts_at: month_start(months, anchor), ends_at: month_start(months + 1, anchor) }
    }
}

/// The start of a month, counted from January of the year 0.
fn month_start(months: i32, anchor: u32) -> Millis {
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12).unsigned_abs() + 1);
    // The last day of a month is one of these four.
    let last = |day: &u32| NaiveDate::from_ymd_opt(year, month, *day);
    let date = [anchor, 31, 30, 29, 28].iter().filter(|day| **day <= anchor).find_map(last);
    date.unwrap_or_default().and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Timelike, Utc, Weekday};
    use proptest::prelude::*;

    use super::*;

    const PERIODS: [Period; 4] = [Period::Hour, Period::Day, Period::Week, Period::Month];

    fn at(text: &str) -> Millis {
        text.parse::<DateTime<Utc>>().unwrap().timestamp_millis()
    }

    fn text(at: Millis) -> String {
        DateTime::from_timestamp_millis(at).unwrap().format("%Y-%m-%dT%H:%M:%S").to_string()
    }

    fn span(every: Period, anchor: Option<u8>, time: &str) -> [String; 2] {
        let span = Span::of(Some(every), anchor, at(time));
        [text(span.starts_at), text(span.ends_at)]
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        let time = "2026-03-01T12:34:56.789Z";
        assert_eq!(span(Period::Hour, None, time), ["2026-03-01T12:00:00", "2026-03-01T13:00:00"]);
        assert_eq!(span(Period::Day, None, time), ["2026-03-01T00:00:00", "2026-03-02T00:00:00"]);
        // A Sunday belongs to the week of the Monday before.
        assert_eq!(span(Period::Week, None, time), ["2026-02-23T00:00:00", "2026-03-02T00:00:00"]);
        assert_eq!(span(Period::Month, None, time), ["2026-03-01T00:00:00", "2026-04-01T00:00:00"]);
        assert_eq!(span(Period::Month, Some(15), time), ["2026-02-15T00:00:00", "2026-03-15T00:00:00"]);
    }

    #[test]
    fn a_short_month_begins_on_its_last_day() {
        let month = |anchor, time| span(Period::Month, Some(anchor), time);
        assert_eq!(month(31, "2026-02-27T23:59:59.999Z"), ["2026-01-31T00:00:00", "2026-02-28T00:00:00"]);
        assert_eq!(month(31, "2026-02-28T00:00:00Z"), ["2026-02-28T00:00:00", "2026-03-31T00:00:00"]);
        assert_eq!(month(30, "2028-02-29T00:00:00Z"), ["2028-02-29T00:00:00", "2028-03-30T00:00:00"]);
        assert_eq!(month(29, "2026-03-01T00:00:00Z"), ["2026-02-28T00:00:00", "2026-03-29T00:00:00"]);
        assert_eq!(month(31, "2026-05-30T23:00:00Z"), ["2026-04-30T00:00:00", "2026-05-31T00:00:00"]);
    }

    #[test]
    fn periods_before_the_epoch_and_at_the_end_of_time_have_their_calendar_too() {
        assert_eq!(span(Period::Hour, None, "1969-12-31T23:59:59.999Z")[1], "1970-01-01T00:00:00");
        assert_eq!(span(Period::Week, None, "1970-01-01T00:00:00Z"), ["1969-12-29T00:00:00", "1970-01-05T00:00:00"]);
        assert_eq!(
            span(Period::Month, Some(2), "1970-01-01T00:00:00Z"),
            ["1969-12-02T00:00:00", "1970-01-02T00:00:00"]
        );
        for every in PERIODS {
            for time in [Millis::MIN, MIN_TIME, MAX_TIME, Millis::MAX] {
                let span = Span::of(Some(every), Some(31), time);
                assert!(span.holds(time) && span.starts_at < span.ends_at, "{every:?} at {time}");
            }
        }
        let last = Span::of(Some(Period::Month), None, MAX_TIME);
        assert_eq!((text(last.starts_at).as_str(), last.ends_at), ("9999-12-01T00:00:00", MAX_TIME + 1));
    }

    #[test]
    fn a_wait_is_rounded_up_and_a_balance_has_none() {
        let span = Span::of(Some(Period::Hour), None, 0);
        let left = [0, 1, HOUR - 1_000, HOUR - 999, HOUR - 1].map(|at| span.seconds_left(at).unwrap());
        assert_eq!(left, [3_600, 3_600, 1, 1, 1]);
        let balance = Span::of(None, None, -5);
        assert_eq!((balance.seconds_left(0), balance.holds(-5)), (None, true));
    }

    proptest! {
        /// Periods leave no gap and never overlap.
        #[test]
        fn each_time_is_in_one_period(time in MIN_TIME..=MAX_TIME, every in prop::sample::select(&PERIODS), anchor in 1..=31_u8) {
            let of = |time| Span::of(Some(every), Some(anchor), time);
            let span = of(time);
            prop_assert!(span.holds(time));
            for inside in [span.starts_at, span.ends_at - 1] {
                prop_assert_eq!(of(inside), span);
            }
            if span.ends_at <= MAX_TIME {
                prop_assert_eq!(of(span.ends_at).starts_at, span.ends_at);
            }
            if span.starts_at > MIN_TIME {
                prop_assert_eq!(of(span.starts_at - 1).ends_at, span.starts_at);
            }
        }

        #[test]
        fn starts_are_where_the_names_say(time in MIN_TIME..=MAX_TIME - 40 * DAY, anchor in 1..=31_u8) {
            let start = |every| DateTime::from_timestamp_millis(Span::of(Some(every), Some(anchor), time).starts_at).unwrap();
            for every in PERIODS {
                let start = start(every);
                prop_assert_eq!((start.minute(), start.second(), start.nanosecond()), (0, 0, 0));
                prop_assert!(every == Period::Hour || start.hour() == 0);
            }
            prop_assert_eq!(start(Period::Week).weekday(), Weekday::Mon);
            let month = start(Period::Month);
            let is_last_day = (month + TimeDelta::days(1)).month() != month.month();
            let anchor = u32::from(anchor);
            prop_assert!(month.day() == anchor || (month.day() < anchor && is_last_day));
        }
    }
}
