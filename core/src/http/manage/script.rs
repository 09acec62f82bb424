//! The scripts of the page for keys, `<keywright-keys>`, which each mount serves itself.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::http::refusal::Refusal;
use crate::http::{Head, Http, Response};

/// A script, by its path below where management is mounted.
struct Script {
    path: &'static str,
    text: &'static str,
    /// Changes with the text, so that a browser keeps the script until a new version of Keywright serves another one.
    etag: LazyLock<String>,
}

// Bundles of `bindings-node/console`. They are committed, so that a build needs no Node.
const ELEMENT: &str = include_str!("../../console/element.mjs");
const GERMAN: &str = include_str!("../../console/element.de.mjs");

static SCRIPTS: [Script; 2] = [
    Script { path: "/element.js", text: ELEMENT, etag: LazyLock::new(|| etag(ELEMENT)) },
    Script { path: "/element.de.mjs", text: GERMAN, etag: LazyLock::new(|| etag(GERMAN)) },
];

/// The paths of the scripts, which stand beside keys.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    SCRIPTS.iter().map(|script| script.path)
}

impl Http {
    /// Answers a request for a script, `None` for any other. Anybody may have it: a page loads it without a session token.
    pub(super) fn script(&self, head: &Head<'_>) -> Option<Response> {
        let script = SCRIPTS.iter().find(|script| script.path.as_bytes() == head.path())?;
        let (request_id, is_head) = (self.request_id(head), head.method == "HEAD");
        if head.judged_method() != "GET" {
            let refusal = Refusal::new(405, "METHOD_NOT_ALLOWED", "This path does not take that method");
            return Some(refusal.with("allow", "GET").response(&self.config.style, request_id, is_head));
        }
        let is_known = head.values("if-none-match").any(|value| matches(value, &script.etag));
        let headers = vec![
            ("content-type", "text/javascript; charset=utf-8".into()),
            ("cache-control", "no-cache".into()),
            ("etag", script.etag.as_str().into()),
            ("x-content-type-options", "nosniff".into()),
            ("x-request-id", request_id),
        ];
        let body = if is_known || is_head { Vec::new() } else { script.text.into() };
        Some(Response { status: if is_known { 304 } else { 200 }, headers, body })
    }
}

fn etag(text: &str) -> String {
    let mut tag = String::from("\"");
    for byte in Sha256::digest(text).iter().take(16) {
        let _ = write!(tag, "{byte:02x}");
    }
    tag + "\""
}

/// Whether a value of `If-None-Match` names the tag (RFC 9110, section 13.1.2). A proxy that compresses makes it weak.
fn matches(value: &[u8], etag: &str) -> bool {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|given| {
        let given = given.strip_prefix(b"W/").unwrap_or(given);
        given == b"*" || given == etag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_a_browser_has_is_not_sent_again() {
        let etag = etag("export {}");
        assert_eq!(etag.len(), 34);
        for (value, expected) in [
            (etag.clone(), true),
            (format!("W/{etag}"), true),
            (format!("\"x\", {etag}"), true),
            ("*".into(), true),
            ("\"x\"".into(), false),
            (etag.trim_matches('"').into(), false),
            (String::new(), false),
        ] {
            assert_eq!(matches(value.as_bytes(), &etag), expected, "{value}");
        }
    }

    #[test]
    fn scripts_differ_and_are_whole() {
        let [element, german] = &SCRIPTS;
        assert_ne!(*element.etag, *german.etag);
        assert!(element.text.contains("customElements.define(\"keywright-keys\""));
        assert!(element.text.contains("./element.de.mjs"), "the words in German are found beside the element");
    }
}
