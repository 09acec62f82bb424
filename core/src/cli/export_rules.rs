//! `keywright export-rules`.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::CommandContext;
use super::exit::Stop;
use crate::key::PatternSyntax;

#[derive(Args)]
pub(super) struct ExportRulesArguments {
    /// The scanner that reads the rule
    #[arg(long = "for", value_name = "SCANNER", default_value = "gitleaks")]
    scanner: Scanner,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scanner {
    /// A rule for .gitleaks.toml
    Gitleaks,
    /// A custom pattern of a host of repositories
    Pattern,
    /// A pattern of grep -E
    Grep,
}

pub(super) fn run(arguments: &ExportRulesArguments, context: &mut CommandContext) -> Result<(), Stop> {
    let formats = context.settings()?.engine()?.key_formats()?;
    let pattern = formats.key_pattern_in(match arguments.scanner {
        Scanner::Grep => PatternSyntax::Ere,
        Scanner::Gitleaks | Scanner::Pattern => PatternSyntax::Perl,
    });
    if arguments.scanner != Scanner::Gitleaks || !context.printer.is_text() {
        return context.printer.record(&json!({"pattern": pattern}), "pattern");
    }
    // A pattern has letters, digits and the signs of regular expressions, and no quote.
    context.printer.text(
        format!("[[rules]]\nid = \"keywright-api-key\"\ndescription = \"API key\"\nregex = '''{pattern}'''\n")
            .as_bytes(),
    )
}
