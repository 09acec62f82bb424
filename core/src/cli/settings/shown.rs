//! The settings for people, without secrets.

use super::{SECRETS, SettingSource, Settings, URL};
use crate::http;
use crate::input::Value;
use crate::store::StoreUrl;

/// The option of the HTTP layer whose parts may have secrets.
const SESSION: &str = "session";

/// The parts of a session that hold no secret. Among the others are keys, and URLs, which may have a token.
const SHOWN_OF_SESSION: [&str; 12] = [
    "algorithm",
    "algorithms",
    "key_file",
    "jwks_file",
    "max_outage",
    "issuer",
    "audience",
    "org_claim",
    "actor_claim",
    "may",
    "may_claim",
    "leeway_seconds",
];

const HIDDEN: &str = "<hidden>";

/// A setting as `doctor` shows it.
#[derive(serde::Serialize)]
pub(in crate::cli) struct ShownSetting {
    pub(in crate::cli) setting: String,
    pub(in crate::cli) value: serde_json::Value,
    pub(in crate::cli) source: String,
}

impl Settings {
    /// The settings for people, without secrets.
    pub(in crate::cli) fn shown(&self) -> Vec<ShownSetting> {
        let shown = self.engine.iter().map(|setting| {
            let value = match setting.name.as_str() {
                name if SECRETS.contains(&name) => HIDDEN.into(),
                "url" => match &setting.value {
                    Value::Text(url) => StoreUrl::shown(url).into(),
                    _ => serde_json::Value::Null,
                },
                // The URL of a Redis may hold a password, also one with a misspelt scheme.
                "limiter" => match &setting.value {
                    Value::Text(name) if name.bytes().all(|it| it.is_ascii_lowercase()) => name.clone().into(),
                    _ => HIDDEN.into(),
                },
                name => setting.value.clone().into_json(name).unwrap_or_default(),
            };
            let files: Vec<String> = setting.files.iter().map(|file| file.display().to_string()).collect();
            let source = match files.as_slice() {
                [] => setting.source.to_string(),
                files => format!("{}, file {}", setting.source, files.join(", ")),
            };
            ShownSetting { setting: setting.name.clone(), value, source }
        });
        let default = (!self.has("url")).then(|| ShownSetting {
            setting: "url".into(),
            value: URL.into(),
            source: "default".into(),
        });
        let http = self.http.iter().map(|(name, value)| ShownSetting {
            setting: format!("http.{name}"),
            value: shown_of_http(name, value),
            source: self.file.clone().map(SettingSource::File).map(|it| it.to_string()).unwrap_or_default(),
        });
        let mut all: Vec<ShownSetting> = default.into_iter().chain(shown).chain(http).collect();
        all.sort_by(|one, other| one.setting.cmp(&other.setting));
        all
    }
}

/// An option of the HTTP layer for people. A name that is none may be a misspelt one with a secret.
fn shown_of_http(name: &str, value: &Value) -> serde_json::Value {
    match value {
        Value::Map(entries) if name == SESSION => {
            let part = |(name, value): &(String, Value)| {
                let is_shown = SHOWN_OF_SESSION.contains(&name.as_str());
                let value = if is_shown { value.clone() } else { Value::Text(HIDDEN.to_owned()) };
                (name.clone(), value)
            };
            Value::Map(entries.iter().map(part).collect()).into_json(name).unwrap_or_default()
        }
        value if name != SESSION && http::Config::has_option(name) => value.clone().into_json(name).unwrap_or_default(),
        _ => HIDDEN.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let mut settings =
            Settings { engine: vec![], http: vec![], folder: PathBuf::new(), file: None, unknown_variables: vec![] };
        let text = |it: &str| Value::Text(it.into());
        for (name, value) in
            [("pepper", "a secret"), ("url", "postgresql://me:word@host/db"), ("limiter", "rediss://:word@host")]
        {
            let source = SettingSource::Variable(format!("KEYWRIGHT_{}", name.to_uppercase()));
            settings.add(name, text(value), source, Path::new("")).unwrap();
        }
        let session = ["key", "jwks", "jwks_url", "kye"].map(|name| (name.to_owned(), text("a secret")));
        let named = ("audience".to_owned(), text("this service"));
        let session = Value::Map(session.into_iter().chain([named]).collect());
        let misspelt = ("sesion".to_owned(), text("a secret"));
        settings.http = vec![("session".into(), session), misspelt, ("realm".into(), text("API"))];
        let shown = serde_json::to_string(&settings.shown()).unwrap();
        assert!(!shown.contains("a secret") && !shown.contains("word"), "{shown}");
        assert!(
            shown.contains(r#""audience":"this service""#) && shown.contains(r#""setting":"http.realm","value":"API""#)
        );
    }
}
