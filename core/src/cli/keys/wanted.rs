//! The key that a command names, and the errors about it.

use super::KeysCommand;
use crate::cli::exit::Stop;
use crate::error::Error;
use crate::input::identifier;
use crate::keyring::Keywright;

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

    /// Refuses the whole text of a key in place of its id or its name.
    pub(super) fn refuse_secret(&self, kw: &Keywright) -> Result<(), Error> {
        let name = if let Self::List(it) = self { it.name.as_deref() } else { None };
        // A prefix of an imported key may look like one; the search for it judges what it does not find.
        let id = self.wanted().filter(|(_, may_be_prefix)| !may_be_prefix);
        kw.refuse_api_key("id", id.map(|(id, _)| id))?;
        kw.refuse_api_key("name", name)
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
        Stop::Refused(conflict @ Error::Conflict(_)) => Stop::Refused(in_options(conflict)),
        other => other,
    }
}

/// Says options in place of the arguments of a call.
fn in_options(conflict: Error) -> Error {
    let fixes = [
        (
            "rotate with grace 0 or replace_current",
            "wait, run `keywright keys end-grace`, or add --grace 0 or --replace-current",
        ),
        ("rotate with grace 0 to end", "add --grace 0 to end the current secret now"),
    ];
    let told = conflict.to_string();
    match fixes.iter().find(|(of_call, _)| told.contains(of_call)) {
        Some((_, fix)) => conflict.with_fix(fix),
        None => conflict,
    }
}
