//! Rules with names, as callers write them: a mapping of names to rules, or a list of rules that have names. Limits and quotas are
//! such rules.

use crate::error::Error;
use crate::input::{Fields, Value};
use crate::record::{Limit, Per, Quota};

const MAX_RULES: usize = 8;
const MAX_NAME: usize = 64;

/// A limit or a quota.
pub(super) trait NamedRule: Sized {
    /// The word for one in errors. Its plural is the field of a key that holds them.
    const WORD: &'static str;

    fn name(&self) -> &str;
    fn operation(&self) -> Option<&str>;
    fn per(&self) -> Per;
}

macro_rules! named_rule {
    ($rule:ident, $word:literal) => {
        impl NamedRule for $rule {
            const WORD: &'static str = $word;

            fn name(&self) -> &str {
                &self.name
            }

            fn operation(&self) -> Option<&str> {
                self.operation.as_deref()
            }

            fn per(&self) -> Per {
                self.per
            }
        }
    };
}

named_rule!(Limit, "limit");
named_rule!(Quota, "quota");

/// Reads several rules. `read_one` gets the name under which a rule stands, if there is one.
pub(super) fn read<R: NamedRule>(
    field: &str,
    value: Value,
    read_one: impl Fn(Option<&str>, Value) -> Result<R, Error>,
) -> Result<Vec<R>, Error> {
    let read_named = |(name, value): (String, Value)| {
        let rule = read_one(Some(&name), value)?;
        if rule.name() == name {
            return Ok(rule);
        }
        let reason = format!("holds a {} with another name than it stands under", R::WORD);
        Err(Error::validation_failed(field, reason, "leave the inner name out"))
    };
    match value {
        Value::Map(entries) => entries.into_iter().map(read_named).collect(),
        Value::List(items) => items.into_iter().map(|it| read_one(None, it)).collect(),
        other => Err(other.refused(field, &format!("a mapping of names to {0}s, or a list of {0}s", R::WORD))),
    }
}

/// Reads the name of a rule, which may stand outside.
pub(super) fn read_name<R: NamedRule>(field: &str, fields: &mut Fields, outer: Option<&str>) -> Result<String, Error> {
    let own = fields.text("name").map_err(|error| error.within(field))?;
    own.or_else(|| outer.map(str::to_owned))
        .ok_or_else(|| Error::invalid_request(field, format!("holds a {} without a name", R::WORD), "give each a name"))
}

/// Refuses a list of rules that the types allow and the engine does not. `check_one` looks at all but names.
pub(super) fn check<R: NamedRule>(
    field: &str,
    rules: &[R],
    check_one: impl Fn(&R) -> Result<(), Error>,
) -> Result<(), Error> {
    if rules.len() > MAX_RULES {
        let reason = format!("has more than {MAX_RULES} {}s together", R::WORD);
        return Err(Error::validation_failed(field, reason, "keep those that matter"));
    }
    for (index, rule) in rules.iter().enumerate() {
        let name = rule.name();
        check_name(field, &format!("the name of a {}", R::WORD), name)?;
        if rules.iter().take(index).any(|it| it.name() == name) {
            let reason = format!("has two {}s named '{name}'", R::WORD);
            return Err(Error::validation_failed(field, reason, "give each a name of its own"));
        }
        if let Some(operation) = rule.operation() {
            check_name(field, &format!("the operation of a {}", R::WORD), operation)?;
        }
        check_one(rule)?;
    }
    Ok(())
}

/// Refuses rules of one key that would count other keys' requests.
pub(super) fn check_own<R: NamedRule>(own: &[R]) -> Result<(), Error> {
    let Some(rule) = own.iter().find(|it| it.per() != Per::Key) else { return Ok(()) };
    let (name, per, word) = (rule.name(), rule.per().as_str(), R::WORD);
    Err(Error::validation_failed(
        &format!("{word}s"),
        format!("'{name}' is per {per}, and a key's own {word}s count that key alone"),
        format!("leave per out, or make it a {word} of the engine"),
    ))
}

/// Refuses a text that is no name. `what` says for what it stands.
pub(super) fn check_name(field: &str, what: &str, name: &str) -> Result<(), Error> {
    let plain = (1..=MAX_NAME).contains(&name.len())
        && name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.bytes().all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'));
    if plain {
        return Ok(());
    }
    let fix = format!("use 1 to {MAX_NAME} of a-z, 0-9, _, . and -, beginning with a letter");
    Err(Error::validation_failed(field, format!("holds what cannot be {what}"), fix))
}
