use super::Value;
use crate::clock::{self, Millis};
use crate::error::Error;

/// Reads a duration, or text like `24h` or `0`, as milliseconds in `0..=most`.
pub(crate) fn span(field: &str, value: Value, most: Millis) -> Result<Millis, Error> {
    let longest = if most < clock::DAY {
        format!("{} minutes", most / (60 * clock::SECOND))
    } else {
        format!("{} days", most / clock::DAY)
    };
    let fix = || format!("give a whole number with s, m, h or d, like \"30s\" or \"24h\", from 0 to {longest}");
    let millis = match value {
        Value::Integer(0) => 0,
        Value::Integer(_) | Value::Float(_) => {
            return Err(Error::validation_failed(field, "is a number without a unit", fix()));
        }
        Value::Duration(millis) => millis,
        Value::Text(text) if text == "0" => 0,
        Value::Text(text) => {
            let mut digits = text.chars();
            let unit = match digits.next_back() {
                Some('s') => clock::SECOND,
                Some('m') => 60 * clock::SECOND,
                Some('h') => 3_600 * clock::SECOND,
                Some('d') => clock::DAY,
                _ => return Err(Error::validation_failed(field, "is no duration with a unit", fix())),
            };
            let digits = digits.as_str();
            if digits.is_empty() || digits.len() > 12 || !digits.bytes().all(|it| it.is_ascii_digit()) {
                return Err(Error::validation_failed(field, "is no duration with a unit", fix()));
            }
            digits.parse::<i64>().ok().and_then(|it| it.checked_mul(unit)).unwrap_or(i64::MAX)
        }
        other => return Err(other.refused(field, "a duration")),
    };
    if (0..=most).contains(&millis) {
        Ok(millis)
    } else {
        Err(Error::validation_failed(field, "is out of range", fix()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let read = |text: &str| span("grace", Value::Text(text.into()), 365 * clock::DAY);
        assert_eq!(read("24h"), Ok(clock::DAY));
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("90s"), Ok(90_000));
        for bad in ["", "h", "-1h", "1.5h", "24", "1w", "999999999999d", "366d", "24H", " 1h", "１h"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_boolean_is_no_integer() {
        assert_eq!(Value::Bool(true).into_integer("limit", 1, 10).unwrap_err().code(), "invalid_request");
        assert_eq!(Value::Float(f64::NAN).into_integer("limit", 1, 10).unwrap_err().code(), "validation_failed");
    }
}
