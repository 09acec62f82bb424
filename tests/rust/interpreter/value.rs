//! Values that JSON cannot say, as the README of the vectors lists them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use keywright::ffi::{Casing, Fields, Value};
use serde_json::{Map, Value as Json};

/// Results kept by name.
pub type Saved = BTreeMap<String, Json>;

/// The one entry of an object like `{"$name": argument}`.
pub fn special(json: &Json) -> Option<(&str, &Json)> {
    let mut entries = json.as_object()?.iter();
    let (name, argument) = entries.next()?;
    (entries.next().is_none() && name.starts_with('$')).then_some((name, argument))
}

/// A value that a caller gives.
pub fn value(json: &Json, saved: &Saved) -> Value {
    if let Some((name, argument)) = special(json) {
        return spoken(name, argument, saved);
    }
    match json {
        Json::Null => Value::Null,
        Json::Bool(it) => Value::Bool(*it),
        Json::Number(it) => {
            it.as_i64().map_or_else(|| Value::Float(it.as_f64().unwrap()), |it| Value::Integer(it.into()))
        }
        Json::String(it) => Value::Text(it.clone()),
        Json::Array(items) => Value::List(items.iter().map(|it| value(it, saved)).collect()),
        Json::Object(entries) => {
            Value::Map(entries.iter().map(|(name, it)| (name.clone(), value(it, saved))).collect())
        }
    }
}

fn spoken(name: &str, argument: &Json, saved: &Saved) -> Value {
    let item = |index: usize| value(&argument[index], saved);
    match name {
        "$nan" => Value::Float(f64::NAN),
        "$inf" => Value::Float(f64::INFINITY),
        "$float" => Value::Float(argument.as_f64().unwrap()),
        "$integer" => Value::Integer(argument.as_str().unwrap().parse().unwrap()),
        "$time" => Value::Time(time(argument.as_str().unwrap())),
        "$bad_time" => Value::NaiveTime,
        "$bytes" => Value::Bytes(bytes(argument.as_str().unwrap())),
        "$surrogate" => Value::BrokenText,
        "$repeat" => Value::Text(argument[0].as_str().unwrap().repeat(length(&argument[1]))),
        "$list" => Value::List(vec![item(0); length(&argument[1])]),
        "$nested" => nested(length(argument)),
        "$object" => Value::Other("Foreign".into()),
        "$ref" => value(&kept(argument.as_str().unwrap(), saved), saved),
        "$change" => Value::Text(changed(&text(item(0)), length(&argument[1]), argument[2].as_str().unwrap())),
        "$cut" => Value::Text(cut(&text(item(0)), argument[1].as_i64().unwrap(), argument[2].as_i64().unwrap())),
        "$text" => Value::Text(text(value(argument, saved))),
        "$number" => Value::Integer(text(value(argument, saved)).parse().unwrap()),
        other => panic!("unknown value {other}"),
    }
}

/// An object without its `$` values, as results are compared with it.
pub fn plain(json: &Json, saved: &Saved) -> Json {
    match special(json) {
        Some(("$ref", path)) => kept(path.as_str().unwrap(), saved),
        Some(("$text", _)) => Json::String(text(value(json, saved))),
        Some((name, _)) => panic!("{name} has no place in an expectation"),
        None => json.clone(),
    }
}

/// Named arguments.
pub fn fields(args: &Map<String, Json>, saved: &Saved) -> Fields {
    Fields::new(Casing::Snake, args.iter().map(|(name, it)| (name.clone(), value(it, saved))).collect())
}

/// A time as the files write it.
pub fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|it| panic!("{text}: {it}"))
}

fn kept(path: &str, saved: &Saved) -> Json {
    let (name, rest) = path.split_once('.').unwrap();
    let mut here = saved.get(name).unwrap_or_else(|| panic!("nothing is kept as {name}"));
    for step in rest.split('.') {
        let next = step.parse::<usize>().map_or_else(|_| here.get(step), |it| here.get(it));
        here = next.unwrap_or_else(|| panic!("{path}: no {step}"));
    }
    here.clone()
}

fn text(value: Value) -> String {
    match value {
        Value::Text(it) => it,
        Value::Integer(it) => it.to_string(),
        other => panic!("{other:?} is no text"),
    }
}

fn length(json: &Json) -> usize {
    json.as_u64().unwrap().try_into().unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|it| u8::from_str_radix(&hex[it..it + 2], 16).unwrap()).collect()
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inside, _| Value::Map(vec![("a".into(), inside)]))
}

fn changed(text: &str, index: usize, with: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let with = with.chars().next().unwrap();
    letters[index] = if letters[index] == with { char::from_u32(u32::from(with) + 1).unwrap() } else { with };
    letters.into_iter().collect()
}

fn cut(text: &str, start: i64, end: i64) -> String {
    let letters: Vec<char> = text.chars().collect();
    let place =
        |it: i64| usize::try_from(if it < 0 { it + i64::try_from(letters.len()).unwrap() } else { it }).unwrap();
    letters[place(start)..place(end)].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_changed_and_cut() {
        let saved = Saved::from([("k".into(), json!({"text": "abcA", "list": [{"n": 7}]}))]);
        let said = |json: Json| value(&json, &saved);
        assert_eq!(said(json!({"$change": [{"$ref": "k.text"}, 0, "A"]})), Value::Text("AbcA".into()));
        assert_eq!(said(json!({"$change": [{"$ref": "k.text"}, 3, "A"]})), Value::Text("abcB".into()));
        assert_eq!(said(json!({"$cut": [{"$ref": "k.text"}, 1, -1]})), Value::Text("bc".into()));
        assert_eq!(said(json!({"$text": {"$ref": "k.list.0.n"}})), Value::Text("7".into()));
        assert_eq!(said(json!({"$number": "7"})), Value::Integer(7));
    }

    #[test]
    #[should_panic(expected = "unknown value $what")]
    fn an_unknown_value_stops_the_run() {
        value(&json!({"$what": 1}), &Saved::new());
    }
}
