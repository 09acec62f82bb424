//! Reads quotas as callers write them: a mapping of names to mappings, or a list of mappings that have names.

use super::MAX_AMOUNT;
use crate::casing::Casing;
use crate::error::Error;
use crate::input::{Fields, Value, chosen};
use crate::limit::named;
use crate::record::{Per, Period, Quota};

const LAST_DAY: u8 = 31;
const PERS: [(&str, Per); 2] = [("key", Per::Key), ("org", Per::Org)];

/// Reads several quotas: a mapping of names to mappings, or a list of mappings that have names.
pub(crate) fn read(field: &str, value: Value) -> Result<Vec<Quota>, Error> {
    let quotas = named::read(field, value.into_argument(), |name, value| read_one(field, name, value))?;
    check(field, &quotas)?;
    Ok(quotas)
}

/// Whether a rule of a tier is a quota, and not a limit.
pub(crate) fn is_quota(value: &Value) -> bool {
    matches!(value, Value::Map(entries) if entries.iter().any(|(name, _)| name == "amount"))
}

/// Refuses quotas of one key that would count other keys' requests.
pub(crate) fn check_own(own: &[Quota]) -> Result<(), Error> {
    check("quotas", own)?;
    named::check_own(own)
}

/// Refuses a list of quotas that the types allow and the engine does not.
pub(crate) fn check(field: &str, quotas: &[Quota]) -> Result<(), Error> {
    let refused = |reason: String, fix: &str| Err(Error::validation_failed(field, reason, fix));
    named::check(field, quotas, |quota| {
        let name = &quota.name;
        // Reads numbers like a caller's, so that the errors have the same words.
        let number = |part: &str, number: u64, least: i64, most: u64| {
            let number = Value::Integer(number.into()).into_integer(part, least, most.cast_signed());
            number.map(drop).map_err(|error| error.within(field))
        };
        number("amount", quota.amount, if quota.every.is_some() { 1 } else { 0 }, MAX_AMOUNT)?;
        if quota.per == Per::Agent {
            return refused(format!("'{name}' is per agent, and a quota is not"), "use key or org");
        }
        match quota.anchor {
            Some(_) if quota.every != Some(Period::Month) => {
                refused(format!("'{name}' has an anchor, and no months"), "leave it out, or set every to month")
            }
            Some(day) => number("anchor", day.into(), 1, LAST_DAY.into()),
            None => Ok(()),
        }
    })
}

/// Reads one quota, whose name may stand outside.
pub(crate) fn read_one(field: &str, name: Option<&str>, value: Value) -> Result<Quota, Error> {
    let inside = |error: Error| error.within(field);
    let entries = match value.into_argument() {
        Value::Map(entries) => entries,
        other => return Err(other.refused(field, "a mapping with an amount for each quota")),
    };
    let known = ["name", "amount", "every", "anchor", "per", "operation"];
    let mut fields = Fields::new(Casing::Snake, entries).only(&known).map_err(inside)?;
    let name = named::read_name::<Quota>(field, &mut fields, name)?;
    let Some(amount) = fields.take("amount") else {
        return Err(Error::invalid_request(
            field,
            "holds a quota without an amount",
            "give amount, a number of requests",
        ));
    };
    let every = fields.text("every").map_err(inside)?;
    let per = fields.text("per").map_err(inside)?;
    let anchor = fields.given("anchor").map(|it| it.into_integer("anchor", 1, LAST_DAY.into())).transpose();
    Ok(Quota {
        amount: amount.into_integer("amount", 0, MAX_AMOUNT.cast_signed()).map_err(inside)?.unsigned_abs(),
        every: every.map(|text| chosen(field, &text, "every is no period of a quota", &Period::ALL)).transpose()?,
        anchor: anchor.map_err(inside)?.and_then(|day| u8::try_from(day).ok()),
        per: per.map_or(Ok(Per::Key), |text| chosen(field, &text, "per is nothing that a quota counts by", &PERS))?,
        operation: fields.text("operation").map_err(inside)?,
        name,
    })
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
    fn a_mapping_and_a_list() {
        let month = map(&[("amount", Value::Integer(100)), ("every", text("month")), ("anchor", Value::Integer(31))]);
        let named = super::read("quotas", map(&[("monthly", month)])).unwrap();
        assert_eq!(named, [Quota::new("monthly", 100).every(Period::Month).anchor(31)]);
        let balance =
            [("name", text("credits")), ("amount", Value::Integer(0)), ("every", Value::Null), ("per", text("org"))];
        let listed = super::read("quotas", Value::List(vec![map(&balance)])).unwrap();
        assert_eq!(listed, [Quota::new("credits", 0).per(Per::Org)]);
        assert_eq!(super::read("quotas", Value::List(vec![])), Ok(vec![]));
    }

    #[test]
    fn errors_name_option_part_and_fix() {
        let one =
            |entries: &[(&str, Value)]| super::read("quotas", map(&[("q", map(entries))])).unwrap_err().to_string();
        let amount = ("amount", Value::Integer(5));
        let month = ("every", text("month"));
        for (entries, error) in [
            (vec![], "quotas: holds a quota without an amount; give amount, a number of requests"),
            (
                vec![("amount", Value::Integer(0)), month.clone()],
                "quotas: amount is out of range; give an integer from 1 to 999999999999999",
            ),
            (
                vec![("amount", Value::Integer(-1))],
                "quotas: amount is out of range; give an integer from 0 to 999999999999999",
            ),
            (
                vec![amount.clone(), ("every", text("mont"))],
                "quotas: every is no period of a quota; did you mean month?",
            ),
            (
                vec![amount.clone(), month.clone(), ("anchor", Value::Integer(32))],
                "quotas: anchor is out of range; give an integer from 1 to 31",
            ),
            (
                vec![amount.clone(), ("every", text("week")), ("anchor", Value::Integer(1))],
                "quotas: 'q' has an anchor, and no months; leave it out, or set every to month",
            ),
            (
                vec![amount.clone(), ("per", text("agent"))],
                "quotas: per is nothing that a quota counts by; use key or org",
            ),
            (
                vec![amount.clone(), ("evry", text("day"))],
                "quotas: evry is no option of this call; did you mean every?",
            ),
            (
                vec![amount.clone(), ("name", text("r"))],
                "quotas: holds a quota with another name than it stands under; leave the inner name out",
            ),
        ] {
            assert_eq!(one(&entries), error);
        }
    }

    #[test]
    fn what_the_types_allow_is_checked_too() {
        let refused = |quota: Quota| check("quotas", &[quota]).unwrap_err().to_string();
        assert!(refused(Quota::new("q", MAX_AMOUNT + 1)).contains("amount is out of range"));
        assert!(refused(Quota::new("q", 0).every(Period::Day)).contains("amount is out of range"));
        assert!(refused(Quota::new("q", 1).every(Period::Month).anchor(0)).contains("anchor is out of range"));
        assert!(refused(Quota::new("q", 1).per(Per::Agent)).contains("per agent"));
        assert!(refused(Quota::new("Q", 1)).contains("the name of a quota"));
        assert!(refused(Quota::new("q", 1).operation("")).contains("the operation of a quota"));
        assert_eq!(check("quotas", &[Quota::new("a", MAX_AMOUNT), Quota::new("b", 0)]), Ok(()));
        assert!(check("quotas", &[Quota::new("a", 1), Quota::new("a", 2)]).is_err());
        let nine: Vec<Quota> = (0..9).map(|it| Quota::new(format!("a{it}"), 1)).collect();
        assert!(check("quotas", &nine).is_err() && check("quotas", &nine[1..]).is_ok());
        assert!(check_own(&[Quota::new("a", 1).per(Per::Org)]).unwrap_err().to_string().contains("'a' is per org"));
        assert!(is_quota(&map(&[("amount", Value::Null)])) && !is_quota(&map(&[("rate", Value::Null)])));
    }
}
