//! Settings from variables: `KEYWRIGHT_BRAND` for `brand`, `KEYWRIGHT_PEPPER_FILE` for the file with the `pepper`.

use super::OF_FILE;
use crate::cli::exit::Stop;
use crate::http;
use crate::input::{Value, meant};
use crate::keyring::Config;
use crate::server::ServerSettings;

const PREFIX: &str = "KEYWRIGHT_";

/// The variable that names the file with the settings.
pub(super) const CONFIG: &str = "KEYWRIGHT_CONFIG";

/// The variable with the address of a server, for clients.
const CLIENT: &str = "KEYWRIGHT_SERVER_URL";

/// Lists, which a variable separates by commas.
const LISTS: [&str; 4] = ["environments", "environment", "accept_formats", "retired_hashes"];
const INTEGERS: [&str; 4] = ["max_connections", "keys_in_memory", "expiring_days", "idle_days"];
const FLAGS: [&str; 1] = ["read_only"];
const DOCUMENTS: [&str; 5] = ["scopes", "tiers", "limits", "quotas", "webhooks"];

/// A variable, the name of its setting, and the value.
type Variable = (String, String, Value);

/// The variables that are settings, and those that look like one, with a fix.
type Variables = (Vec<Variable>, Vec<(String, String)>);

pub(super) fn text(name: &str) -> Result<Option<String>, Stop> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Stop::Usage(format!("{name}: is no valid Unicode"))),
    }
}

pub(super) fn variables() -> Result<Variables, Stop> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| name.starts_with(PREFIX) && ![CONFIG, CLIENT].contains(&name.as_str())).collect();
    // The environment has no order, and errors shall be the same each time.
    names.sort();
    for variable in names {
        let name = variable.strip_prefix(PREFIX).unwrap_or_default().to_ascii_lowercase();
        let plain = name.strip_suffix(OF_FILE).unwrap_or(&name);
        if !is_setting(plain) {
            let all = std::iter::once("url").chain(Config::OPTIONS.iter().copied()).chain(ServerSettings::NAMES);
            let fix = match http::Config::has_option(plain) {
                true => {
                    format!("write {plain} in the section [http] of keywright.toml, whose options have no variables")
                }
                false => meant(plain, all, "no setting has this name"),
            };
            unknown.push((variable, fix));
        } else if let Some(text) = text(&variable)? {
            let value = if name == plain { value(plain, text)? } else { Value::Text(text) };
            known.push((variable, name, value));
        }
    }
    Ok((known, unknown))
}

fn is_setting(name: &str) -> bool {
    name == "url" || Config::OPTIONS.contains(&name) || ServerSettings::NAMES.contains(&name)
}

/// The value of a setting, from its text.
fn value(name: &str, text: String) -> Result<Value, Stop> {
    if LISTS.contains(&name) {
        return Ok(Value::List(text.split(',').map(|item| Value::Text(item.trim().to_owned())).collect()));
    }
    if INTEGERS.contains(&name) {
        return Ok(text.parse().map_or(Value::Text(text), Value::Integer));
    }
    if FLAGS.contains(&name) {
        return Ok(text.parse().map_or(Value::Text(text), Value::Bool));
    }
    if DOCUMENTS.contains(&name) {
        return serde_json::from_str(&text).map_err(|error| Stop::Usage(format!("{name}: is no JSON: {error}")));
    }
    Ok(Value::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_the_types_of_their_settings() {
        let read = |name: &str, text: &str| value(name, text.to_owned()).unwrap();
        let texts = |items: &[&str]| Value::List(items.iter().map(|it| Value::Text((*it).into())).collect());
        assert_eq!(read("environments", "live, test"), texts(&["live", "test"]));
        assert_eq!(read("keys_in_memory", "100"), Value::Integer(100));
        assert_eq!(read("read_only", "true"), Value::Bool(true));
        assert_eq!(read("pepper", "123"), Value::Text("123".into()));
        assert_eq!(read("key_format", "{brand}_x"), Value::Text("{brand}_x".into()));
        let catalogue = Value::Map(vec![("deals:read".into(), Value::Text("Read deals".into()))]);
        assert_eq!(read("scopes", r#"{"deals:read": "Read deals"}"#), catalogue);
        assert!(value("scopes", "deals:read".into()).is_err());
    }

    #[test]
    fn every_list_of_names_is_of_settings() {
        for name in LISTS.iter().chain(&INTEGERS).chain(&FLAGS).chain(&DOCUMENTS) {
            assert!(is_setting(name), "{name}");
        }
    }
}
