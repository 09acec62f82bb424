//! Protection of management against cross-site requests.

use super::{Head, body};
use crate::http::Session;
use crate::http::refusal::Refusal;

/// Refuses a change with a session of the host that a browser may have sent for a page of another origin.
///
/// Browsers add cookies, Basic credentials, client certificates and Kerberos tickets to the requests of any page, and send
/// them from their own network. A page cannot make a browser send a key or token in a header, so those need no check.
pub(super) fn check_origin(
    head: &Head<'_>,
    origins: &[String],
    session: &Session,
    is_json: bool,
) -> Result<(), Refusal> {
    // A read changes nothing, and other pages cannot see the response.
    if head.judged_method() == "GET" {
        return Ok(());
    }
    if !is_allowed(head, origins, session.by_cookie) {
        let message = "Pages of this origin may not manage keys; the option origins names those that may";
        return Err(Refusal::forbidden(message));
    }
    // A form of a page has another content type, or none if it has no fields. No form sends DELETE.
    if is_json && (head.method != "DELETE" || head.has("content-type")) {
        body::require_json(head)?;
    }
    Ok(())
}

/// Whether a request comes from a page of the same origin, from a page of a named origin, or from no page.
fn is_allowed(head: &Head<'_>, origins: &[String], by_cookie: bool) -> bool {
    let origin = head.single("origin");
    let is_named = || origin.is_some_and(|it| origins.iter().any(|named| named.as_bytes() == it));
    // Browsers set this header, and pages cannot.
    if head.has("sec-fetch-site") {
        return head.single("sec-fetch-site") == Some(b"same-origin") || is_named();
    }
    if head.has("origin") {
        let host = |url: &[u8]| {
            let rest = url.strip_prefix(b"https://").or_else(|| url.strip_prefix(b"http://"))?;
            Some(rest.eq_ignore_ascii_case(head.single("host")?))
        };
        return is_named() || origin.and_then(host) == Some(true);
    }
    // Every current browser sends the origin. An old one that does not is recognized by its cookie.
    !by_cookie || head.values("cookie").all(<[u8]>::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, lines: &[(&str, &str)], session: &Session) -> u16 {
        let kind = [(&b"content-type"[..], &b"application/json"[..]), (b"host", b"api.example")];
        let kind = kind.into_iter().filter(|it| !lines.iter().any(|line| line.0.as_bytes() == it.0));
        let lines: Vec<_> = lines.iter().map(|it| (it.0.as_bytes(), it.1.as_bytes())).chain(kind).collect();
        let head = Head::new(method, "/keys").headers(&lines);
        check_origin(&head, &["https://app.example".into()], session, true).map_or_else(|it| it.status, |()| 200)
    }

    #[test]
    fn a_session_changes_something_from_our_own_pages_only() {
        let session = Session::of("acme").unwrap();
        for proof in [("cookie", "session=1"), ("authorization", "Basic eDp5"), ("x-client-certificate", "alice")] {
            for session in [session.clone(), session.clone().without_cookie()] {
                for (lines, expected) in [
                    (&[("sec-fetch-site", "same-origin")][..], 200),
                    (&[("sec-fetch-site", "same-site")], 403),
                    (&[("sec-fetch-site", "cross-site")], 403),
                    (&[("sec-fetch-site", "none")], 403),
                    (&[("sec-fetch-site", "cross-site"), ("origin", "https://app.example")], 200),
                    (&[("sec-fetch-site", "cross-site"), ("origin", "https://api.example")], 403),
                    (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], 403),
                    (&[("origin", "https://app.example")], 200),
                    (&[("origin", "https://api.example")], 200),
                    (&[("origin", "https://evil.example")], 403),
                    (&[("origin", "https://api.example.evil")], 403),
                    (&[("origin", "null")], 403),
                    (&[("origin", "https://app.example"), ("origin", "https://app.example")], 403),
                ] {
                    let lines: Vec<_> = lines.iter().copied().chain([proof]).collect();
                    for method in ["POST", "PATCH", "DELETE"] {
                        assert_eq!(status(method, &lines, &session), expected, "{method} {lines:?}");
                    }
                    assert_eq!(status("GET", &lines, &session), 200);
                }
            }
        }
    }

    #[test]
    fn a_request_that_names_no_origin_is_no_browsers() {
        let session = Session::of("acme").unwrap();
        let cookie = [("cookie", "session=1")];
        assert_eq!(status("POST", &[], &session), 200);
        assert_eq!(status("POST", &[("cookie", "")], &session), 200);
        assert_eq!(status("POST", &cookie, &session), 403);
        assert_eq!(status("DELETE", &cookie, &session), 403);
        assert_eq!(status("POST", &cookie, &session.without_cookie()), 200);
    }

    #[test]
    fn a_change_has_its_content_type_without_a_body_too() {
        let session = Session::of("acme").unwrap();
        for (method, kind, expected) in [
            ("POST", "text/plain", 415),
            ("POST", "application/x-www-form-urlencoded", 415),
            ("PATCH", "multipart/form-data; boundary=x", 415),
            ("DELETE", "application/x-www-form-urlencoded", 415),
            ("DELETE", "application/json; charset=utf-8", 200),
            ("GET", "text/plain", 200),
        ] {
            assert_eq!(status(method, &[("content-type", kind)], &session), expected, "{method} {kind}");
        }
        let bare =
            |method: &str| check_origin(&Head::new(method, "/keys"), &[], &session, true).map_err(|it| it.status);
        assert_eq!((bare("POST"), bare("PATCH"), bare("DELETE")), (Err(415), Err(415), Ok(())));
    }
}
