//! Rules from named values.

use super::{Needs, Rule};
use crate::casing::Casing;
use crate::error::Error;
use crate::input::{Fields, Value};

/// Reads a list of rules. Each is a mapping with `method`, `path` and the names of [`Needs`].
pub(in crate::http) fn read(value: Value) -> Result<Vec<Rule>, Error> {
    value
        .into_list("routes")?
        .into_iter()
        .map(|value| read_rule(value).map_err(|error| error.within("routes")))
        .collect()
}

fn read_rule(value: Value) -> Result<Rule, Error> {
    let known: Vec<_> = ["method", "path"].into_iter().chain(Needs::FIELDS).collect();
    let mut fields = Fields::new(Casing::Snake, value.into_map("rule")?).only(&known)?;
    let Some(path) = fields.text("path")? else {
        return Err(Error::invalid_request("path", "is missing", "give the path of each rule, like /v1/deals/{id}"));
    };
    let methods = match fields.given("method") {
        None => Vec::new(),
        Some(Value::List(items)) if items.is_empty() => {
            return Err(Error::validation_failed("method", "is empty", "leave it out for every method"));
        }
        Some(list @ Value::List(_)) => list.into_texts("method")?,
        Some(one) => vec![one.into_text("method")?],
    };
    Ok(Rule { methods, path, needs: Needs::take(&mut fields)? })
}
