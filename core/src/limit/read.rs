//! Reads limits as callers write them: a rate, a mapping with a rate, or several of these.

use super::named;
use crate::casing::Casing;
use crate::error::Error;
use crate::input::{Fields, Value, chosen};
use crate::record::{Limit, Per, WhenUnreachable};

const MAX_NUMBER: i64 = 1_000_000_000;
const PERS: [Per; 3] = [Per::Key, Per::Org, Per::Agent];
const ANSWERS: [WhenUnreachable; 3] = [WhenUnreachable::Local, WhenUnreachable::Refuse, WhenUnreachable::Allow];

/// Reads several limits: a mapping of names to rates or mappings, or a list of mappings that have names.
pub(crate) fn read(field: &str, value: Value, casing: Casing) -> Result<Vec<Limit>, Error> {
    let limits = named::read(field, value, |name, value| read_one(field, name, value, casing))?;
    check(field, &limits)?;
    Ok(limits)
}

/// Refuses limits of one key that would count other keys' requests.
pub(crate) fn check_own(own: &[Limit]) -> Result<(), Error> {
    check("limits", own)?;
    named::check_own(own)
}

/// Refuses a list of limits that the types allow and the engine does not.
pub(crate) fn check(field: &str, limits: &[Limit]) -> Result<(), Error> {
    named::check(field, limits, |limit| {
        for (part, number) in [("rate", limit.rate), ("burst", limit.burst)] {
            // Reads the number like a caller's, so that the error has the same words.
            let number = Value::Integer(number.into()).into_integer(part, 1, MAX_NUMBER);
            number.map_err(|error| error.within(field))?;
        }
        Ok(())
    })
}

pub(super) fn read_one(field: &str, name: Option<&str>, value: Value, casing: Casing) -> Result<Limit, Error> {
    let inside = |error: Error| error.within(field);
    let entries = match value.into_argument() {
        value @ (Value::Integer(_) | Value::Float(_)) if name.is_some() => vec![("rate".to_owned(), value)],
        Value::Map(entries) => entries,
        other if name.is_some() => {
            return Err(other.refused(field, "a rate a minute, or a mapping with a rate, for each limit"));
        }
        other => return Err(other.refused(field, "a mapping with name and rate for each limit")),
    };
    let known = ["name", "rate", "burst", "per", "operation", "exact", "when_unreachable"];
    let mut fields = Fields::new(casing, entries).only(&known).map_err(inside)?;
    let name = named::read_name::<Limit>(field, &mut fields, name)?;
    let Some(rate) = fields.take("rate") else {
        return Err(Error::invalid_request(field, "holds a limit without a rate", "give rate, the requests a minute"));
    };
    let number =
        |part: &str, value: Value| value.into_integer(part, 1, MAX_NUMBER).map(i64::unsigned_abs).map_err(inside);
    let rate = number("rate", rate)?;
    let burst = fields.given("burst").map_or(Ok(rate), |value| number("burst", value))?;
    let per = fields.text("per").map_err(inside)?.map_or(Ok(Per::Key), |text| read_per(field, &text))?;
    let exact = fields.given("exact").map_or(Ok(false), |value| value.into_bool("exact").map_err(inside))?;
    let answer = fields.text("when_unreachable").map_err(inside)?;
    let answer = answer.map_or(Ok(WhenUnreachable::Local), |text| read_answer(field, &text))?;
    let limit = Limit::new(name, rate).burst(burst).per(per).exact(exact).when_unreachable(answer);
    Ok(Limit { operation: fields.text("operation").map_err(inside)?, ..limit })
}

fn read_per(field: &str, text: &str) -> Result<Per, Error> {
    chosen(field, text, "per is nothing that a limit counts by", &PERS.map(|per| (per.as_str(), per)))
}

fn read_answer(field: &str, text: &str) -> Result<WhenUnreachable, Error> {
    let reason = "when_unreachable is no answer for a place that cannot be reached";
    chosen(field, text, reason, &ANSWERS.map(|answer| (answer.as_str(), answer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, Value)]) -> Value {
        Value::Map(entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn a_rate_a_mapping_and_a_list() {
        let read = Value::List(vec![
            map(&[("name", text("read")), ("rate", Value::Integer(100)), ("burst", Value::Integer(20))]),
            map(&[("name", text("write")), ("rate", Value::Integer(10)), ("operation", text("write"))]),
        ]);
        let split = vec![Limit::new("read", 100).burst(20), Limit::new("write", 10).operation("write")];
        assert_eq!(super::read("limits", read, Casing::Snake), Ok(split));
        let org = map(&[("rate", Value::Integer(1)), ("burst", Value::Null), ("per", text("org"))]);
        let named = super::read("limits", map(&[("read", Value::Integer(5)), ("write", org)]), Casing::Snake);
        assert_eq!(named, Ok(vec![Limit::new("read", 5), Limit::new("write", 1).per(Per::Org)]));
        assert_eq!(super::read("limits", Value::List(vec![]), Casing::Snake), Ok(vec![]));
        let strict = |name: &str| {
            let limit = [("rate", Value::Integer(5)), ("exact", Value::Bool(true)), (name, text("refuse"))];
            map(&[("strict", map(&limit))])
        };
        let read = vec![Limit::new("strict", 5).exact(true).when_unreachable(WhenUnreachable::Refuse)];
        assert_eq!(super::read("limits", strict("when_unreachable"), Casing::Snake), Ok(read.clone()));
        assert_eq!(super::read("limits", strict("whenUnreachable"), Casing::Camel), Ok(read));
    }

    #[test]
    fn errors_name_option_part_and_fix() {
        let one = |entries: &[(&str, Value)]| {
            super::read("limits", map(&[("read", map(entries))]), Casing::Snake).unwrap_err()
        };
        let rate = |value: Value| one(&[("rate", value)]).to_string();
        assert_eq!(rate(Value::Integer(0)), "limits: rate is out of range; give an integer from 1 to 1000000000");
        assert_eq!(rate(Value::Integer(u64::MAX.into())), rate(Value::Integer(0)));
        assert!(rate(Value::Bool(true)).contains("rate must be an integer from 1 to 1000000000, and is a boolean"));
        assert!(rate(Value::Float(f64::NAN)).contains("rate must be a whole number, and is not a number"));
        assert!(rate(Value::Null).contains("and is null"));
        let good = ("rate", Value::Integer(5));
        for (entry, text) in [
            (("brust", Value::Integer(1)), "limits: brust is no option of this call; did you mean burst?"),
            (("burst", Value::Integer(0)), "limits: burst is out of range; give an integer from 1 to 1000000000"),
            (("per", text("orgs")), "limits: per is nothing that a limit counts by; did you mean org?"),
            (
                ("when_unreachable", text("ignore")),
                "limits: when_unreachable is no answer for a place that cannot be reached; use local, refuse or allow",
            ),
            (
                ("exact", Value::Integer(1)),
                "limits: exact must be true or false, and is an integer; give true or false",
            ),
            (("per", Value::Integer(1)), "limits: per must be text, and is an integer; give text"),
            (
                ("name", text("other")),
                "limits: holds a limit with another name than it stands under; leave the inner name out",
            ),
        ] {
            assert_eq!(one(&[good.clone(), entry]).to_string(), text);
        }
        assert!(one(&[("burst", Value::Integer(5))]).to_string().contains("without a rate"));
        for operation in ["", "Read", "1read", "a b", &"a".repeat(65)] {
            let error = one(&[good.clone(), ("operation", text(operation))]);
            assert!(error.to_string().contains("the operation of a limit"), "{operation}");
        }
    }

    #[test]
    fn limits_of_one_list_have_different_names() {
        let twice = [Limit::new("a", 1), Limit::new("a", 2)];
        assert!(check("limits", &twice).unwrap_err().to_string().contains("two limits named 'a'"));
        let nine: Vec<Limit> = (0..9).map(|it| Limit::new(format!("a{it}"), 1)).collect();
        assert!(check("limits", &nine).is_err() && check("limits", &nine[1..]).is_ok());
        assert!(
            check("limits", &[Limit::new("a", 0)]).is_err() && check("limits", &[Limit::new("a", u64::MAX)]).is_err()
        );
        assert!(check_own(&[Limit::new("a", 1)]).is_ok());
        let error = check_own(&[Limit::new("a", 1).per(Per::Agent)]).unwrap_err().to_string();
        assert!(error.contains("'a' is per agent"), "{error}");
        assert!(super::read("limits", Value::List(vec![Value::Integer(5)]), Casing::Snake).is_err());
        let nameless = Value::List(vec![map(&[("rate", Value::Integer(5))])]);
        assert!(super::read("limits", nameless, Casing::Snake).unwrap_err().to_string().contains("without a name"));
    }
}
