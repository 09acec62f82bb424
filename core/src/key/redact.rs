use super::Format;

const MASK: &str = "[redacted]";

/// Masks what follows `head` and a whole lookup, also when it is shorter than a secret: a cut key is a leak too.
pub(crate) fn mask(text: &mut String, head: &str, format: &Format) {
    if !text.contains(head) {
        return;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(head) {
        out.push_str(before);
        out.push_str(head);
        rest = after;
        let (lookup, tail) = split_run(after, format.lookup_length(), |it| it.is_ascii_alphanumeric());
        if lookup.len() < format.lookup_length() {
            continue;
        }
        let (joint, tail) = tail.strip_prefix(format.joint()).map_or(("", tail), |it| (format.joint(), it));
        let (secret, tail) = split_run(tail, usize::MAX, |it| it.is_ascii_alphanumeric() || it == '_' || it == '-');
        out.push_str(lookup);
        out.push_str(joint);
        if !secret.is_empty() {
            out.push_str(MASK);
        }
        rest = tail;
    }
    out.push_str(rest);
    *text = out;
}

fn split_run(text: &str, most: usize, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|it| !belongs(it)).unwrap_or(text.len()).min(most);
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use crate::key::Formats;
    use proptest::prelude::*;

    fn formats() -> Formats {
        Formats::new(Some("liq"), None, &["lw_{lookup}{secret}{checksum}".into()], vec!["live".into(), "test".into()])
            .unwrap()
    }

    #[test]
    fn whole_and_cut_keys_are_masked_and_prefixes_stay() {
        let formats = formats();
        let key = formats.current().issue("live").unwrap();
        let text = key.api_key.reveal();
        let prefix = &key.prefix;
        for shown in [text, &text[..text.len() - 1], &text[..prefix.len() + 3], &format!("{text}x")] {
            let line = format!("Authorization: Bearer {shown}, {prefix} \u{1F511} and {shown}!");
            assert_eq!(
                formats.redact(&line),
                format!("Authorization: Bearer {prefix}_[redacted], {prefix} \u{1F511} and {prefix}_[redacted]!")
            );
        }
    }

    proptest! {
        #[test]
        fn redacting_is_idempotent(text in "(liq_live_|lw_|[A-Za-z0-9_\\[\\] é-]{0,30}){0,6}") {
            let once = formats().redact(&text);
            prop_assert_eq!(formats().redact(&once), once);
        }
    }
}
