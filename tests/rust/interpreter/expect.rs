//! Comparing a result with what a case expects of it.

use serde_json::Value as Json;

use super::value::{Saved, plain, special};

/// Where and how `got` is not as wanted.
pub fn difference(want: &Json, got: &Json, saved: &Saved) -> Option<String> {
    differ("", want, Some(got), saved)
}

fn differ(path: &str, want: &Json, got: Option<&Json>, saved: &Saved) -> Option<String> {
    match special(want) {
        Some(("$absent", _)) => return got.map(|it| format!("{path}: wanted nothing, got {it}")),
        Some(("$exists", _)) if got.is_some_and(|it| !it.is_null()) => return None,
        Some(("$exists", _)) => return Some(format!("{path}: wanted something, got {got:?}")),
        Some(_) => return differ(path, &plain(want, saved), got, saved),
        None => {}
    }
    let Some(got) = got else { return Some(format!("{path}: wanted {want}, got nothing")) };
    match (want, got) {
        (Json::Object(want), Json::Object(got)) => {
            want.iter().find_map(|(name, want)| differ(&format!("{path}.{name}"), want, got.get(name), saved))
        }
        (Json::Array(want), Json::Array(items)) if want.len() == items.len() => {
            let mut pairs = want.iter().zip(items).enumerate();
            pairs.find_map(|(index, (want, got))| differ(&format!("{path}.{index}"), want, Some(got), saved))
        }
        _ if want == got => None,
        _ => Some(format!("{path}: wanted {want}, got {got}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn named_fields_and_whole_lists_are_compared() {
        let differs = |want: Json, got: Json| difference(&want, &got, &Saved::new()).is_some();
        assert!(!differs(json!({"a": 1}), json!({"a": 1, "b": 2})));
        assert!(!differs(json!([{"a": 1}]), json!([{"a": 1, "b": 2}])));
        assert!(!differs(json!({"a": {"$exists": true}, "b": {"$absent": true}}), json!({"a": 0})));
        assert!(differs(json!({"a": 1}), json!({"a": 2})));
        assert!(differs(json!({"a": null}), json!({})));
        assert!(differs(json!([1]), json!([1, 2])));
        assert!(differs(json!({"a": {"$exists": true}}), json!({"a": null})));
        assert!(differs(json!({"a": {"$absent": true}}), json!({"a": null})));
        assert!(differs(json!(1), json!("1")));
    }
}
