//! `keywright init`.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::CommandContext;
use super::exit::Stop;
use super::settings::FILE_NAME;
use crate::entropy;
use crate::keyring::Keywright;
use crate::sys;

const PEPPER_NAME: &str = "keywright.pepper";

#[derive(Args)]
pub(super) struct InitArguments {
    /// The short name at the start of every key: a-z, 0-9 and _
    #[arg(value_name = "BRAND")]
    prefix: String,
    /// The folder for both files
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    directory: PathBuf,
}

pub(super) fn run(arguments: &InitArguments, context: &mut CommandContext) -> Result<(), Stop> {
    let InitArguments { prefix: brand, directory } = arguments;
    refuse_settings(context)?;
    // The engine judges the brand.
    Keywright::builder("sqlite:keys.db").brand(brand).check()?;
    let (config, pepper) = (beside(directory, FILE_NAME), beside(directory, PEPPER_NAME));
    for file in [&config, &pepper] {
        if file.exists() {
            return Err(Stop::Failed(format!(
                "{} is there already; keep it, or name another folder with --directory",
                file.display()
            )));
        }
    }
    let secret: Zeroizing<[u8; 32]> = Zeroizing::new(entropy::bytes()?);
    let text = Zeroizing::new(format!("{}\n", Base64::encode_string(&*secret)));
    write_new(&pepper, text.as_bytes())?;
    write_new(&config, document(brand).as_bytes())?;
    if context.printer.is_text() {
        let url = format!("sqlite:{}", beside(directory, "keys.db").display());
        code(brand, &url, &pepper.display().to_string()).iter().try_for_each(|line| context.printer.line(line))?;
    } else {
        let files = json!({"config": config.display().to_string(), "pepper_file": pepper.display().to_string()});
        context.printer.record(&files, "config")?;
    }
    // The settings are found by themselves in the working folder only.
    let option = if is_here(directory) { String::new() } else { format!(" --config {}", word(&config)) };
    context.say(&format!(
        "\n{} and {} are written. Above is the line of code that uses them, in Python, Node and Rust.\n\
         Keep the pepper away from the database and out of version control: keys do not verify without it.\n\
         Next: keywright keys create 'My first key'{option}\n\
         Then: keywright serve{option}, for programs that verify keys over HTTP",
        config.display(),
        pepper.display()
    ));
    Ok(())
}

/// Refuses options that say what `init` decides: they are for programs that read its files.
fn refuse_settings(context: &CommandContext) -> Result<(), Stop> {
    let global = &context.global;
    let given = [
        ("config", global.config.is_some(), "--directory names the folder of keywright.toml"),
        ("url", global.url.is_some(), "set url in keywright.toml after it is written"),
        ("brand", global.brand.is_some(), "the brand is the argument BRAND"),
        ("pepper-file", global.pepper_file.is_some(), "--directory names the folder of the pepper"),
    ];
    match given.iter().find(|(_, is_given, _)| *is_given) {
        Some((name, _, fix)) => Err(Stop::Usage(format!("--{name} means nothing to init; {fix}"))),
        None => Ok(()),
    }
}

fn is_here(directory: &Path) -> bool {
    directory == Path::new(".")
}

/// The path of a file of the folder, from where the user stands.
fn beside(directory: &Path, name: &str) -> PathBuf {
    if is_here(directory) { PathBuf::from(name) } else { directory.join(name) }
}

/// A path as a word of a shell.
fn word(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-\\:".contains(letter);
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// Writes a file that its owner alone may use, and that was not there before.
fn write_new(path: &Path, content: &[u8]) -> Result<(), Stop> {
    let written = sys::create_private_file(path)
        .and_then(|()| std::fs::OpenOptions::new().write(true).open(path))
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
    written.map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let path = path.display();
            Stop::Failed(format!("--directory: the folder of {path} is not there; make it first, or name another one"))
        }
        _ => Stop::unwritable("--directory", path, &error),
    })
}

fn code(brand: &str, url: &str, pepper: &str) -> [String; 3] {
    // Strings of JSON are strings of all three languages.
    let (url, pepper) = (json!(url), json!(pepper));
    [
        format!("kw = Keywright({url}, brand=\"{brand}\", pepper=open({pepper}).read().strip())"),
        format!(
            "const kw = new Keywright({url}, {{ brand: \"{brand}\", pepper: readFileSync({pepper}, \"utf8\").trim() }});"
        ),
        format!(
            "let kw = Keywright::builder({url}).brand(\"{brand}\").pepper(std::fs::read_to_string({pepper})?.trim()).build().await?;"
        ),
    ]
}

fn document(brand: &str) -> String {
    format!(
        r#"# Settings of the program keywright. The engine's options have the same names in code.
# A variable counts more than this file (KEYWRIGHT_BRAND), and an option of a command more than both (--brand).
# Relative paths are relative to this file.

# The database. Several machines share one of PostgreSQL: "postgresql://user@host/database".
url = "sqlite:keys.db"

# The short name at the start of every key.
brand = "{brand}"

# The file with the pepper, a secret that the stored verifiers of keys depend on. Keys do not verify without it.
pepper_file = "{PEPPER_NAME}"

# The environments of the product, and those whose keys are accepted here ("*" for all).
# environments = ["live", "test"]
# environment = "live"

# The scopes of the product. Without this table any scope can be granted.
# [scopes]
# "deals:read" = "Read deals"

# Limits in requests per minute: for every key, and for the keys of a tier.
# [limits]
# all = {{ rate = 6000, burst = 100 }}
# [quotas]
# monthly = {{ amount = 100000, every = "month", per = "org" }}
# [tiers]
# basic = {{ rate = 100 }}

# How requests are authenticated over HTTP, for `keywright serve` and `keywright explain`.
# [http]
# trusted_proxies = ["10.0.0.0/8"]

# The listeners of `keywright serve`: the API, and health with metrics.
# [server]
# listen = "127.0.0.1:8787"
# admin_listen = "127.0.0.1:8788"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Value;

    #[test]
    fn the_document_is_valid_as_it_is_and_with_every_setting_turned_on() {
        let plain = document("acme");
        let all: String = plain
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(setting) if setting.contains(" = ") || setting.starts_with('[') => setting,
                _ => line,
            })
            .map(|line| format!("{line}\n"))
            .collect();
        for text in [plain, all] {
            let read: Value = toml::from_str(&text).unwrap();
            assert!(matches!(read, Value::Map(_)));
        }
    }
}
