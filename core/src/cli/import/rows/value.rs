//! The values of columns as each export writes them: text in CSV, types in JSON.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::Row;
use crate::error::Error;
use crate::input::Value;

/// Numbers from here on are milliseconds, smaller ones seconds: 3 March 1973 in milliseconds, the year 5138 in seconds.
const FIRST_MILLIS: i64 = 100_000_000_000;

impl Row {
    /// Takes text. A number is its digits.
    pub(in crate::cli::import) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        self.take(name).map(|value| text_of(name, value)).transpose()
    }

    /// Takes text that every row has.
    pub(in crate::cli::import) fn needed(&mut self, name: &str) -> Result<String, Error> {
        let is_there = self.has(name);
        self.text(name)?.ok_or_else(|| {
            if is_there {
                return Error::validation_failed(name, "is empty", "export the row with its value");
            }
            let fix = "export the table with all its columns and their names, and say with --from where it is from";
            Error::invalid_request(name, "is no column of the row", fix)
        })
    }

    /// Takes a time. Without an offset it is in UTC.
    pub(in crate::cli::import) fn time(&mut self, name: &str) -> Result<Option<DateTime<Utc>>, Error> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let time = match value {
            Value::Text(text) => time_of(text.trim()),
            Value::Integer(number) => i64::try_from(number).ok().and_then(unix_time),
            other => return Err(other.refused(name, "a time")),
        };
        let fix = "write it like 2030-01-31T12:00:00Z, or as seconds or milliseconds since 1970";
        time.map(Some).ok_or_else(|| Error::validation_failed(name, "is no time", fix))
    }

    /// Takes a boolean, which databases also write as a number or a letter.
    pub(in crate::cli::import) fn flag(&mut self, name: &str) -> Result<Option<bool>, Error> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let is_set = match &value {
            Value::Bool(it) => Some(*it),
            Value::Integer(0) => Some(false),
            Value::Integer(1) => Some(true),
            Value::Text(text) => match text.to_ascii_lowercase().as_str() {
                "1" | "t" | "true" => Some(true),
                "0" | "f" | "false" => Some(false),
                _ => None,
            },
            other => return Err(other.refused(name, "true or false")),
        };
        is_set
            .map(Some)
            .ok_or_else(|| Error::validation_failed(name, "is neither true nor false", "write true or false"))
    }

    /// Takes a whole number.
    pub(in crate::cli::import) fn integer(&mut self, name: &str) -> Result<Option<Value>, Error> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value {
            Value::Integer(number) => Ok(Some(Value::Integer(number))),
            Value::Text(text) => text
                .parse()
                .map(|number| Some(Value::Integer(number)))
                .map_err(|_| Error::validation_failed(name, "is no whole number", "write it in digits")),
            other => Err(other.refused(name, "a whole number")),
        }
    }

    /// Takes texts: a list, a JSON list as text, an array of PostgreSQL, or texts between commas.
    pub(in crate::cli::import) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Text(text)) if text.trim_start().starts_with('[') => {
                json(name, &text)?.into_texts(name).map(Some)
            }
            Some(Value::Text(text)) => {
                let array = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(&text);
                let items = array.split(',').map(|item| item.trim().trim_matches('"').to_owned());
                Ok(Some(items.filter(|item| !item.is_empty()).collect()))
            }
            Some(list) => list.into_texts(name).map(Some),
        }
    }

    /// Takes a mapping, or one that is written as JSON.
    pub(in crate::cli::import) fn map(&mut self, name: &str) -> Result<Option<Vec<(String, Value)>>, Error> {
        let mut value = self.take(name);
        // better-auth has written some of its metadata as JSON within JSON.
        for _ in 0..2 {
            if let Some(Value::Text(text)) = &value {
                value = Some(json(name, text)?);
            }
        }
        match value {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.into_map(name).map(Some),
        }
    }
}

pub(super) fn text_of(name: &str, value: Value) -> Result<String, Error> {
    match value {
        Value::Integer(number) => Ok(number.to_string()),
        other => other.into_text(name),
    }
}

fn json(name: &str, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text)
        .map_err(|_| Error::validation_failed(name, "is no JSON", "export the column as the product wrote it"))
}

fn unix_time(number: i64) -> Option<DateTime<Utc>> {
    if number.abs() >= FIRST_MILLIS {
        DateTime::from_timestamp_millis(number)
    } else {
        DateTime::from_timestamp(number, 0)
    }
}

fn time_of(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(number) = text.parse::<i64>() {
        return unix_time(number);
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z"] {
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return Some(time.with_timezone(&Utc));
        }
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%d %H:%M:%S%.fZ", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some(time.and_utc());
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    date.and_hms_opt(0, 0, 0).map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    fn row(value: Value) -> Row {
        Row::new(1, vec![(Rc::from("it"), value)])
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn times_of_each_database() {
        for (written, read) in [
            ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
            ("2026-01-02T03:04:05+01:30", "2026-01-02T01:34:05Z"),
            ("2026-01-02 03:04:05.678901+00", "2026-01-02T03:04:05.678901Z"),
            ("2026-01-02 03:04:05+0100", "2026-01-02T02:04:05Z"),
            ("2026-01-02 03:04:05", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05", "2026-01-02T03:04:05Z"),
            ("2026-01-02", "2026-01-02T00:00:00Z"),
            ("1767323045", "2026-01-02T03:04:05Z"),
            ("1767323045678", "2026-01-02T03:04:05.678Z"),
        ] {
            let wanted: DateTime<Utc> = read.parse().unwrap();
            assert_eq!(row(text(written)).time("it"), Ok(Some(wanted)), "{written}");
        }
        assert_eq!(
            row(Value::Integer(1_767_323_045_678)).time("it").unwrap().unwrap().timestamp_millis(),
            1_767_323_045_678
        );
        for wrong in ["tomorrow", "2026-13-01", "01/02/2026", "2026-01-02T25:00:00Z", "9999999999999999999"] {
            assert_eq!(row(text(wrong)).time("it").unwrap_err().field(), Some("it"), "{wrong}");
        }
        assert!(row(Value::Bool(true)).time("it").is_err());
    }

    #[test]
    fn booleans_of_each_database() {
        for (value, is_set) in [(text("t"), true), (text("F"), false), (text("0"), false), (Value::Integer(1), true)] {
            assert_eq!(row(value).flag("it"), Ok(Some(is_set)));
        }
        for wrong in [text("maybe"), Value::Integer(2), Value::Float(0.5)] {
            assert!(row(wrong).flag("it").is_err());
        }
    }

    #[test]
    fn lists_of_each_export() {
        let wanted = Ok(Some(vec!["a:b".to_owned(), "c".to_owned()]));
        for value in [text("[\"a:b\",\"c\"]"), text("a:b, c"), text("{a:b,c}"), text("{\"a:b\",c}")] {
            assert_eq!(row(value).texts("it"), wanted);
        }
        assert_eq!(row(Value::List(vec![text("a:b"), text("c")])).texts("it"), wanted);
        assert_eq!(row(text("[]")).texts("it"), Ok(Some(Vec::new())));
        for wrong in [text("[1]"), text("["), Value::Integer(7)] {
            assert!(row(wrong).texts("it").is_err());
        }
    }

    #[test]
    fn mappings_may_be_json_within_json() {
        let wanted = Ok(Some(vec![("a".to_owned(), Value::Integer(1))]));
        for written in ["{\"a\":1}", "\"{\\\"a\\\":1}\""] {
            assert_eq!(row(text(written)).map("it"), wanted);
        }
        assert_eq!(row(text("null")).map("it"), Ok(None));
        assert!(row(text("[1]")).map("it").is_err() && row(text("{")).map("it").is_err());
    }

    #[test]
    fn a_missing_column_and_an_empty_one_differ() {
        assert_eq!(row(text("x")).needed("other").unwrap_err().code(), "invalid_request");
        assert_eq!(row(text("")).needed("it").unwrap_err().code(), "validation_failed");
        assert_eq!(row(Value::Integer(7)).needed("it"), Ok("7".to_owned()));
    }
}
