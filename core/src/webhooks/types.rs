//! The types of events, each with the actions of the audit from which it comes.

/// An action of the audit, and the type of its event. Attestations change nothing, and a pruned audit is no business of receivers.
const TYPES: [(&str, &str); 16] = [
    ("key.create", "key.created"),
    ("key.import", "key.imported"),
    ("key.update", "key.updated"),
    ("key.rotate", "key.rotated"),
    ("key.end_grace", "key.grace_ended"),
    ("key.grace_ended", "key.grace_ended"),
    ("key.credit", "key.credited"),
    ("key.disable", "key.disabled"),
    ("key.enable", "key.enabled"),
    ("key.revoke", "key.revoked"),
    ("key.purge", "key.purged"),
    ("org.create", "org.created"),
    ("org.update", "org.updated"),
    ("org.disable", "org.disabled"),
    ("org.enable", "org.enabled"),
    ("org.revoke_keys", "org.keys_revoked"),
];

/// The type of the event that an action causes.
pub(super) fn type_of(action: &str) -> Option<&'static str> {
    TYPES.iter().find(|(known, _)| *known == action).map(|(_, kind)| *kind)
}

/// Every type, once.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    let is_first = |(place, kind): &(usize, &str)| TYPES.iter().take(*place).all(|(_, other)| other != kind);
    TYPES.iter().map(|(_, kind)| *kind).enumerate().filter(is_first).map(|(_, kind)| kind)
}

/// The actions of some types, or of all, separated by spaces.
pub(super) fn actions(chosen: Option<&[String]>) -> String {
    let is_chosen = |kind: &str| chosen.is_none_or(|chosen| chosen.iter().any(|it| it == kind));
    let actions = TYPES.iter().filter(|(_, kind)| is_chosen(kind)).map(|(action, _)| *action);
    actions.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_choose_actions() {
        assert_eq!(all().count(), 15);
        assert_eq!(
            actions(Some(&["key.grace_ended".into(), "org.created".into()])),
            "key.end_grace key.grace_ended org.create"
        );
        assert_eq!(actions(None).split(' ').count(), TYPES.len());
        assert_eq!((type_of("key.revoke"), type_of("agent.attest")), (Some("key.revoked"), None));
    }
}
