//! Questions before changes that stop keys or delete data.

use std::io::{IsTerminal, Write};

use super::CommandContext;
use super::exit::Stop;

/// Asks before a change that cannot be undone: on a terminal; elsewhere only `--yes` lets the change happen. `change` says what
/// happens, like `revoke the key CI`.
pub(super) fn confirm(context: &CommandContext, change: &str) -> Result<(), Stop> {
    ask(context, change, " It cannot be undone.")
}

/// As [`confirm`], before a change that another command takes back.
pub(super) fn confirm_reversible(context: &CommandContext, change: &str) -> Result<(), Stop> {
    ask(context, change, "")
}

fn ask(context: &CommandContext, change: &str, remark: &str) -> Result<(), Stop> {
    if context.global.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Stop::Usage(format!("this would {change}, and there is no terminal to ask on; add --yes")));
    }
    let mut to = std::io::stderr();
    // A question that cannot be shown is answered by nobody, which is a no.
    let _ = write!(to, "This will {change}.{remark} Go on? [y/N] ").and_then(|()| to.flush());
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match read {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Stop::Failed("nothing was changed".into())),
    }
}
