//! The settings of a command, with their sources: an option of the command line, else a variable of the environment, else
//! the file `keywright.toml`, else the default of the engine.

mod environment;
mod file;
mod shown;

use std::fmt;
use std::mem::discriminant;
use std::path::{Path, PathBuf};

use super::exit::Stop;
use super::global::GlobalArguments;
use super::secret;
use crate::casing::Casing;
use crate::error::Error;
use crate::http;
use crate::input::{Fields, FromFields, Value};
use crate::keyring::Config;
use crate::server::ServerSettings;
use crate::store::StoreUrl;

/// The name of the file that is read if no other is named.
pub(super) const FILE_NAME: &str = "keywright.toml";

/// The end of a setting that names the file with the value of another one.
const OF_FILE: &str = "_file";

/// The default of `url`.
const URL: &str = "sqlite:keys.db";

/// The settings that hold a secret.
const SECRETS: [&str; 3] = ["pepper", "retired_peppers", WEBHOOKS];

/// The setting whose parts have secrets or the names of files with them.
const WEBHOOKS: &str = "webhooks";

pub(super) struct Settings {
    engine: Vec<Setting>,
    /// The options of the HTTP layer, from the file.
    http: Vec<(String, Value)>,
    /// The folder of the file with the settings, against which its relative paths are resolved.
    folder: PathBuf,
    /// The file that was read.
    pub(super) file: Option<PathBuf>,
    /// The variables of the environment that look like settings and are none, with a fix.
    pub(super) unknown_variables: Vec<(String, String)>,
}

/// One setting of the engine.
struct Setting {
    name: String,
    value: Value,
    source: SettingSource,
    /// The files that hold the value, if the setting names files.
    files: Vec<PathBuf>,
}

impl Setting {
    /// Whether the value is a secret, or a URL with a password.
    fn holds_secret(&self) -> bool {
        let is_url = ["url", "limiter"].contains(&&*self.name);
        SECRETS.contains(&&*self.name) || is_url && matches!(&self.value, Value::Text(url) if has_password(url))
    }
}

/// Whether a URL has a password before its host. Any driver reads one there.
fn has_password(url: &str) -> bool {
    let login = url.split_once("://").and_then(|(_, rest)| rest.split(['/', '?']).next()?.rsplit_once('@'));
    login.is_some_and(|(login, _)| login.contains(':')) || StoreUrl::has_password(url)
}

/// The place that a setting comes from.
#[derive(Clone)]
enum SettingSource {
    Flag(&'static str),
    Variable(String),
    File(PathBuf),
}

impl fmt::Display for SettingSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(out, "option --{name}"),
            Self::Variable(name) => write!(out, "variable {name}"),
            Self::File(path) => write!(out, "file {}", path.display()),
        }
    }
}

impl Settings {
    pub(super) fn read(global: &GlobalArguments) -> Result<Self, Stop> {
        let file = match &global.config {
            Some(file) => Some(file.clone()),
            None => match environment::text(environment::CONFIG)? {
                Some(file) => Some(PathBuf::from(file)),
                None => Some(PathBuf::from(FILE_NAME)).filter(|file| file.exists()),
            },
        };
        let folder = file.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
        let mut settings = Self { engine: Vec::new(), http: Vec::new(), folder, file, unknown_variables: Vec::new() };
        settings.read_flags(global)?;
        let (variables, unknown) = environment::variables()?;
        settings.unknown_variables = unknown;
        for (variable, name, value) in variables {
            settings.add(&name, value, SettingSource::Variable(variable), Path::new(""))?;
        }
        if let Some(path) = settings.file.clone() {
            let option = if global.config.is_some() { "--config" } else { environment::CONFIG };
            let document = file::read(option, &path)?;
            let folder = settings.folder.clone();
            for (name, value) in document.engine {
                settings.add(&name, value, SettingSource::File(path.clone()), &folder)?;
            }
            settings.http = document.http;
        }
        Ok(settings)
    }

    fn read_flags(&mut self, global: &GlobalArguments) -> Result<(), Stop> {
        let pepper_file = global.pepper_file.as_ref().map(|path| path.display().to_string());
        let flags = [
            ("url", "url", &global.url),
            ("brand", "brand", &global.brand),
            ("pepper-file", "pepper_file", &pepper_file),
        ];
        for (flag, name, value) in flags {
            if let Some(value) = value {
                self.add(name, Value::Text(value.clone()), SettingSource::Flag(flag), Path::new(""))?;
            }
        }
        Ok(())
    }

    /// Adds a setting, unless a source that counts more has it already. A setting `NAME_file` gives the value of `NAME`.
    fn add(&mut self, name: &str, value: Value, source: SettingSource, folder: &Path) -> Result<(), Stop> {
        let (plain, is_file) = match name.strip_suffix(OF_FILE) {
            Some(plain) => (plain, true),
            None => (name, false),
        };
        if let Some(other) = self.engine.iter().find(|it| it.name == plain) {
            // Within one kind of source neither of the two counts more.
            if discriminant(&other.source) == discriminant(&source) {
                let both = format!("{plain} and {plain}{OF_FILE} are both given ({}); keep one", other.source);
                return Err(Stop::Usage(both));
            }
            return Ok(());
        }
        let (value, files) = match plain {
            _ if is_file => contents(name, value, folder, &source)?,
            WEBHOOKS => with_secrets(value, folder, &source)?,
            _ => (value, Vec::new()),
        };
        self.engine.push(Setting { name: plain.to_owned(), value, source, files });
        Ok(())
    }

    /// Adds the options of `serve`, which count more than every other source.
    pub(super) fn read_server_flags(
        &mut self,
        listen: &Option<String>,
        admin_listen: &Option<String>,
    ) -> Result<(), Stop> {
        for (flag, name, value) in [("listen", "listen", listen), ("admin-listen", "admin_listen", admin_listen)] {
            if let Some(value) = value {
                self.engine.retain(|setting| setting.name != name);
                self.add(name, Value::Text(value.clone()), SettingSource::Flag(flag), Path::new(""))?;
            }
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&Setting> {
        self.engine.iter().find(|setting| setting.name == name)
    }

    /// The configuration of the engine.
    pub(super) fn engine(&self) -> Result<Config, Stop> {
        let fields = self.fields(|name| Config::OPTIONS.contains(&name));
        let url = self.find("url");
        let (value, folder) = match url {
            None => (Value::Text(URL.into()), self.folder.as_path()),
            Some(url) if matches!(url.source, SettingSource::File(_)) => (url.value.clone(), self.folder.as_path()),
            Some(url) => (url.value.clone(), Path::new("")),
        };
        let config = Config::read(value, fields).map_err(|error| self.told(error))?;
        Ok(config.in_folder(folder).queues_only(true))
    }

    /// An error with the fix of the command line: without a brand nobody has run `init` here.
    fn told(&self, error: Error) -> Error {
        if error.field() == Some("brand") && !self.has("brand") {
            return error
                .with_fix("begin with `keywright init BRAND`, or run it where keywright.toml is, or give --brand");
        }
        error
    }

    /// Refuses a SQLite database that does not exist.
    pub(super) fn refuse_missing(&self, config: &Config) -> Result<(), Stop> {
        let Some(file) = config.missing_file()? else { return Ok(()) };
        let source = self.find("url").map_or_else(|| "default".into(), |url| url.source.to_string());
        Err(Stop::no_database("url", &file, &source))
    }

    /// The settings of the server.
    pub(super) fn server(&self) -> Result<ServerSettings, Stop> {
        Ok(ServerSettings::read(self.fields(|name| ServerSettings::NAMES.contains(&name)))?.in_folder(&self.folder))
    }

    /// The configuration of the server's HTTP layer. There keys with `keys:manage` manage keys, unless the file says no.
    pub(super) fn http_of_server(&self) -> Result<http::Config, Stop> {
        let config = self.http()?;
        Ok(if self.has_http("keys_may_manage") { config } else { config.keys_may_manage() })
    }

    fn fields(&self, is_wanted: impl Fn(&str) -> bool) -> Fields {
        let wanted = self.engine.iter().filter(|setting| is_wanted(&setting.name));
        Fields::new(Casing::Snake, wanted.map(|it| (it.name.clone(), it.value.clone())).collect())
    }

    /// The configuration of the HTTP layer.
    pub(super) fn http(&self) -> Result<http::Config, Stop> {
        let read = http::Config::read(Fields::new(Casing::Snake, self.http.clone()));
        Ok(read.map_err(|error| error.within("http"))?)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether the file has an option of the HTTP layer.
    pub(super) fn has_http(&self, name: &str) -> bool {
        self.http.iter().any(|(it, _)| it == name)
    }

    /// The files that hold a secret.
    pub(super) fn secret_files(&self) -> Vec<PathBuf> {
        let secrets = self.engine.iter().filter(|setting| setting.holds_secret());
        let mut files: Vec<PathBuf> = secrets
            .flat_map(|setting| match &setting.source {
                SettingSource::File(path) if setting.files.is_empty() => vec![path.clone()],
                _ => setting.files.clone(),
            })
            .collect();
        if let Ok(Some(tls)) = self.server().map(|server| server.tls) {
            files.push(tls.key);
        }
        files.sort();
        files.dedup();
        files
    }
}

/// The value that a setting `NAME_file` leads to: the text of the file, or of each file of a list.
fn contents(name: &str, value: Value, folder: &Path, source: &SettingSource) -> Result<(Value, Vec<PathBuf>), Stop> {
    let is_list = matches!(value, Value::List(_));
    let names = if is_list { value.into_texts(name)? } else { vec![value.into_text(name)?] };
    let files: Vec<PathBuf> = names.iter().map(|file| folder.join(file)).collect();
    let option = format!("{name} ({source})");
    let read = |file: &PathBuf| secret::read_file(&option, file).map(text_or_bytes);
    let mut texts = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    match texts.pop() {
        Some(only) if !is_list => Ok((only, files)),
        last => Ok((Value::List(texts.into_iter().chain(last).collect()), files)),
    }
}

/// Puts the contents of the files that `secret_file` of each endpoint names in place of it.
fn with_secrets(value: Value, folder: &Path, source: &SettingSource) -> Result<(Value, Vec<PathBuf>), Stop> {
    let Value::List(endpoints) = value else { return Ok((value, Vec::new())) };
    let (mut read, mut all_files) = (Vec::new(), Vec::new());
    for endpoint in endpoints {
        let Value::Map(entries) = endpoint else {
            read.push(endpoint);
            continue;
        };
        let mut filled = Vec::new();
        for (name, value) in entries {
            if name == "secret_file" {
                let (value, files) = contents(&name, value, folder, source)?;
                filled.push(("secret".to_owned(), value));
                all_files.extend(files);
            } else {
                filled.push((name, value));
            }
        }
        read.push(Value::Map(filled));
    }
    Ok((Value::List(read), all_files))
}

fn text_or_bytes(content: secret::SecretText) -> Value {
    String::from_utf8(content.to_vec()).map_or_else(|error| Value::Bytes(error.into_bytes()), Value::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str) -> SettingSource {
        SettingSource::Variable(name.into())
    }

    fn empty() -> Settings {
        Settings { engine: vec![], http: vec![], folder: PathBuf::new(), file: None, unknown_variables: vec![] }
    }

    #[test]
    fn the_first_source_counts_and_one_source_gives_a_value_once() {
        let (mut settings, text) = (empty(), |it: &str| Value::Text(it.into()));
        settings.add("brand", text("flag"), SettingSource::Flag("brand"), Path::new("")).unwrap();
        settings.add("brand", text("variable"), source("KEYWRIGHT_BRAND"), Path::new("")).unwrap();
        assert_eq!(settings.find("brand").unwrap().value, text("flag"));
        settings.add("pepper", text("x"), source("KEYWRIGHT_PEPPER"), Path::new("")).unwrap();
        assert!(settings.add("pepper_file", text("y"), source("KEYWRIGHT_PEPPER_FILE"), Path::new("")).is_err());
        // A file that does not count need not exist.
        let file = SettingSource::File("keywright.toml".into());
        settings.add("pepper_file", text("not there"), file, Path::new("")).unwrap();
    }
}
