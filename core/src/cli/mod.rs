//! The command line `keywright`. It reads arguments and settings, makes one call of the engine, and prints the answer. The
//! binary, the Python package and the npm package run the same code.
//!
//! Results go to standard output, everything else to standard error.

mod audit;
mod backup;
mod completions;
mod confirm;
mod copy;
mod doctor;
mod examples;
mod exit;
mod explain;
mod export_rules;
mod global;
mod import;
mod init;
mod keys;
mod man;
mod migrate;
mod named;
mod orgs;
mod pages;
mod printer;
mod progress;
mod secret;
mod serve;
mod settings;
mod stop;
mod verify;
mod webhooks;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use self::audit::AuditCommand;
use self::backup::BackupArguments;
use self::completions::CompletionsArguments;
use self::copy::CopyArguments;
use self::exit::Stop;
use self::explain::ExplainArguments;
use self::export_rules::ExportRulesArguments;
use self::global::GlobalArguments;
use self::import::ImportArguments;
use self::init::InitArguments;
use self::keys::KeysCommand;
use self::man::ManArguments;
use self::migrate::MigrateArguments;
use self::orgs::OrgsCommand;
use self::printer::Printer;
use self::serve::ServeArguments;
use self::settings::Settings;
pub use self::stop::ProgramStop;
use self::verify::VerifyArguments;
use self::webhooks::WebhooksCommand;
use crate::keyring::{Config, Keywright};
use crate::wait::block_on;

/// Issue, verify, rotate and revoke API keys.
#[derive(Parser)]
#[command(name = "keywright", bin_name = "keywright", version, before_help = examples::PROGRAM)]
#[command(arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    global: GlobalArguments,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write keywright.toml and a file with a new pepper
    #[command(before_help = examples::INIT)]
    Init(InitArguments),
    /// Create, list and change keys
    #[command(subcommand, before_help = examples::KEYS)]
    Keys(KeysCommand),
    /// List and change orgs
    #[command(subcommand, before_help = examples::ORGS)]
    Orgs(OrgsCommand),
    /// Verify a key that comes on standard input or from a file
    #[command(before_help = examples::VERIFY)]
    Verify(VerifyArguments),
    /// Explain why an HTTP request is allowed or refused
    #[command(before_help = examples::EXPLAIN)]
    Explain(ExplainArguments),
    /// Read, check and shorten the audit
    #[command(subcommand, before_help = examples::AUDIT)]
    Audit(AuditCommand),
    /// List and mend the endpoints of webhooks
    #[command(subcommand, before_help = examples::WEBHOOKS)]
    Webhooks(WebhooksCommand),
    /// Create or migrate the database
    #[command(before_help = examples::MIGRATE)]
    Migrate(MigrateArguments),
    /// Import keys of another product with the hashes that it stored
    #[command(before_help = examples::IMPORT)]
    Import(Box<ImportArguments>),
    /// Copy a whole database into an empty one, such as one of PostgreSQL
    #[command(before_help = examples::COPY)]
    Copy(CopyArguments),
    /// Copy the SQLite database into a file, also while programs use it
    #[command(before_help = examples::BACKUP)]
    Backup(BackupArguments),
    /// Show the settings with their sources, and what is unsafe about them and the database
    #[command(before_help = examples::DOCTOR)]
    Doctor,
    /// Print the pattern of the keys for a scanner of secrets
    #[command(before_help = examples::EXPORT_RULES)]
    ExportRules(ExportRulesArguments),
    /// Serve verification and key management over HTTP
    #[command(before_help = examples::SERVE)]
    Serve(ServeArguments),
    /// Print a script that completes commands in a shell
    #[command(before_help = examples::COMPLETIONS)]
    Completions(CompletionsArguments),
    /// Write the manual pages
    #[command(before_help = examples::MAN)]
    Man(ManArguments),
}

impl Command {
    fn run(self, context: &mut CommandContext) -> Result<(), Stop> {
        match self {
            Self::Init(arguments) => init::run(&arguments, context),
            Self::Keys(command) => command.run(context),
            Self::Orgs(command) => command.run(context),
            Self::Verify(arguments) => verify::run(arguments, context),
            Self::Explain(arguments) => explain::run(arguments, context),
            Self::Audit(command) => command.run(context),
            Self::Webhooks(command) => command.run(context),
            Self::Migrate(arguments) => migrate::run(&arguments, context),
            Self::Import(arguments) => import::run(*arguments, context),
            Self::Copy(arguments) => copy::run(&arguments, context),
            Self::Backup(arguments) => backup::run(&arguments, context),
            Self::Doctor => doctor::run(context),
            Self::ExportRules(arguments) => export_rules::run(&arguments, context),
            Self::Serve(arguments) => serve::run(&arguments, context),
            Self::Completions(arguments) => completions::run(&arguments, context),
            Self::Man(arguments) => man::run(&arguments, context),
        }
    }
}

/// The parts that every command uses.
struct CommandContext {
    global: GlobalArguments,
    printer: Printer,
    /// The host that stops a server, if signals do not.
    stop: Option<ProgramStop>,
}

impl CommandContext {
    fn settings(&self) -> Result<Settings, Stop> {
        Settings::read(&self.global)
    }

    /// Opens the engine, runs `work`, and closes the engine also after an error. The database must be there: a mistyped URL would
    /// make an empty one, and the command would find nothing in it.
    fn with_engine<T>(&mut self, work: impl AsyncFnOnce(&Keywright, &mut Self) -> Result<T, Stop>) -> Result<T, Stop> {
        let settings = self.settings()?;
        let config = settings.engine()?;
        settings.refuse_missing(&config)?;
        self.run_engine(config, work)
    }

    /// As [`with_engine`](Self::with_engine), for a command that also begins a new database.
    fn with_new_engine<T>(
        &mut self,
        work: impl AsyncFnOnce(&Keywright, &mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let config = self.settings()?.engine()?;
        self.run_engine(config, work)
    }

    fn run_engine<T>(
        &mut self,
        config: Config,
        work: impl AsyncFnOnce(&Keywright, &mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        block_on(async {
            let kw = config.build().await?;
            let outcome = work(&kw, self).await;
            kw.close().await;
            outcome
        })
    }

    /// Writes a line for people to standard error.
    fn say(&self, line: &str) {
        if !self.global.quiet {
            exit::say(line);
        }
    }
}

/// Runs the program with its arguments, of which the first is the name of the program, and returns its exit code: 0 for
/// success, 1 for a failure, 2 for wrong arguments or settings, 3 for a denied key, and 5 if the database cannot be used.
///
/// ```
/// let code = keywright::cli::run(["keywright", "verify", "--no-such-option"].map(Into::into));
/// assert_eq!(code, 2);
/// ```
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    run_with(arguments, None)
}

/// As [`run`], for a host that receives the signals of the process itself: a server stops when `stop` asks it to.
pub fn run_until(arguments: impl IntoIterator<Item = OsString>, stop: ProgramStop) -> u8 {
    run_with(arguments, Some(stop))
}

fn run_with(arguments: impl IntoIterator<Item = OsString>, stop: Option<ProgramStop>) -> u8 {
    let words: Vec<OsString> = arguments.into_iter().collect();
    if let refused @ Err(_) = global::refuse_secrets(&words) {
        return exit::code(refused, words.iter().any(|word| word == "--json"));
    }
    let (global, command) = match Arguments::try_parse_from(&words) {
        Ok(Arguments { global, command }) => (global, command),
        Err(error) => return exit::help_or_usage(&error, &words),
    };
    let is_json = global.json;
    let mut context = CommandContext { printer: Printer::new(&global), global, stop };
    let url = context.global.url.as_deref();
    let is_open = url.map_or(Ok(()), |url| global::refuse_password("--url", url));
    let outcome = is_open.and_then(|()| command.run(&mut context));
    // Lines that were printed before an error are still shown.
    let flushed = context.printer.finish();
    exit::code(outcome.and(flushed), is_json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::{Credit, KeyUpdate, ListAudit, ListKeys, NewKey};
    use clap::CommandFactory;

    /// The names of the options and arguments of a command.
    fn names(path: &[&str]) -> Vec<String> {
        let mut command = Arguments::command();
        for word in path {
            command = command.find_subcommand(word).unwrap().clone();
        }
        command.get_arguments().map(|argument| argument.get_id().as_str().to_owned()).collect()
    }

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn each_argument_of_a_call_is_an_option_of_its_command() {
        // `list` prints all pages.
        let without = |all: &[&'static str], left_out: &[&str]| -> Vec<&'static str> {
            all.iter().copied().filter(|name| !left_out.contains(name)).collect()
        };
        for (path, wanted) in [
            (["keys", "create"], NewKey::NAMES.to_vec()),
            (["keys", "update"], KeyUpdate::NAMES.to_vec()),
            (["keys", "credit"], Credit::NAMES.to_vec()),
            (["keys", "list"], without(&ListKeys::NAMES, &["cursor"])),
            (["audit", "list"], without(&ListAudit::NAMES, &["cursor"])),
        ] {
            let found = names(&path);
            for name in wanted {
                assert!(found.iter().any(|it| it == name), "{} has no option {name}", path.join(" "));
            }
        }
        let found = names(&["verify"]);
        for name in crate::decision::Request::OPTIONS {
            assert!(found.iter().any(|it| it == name), "verify has no option {name}");
        }
    }

    #[test]
    fn every_command_has_examples() {
        let command = Arguments::command();
        for sub in command.get_subcommands() {
            let examples = sub.get_before_help().unwrap_or_else(|| panic!("{} has none", sub.get_name())).to_string();
            let begins = |line: &str| line.trim_start().starts_with(&format!("keywright {}", sub.get_name()));
            assert!(examples.lines().any(begins) || examples.contains("| keywright"), "{examples}");
            assert!(examples.lines().all(|line| line.chars().count() <= 80), "{examples}");
        }
    }
}
