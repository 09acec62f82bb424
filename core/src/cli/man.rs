//! `keywright man`.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};

use super::exit::Stop;
use super::{Arguments, CommandContext};

#[derive(Args)]
pub(super) struct ManArguments {
    /// The folder for the pages, which must be there
    #[arg(value_name = "FOLDER")]
    directory: PathBuf,
}

pub(super) fn run(arguments: &ManArguments, context: &mut CommandContext) -> Result<(), Stop> {
    let folder = &arguments.directory;
    clap_mangen::generate_to(with_examples_last(Arguments::command()), folder)
        .map_err(|error| Stop::unwritable("FOLDER", folder, &error))?;
    context.say(&format!("Read them with: man -l {}/keywright.1", folder.display()));
    Ok(())
}

/// The help begins with the examples, a manual page ends with them.
fn with_examples_last(command: Command) -> Command {
    let examples = command.get_before_help().cloned();
    let command = match examples {
        Some(examples) => command.after_help(examples),
        None => command,
    };
    command.mut_subcommands(with_examples_last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_examples() {
        let folder = tempfile::tempdir().unwrap();
        clap_mangen::generate_to(with_examples_last(Arguments::command()), folder.path()).unwrap();
        let page = |name: &str| std::fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap_or_default();
        for command in Arguments::command().get_subcommands() {
            let text = page(&format!("keywright-{}", command.get_name()));
            assert!(text.contains("Examples:"), "{}", command.get_name());
        }
        assert!(page("keywright").contains("keywright init acme"));
        assert!(page("keywright-keys-create").contains("expires"));
    }
}
