//! `keywright completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::exit::Stop;
use super::{Arguments, CommandContext};

#[derive(Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArguments, context: &mut CommandContext) -> Result<(), Stop> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "keywright", &mut script);
    context.printer.text(&script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_has_a_script() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "keywright", &mut script);
            assert!(String::from_utf8(script).unwrap().contains("end-grace"), "{shell}");
        }
    }
}
