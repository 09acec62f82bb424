//! Questions before changes that cannot be undone.

use std::io::{IsTerminal, Write};

use super::CommandContext;
use super::exit::Stop;

/// Asks on a terminal; elsewhere only `--yes` lets the change happen. `change` says what happens, like `revoke the key CI`.
pub(super) fn confirm(context: &CommandContext, change: &str) -> Result<(), Stop> {
    if context.global.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Stop::Usage(format!("this would {change}, and there is no terminal to ask on; add --yes")));
    }
    let mut to = std::io::stderr();
    // A question that cannot be shown is answered by nobody, which is a no.
    let _ = write!(to, "This will {change}. It cannot be undone. Go on? [y/N] ").and_then(|()| to.flush());
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match read {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Stop::Failed("nothing was changed".into())),
    }
}
