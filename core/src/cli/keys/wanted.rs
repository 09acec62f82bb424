//! The key that a command names, and the errors about it.

use super::KeysCommand;
use crate::cli::exit::Stop;
use crate::error::Error;
use crate::input::identifier;

/// The longest id.
const LONGEST: usize = 64;

impl KeysCommand {
    /// The id of the key, and whether its prefix may stand in place of it.
    fn wanted(&self) -> Option<(&str, bool)> {
        match self {
            Self::Create(_) | Self::List(_) => None,
            Self::Show(it) | Self::Usage(it) => Some((&it.id, true)),
            Self::Update(it) => Some((&it.id, false)),
            Self::Rotate(it) => Some((&it.id, false)),
            Self::EndGrace(it) | Self::Revoke(it) | Self::Disable(it) | Self::Enable(it) => Some((&it.id, false)),
            Self::Credit(it) => Some((&it.id, false)),
        }
    }

    /// Refuses a text that is the id of no key in any database.
    pub(super) fn refuse_malformed(&self) -> Result<(), Error> {
        let Some((id, may_be_prefix)) = self.wanted() else { return Ok(()) };
        let reason = "is no id of a key, which has 1 to 64 of A-Z, a-z, 0-9, _ . : and -";
        // A prefix of an imported key has any characters.
        let is_id =
            if may_be_prefix { !id.is_empty() } else { id.len() <= LONGEST && identifier("id", id, reason).is_ok() };
        if is_id { Ok(()) } else { Err(Error::validation_failed("id", reason, "take one from `keywright keys list`")) }
    }
}

/// Says how the command line finds a key that is unknown.
pub(super) fn explained(stop: Stop) -> Stop {
    match stop {
        Stop::Refused(unknown @ Error::NotFound(_)) if unknown.field() == Some("id") => {
            Stop::Refused(unknown.with_fix(
                "look it up with `keywright keys list --every-org --status all`, and name its org with --org",
            ))
        }
        other => other,
    }
}
