use super::{Needs, Rule};
use crate::error::Error;
use crate::input::{Casing, Fields, Value};

/// Reads a list of rules, each a mapping of `method`, `path` and what [`Needs`] has.
pub(in crate::http) fn read(value: Value) -> Result<Vec<Rule>, Error> {
    value.into_list("routes")?.into_iter().map(|it| rule(it).map_err(|it| it.within("routes"))).collect()
}

fn rule(value: Value) -> Result<Rule, Error> {
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
