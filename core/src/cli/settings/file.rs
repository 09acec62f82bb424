//! The file `keywright.toml`.

use std::path::Path;

use super::OF_FILE;
use crate::cli::exit::Stop;
use crate::http;
use crate::input::{Value, meant};
use crate::keyring::Config;
use crate::server::ServerSettings;

/// The sections of the file beside the settings of the engine.
const HTTP: &str = "http";
const SERVER: &str = "server";

/// The settings in a file.
pub(super) struct SettingsDocument {
    pub(super) engine: Vec<(String, Value)>,
    pub(super) http: Vec<(String, Value)>,
}

/// Reads the file that `option` names.
pub(super) fn read(option: &str, path: &Path) -> Result<SettingsDocument, Stop> {
    let text = std::fs::read_to_string(path).map_err(|error| Stop::unreadable(option, path, &error))?;
    parse(&text).map_err(|reason| Stop::Usage(format!("{}: {reason}", path.display())))
}

fn parse(text: &str) -> Result<SettingsDocument, String> {
    let value: Value = toml::from_str(text).map_err(|error| place(text, &error))?;
    let Value::Map(entries) = value else { return Err("holds no settings".into()) };
    let mut document = SettingsDocument { engine: Vec::new(), http: Vec::new() };
    for (name, value) in entries {
        if name == HTTP {
            document.http = section(HTTP, value, http::Config::options())?;
        } else if name == SERVER {
            document.engine.extend(section(SERVER, value, ServerSettings::NAMES)?);
        } else if is_setting(&name) {
            document.engine.push((name, value));
        } else {
            let all = Config::OPTIONS.iter().copied().chain(["url", "pepper_file", HTTP, SERVER]);
            return Err(format!("{name}: is no setting; {}", meant(&name, all, "the guide lists the settings")));
        }
    }
    Ok(document)
}

/// The settings in a section, all of which have one of these names.
fn section(
    section: &str,
    value: Value,
    names: impl IntoIterator<Item = &'static str, IntoIter: Clone>,
) -> Result<Vec<(String, Value)>, String> {
    let (entries, names) = (value.into_map(section).map_err(|error| error.to_string())?, names.into_iter());
    match entries.iter().find(|(name, _)| !names.clone().any(|it| it == name)) {
        None => Ok(entries),
        Some((name, _)) => {
            let fix = meant(name, names, "the guide lists the settings");
            Err(format!("{section}.{name}: is no setting; {fix}"))
        }
    }
}

fn is_setting(name: &str) -> bool {
    let plain = name.strip_suffix(OF_FILE).unwrap_or(name);
    plain == "url" || Config::OPTIONS.contains(&plain)
}

/// The line of an error and its reason, without the text of the line, which may hold a pepper.
fn place(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!("line {line}: {}", error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text).err().unwrap()
    }

    #[test]
    fn settings_are_read_and_unknown_ones_get_the_nearest_name() {
        let found = parse("url = 'sqlite:keys.db'\nbrand = 'acme'\n[http]\nrealm = 'x'\n").unwrap();
        assert_eq!((found.engine.len(), found.http.len()), (2, 1));
        assert!(refused("brnad = 'acme'").ends_with("did you mean brand?"));
        assert!(refused("[htpp]\nrealm = 'x'").ends_with("did you mean http?"));
        assert!(refused("[http]\ntrusted_prox = []").ends_with("did you mean trusted_proxies?"));
        assert!(refused("[server]\nlisten_on = 'x'").starts_with("server.listen_on: is no setting; "));
        assert!(refused("pepper_flie = 'x'").ends_with("did you mean pepper_file?"));
    }

    #[test]
    fn an_error_names_its_line_and_shows_no_value() {
        let refused = refused("brand = 'acme'\npepper = 'a secret of many characters\n");
        assert!(refused.starts_with("line 2: ") && !refused.contains("secret"), "{refused}");
    }
}
