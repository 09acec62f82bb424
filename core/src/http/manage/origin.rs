use super::Head;

/// Whether a request that a browser vouches for with a cookie comes from a page that may send it: one of the same origin,
/// or of one of those named. What changes nothing may come from anywhere, since nobody else can read the answer.
pub(super) fn admits(head: &Head<'_>, origins: &[String]) -> bool {
    let mut cookies = head.values("cookie");
    if cookies.all(<[u8]>::is_empty) || head.judged_method() == "GET" {
        return true;
    }
    let origin = head.single("origin");
    let is_named = || origin.is_some_and(|it| origins.iter().any(|named| named.as_bytes() == it));
    // Browsers set this, and no page can.
    if head.has("sec-fetch-site") {
        return head.single("sec-fetch-site") == Some(b"same-origin") || is_named();
    }
    let host = |it: &[u8]| {
        let rest = it.strip_prefix(b"https://").or_else(|| it.strip_prefix(b"http://"))?;
        Some(rest.eq_ignore_ascii_case(head.single("host")?))
    };
    is_named() || origin.and_then(host) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_believed_from_our_own_pages_only() {
        let admitted = |method: &str, lines: &[(&str, &str)]| {
            let cookie = [(&b"cookie"[..], &b"session=1"[..]), (b"host", b"api.example")];
            let lines: Vec<_> =
                cookie.into_iter().chain(lines.iter().map(|it| (it.0.as_bytes(), it.1.as_bytes()))).collect();
            admits(&Head::new(method, "/keys").headers(&lines), &["https://app.example".into()])
        };
        assert!(admitted("GET", &[]) && admitted("HEAD", &[("sec-fetch-site", "cross-site")]));
        for (lines, expected) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://app.example")], true),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://api.example")], false),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], false),
            (&[("origin", "https://app.example")], true),
            (&[("origin", "https://api.example")], true),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "https://api.example.evil")], false),
            (&[("origin", "null")], false),
            (&[("origin", "https://app.example"), ("origin", "https://app.example")], false),
        ] {
            assert_eq!(admitted("POST", lines), expected, "{lines:?}");
        }
        assert!(admits(&Head::new("POST", "/keys"), &[]));
        assert!(admits(&Head::new("POST", "/keys").headers(&[(b"cookie", b"")]), &[]));
    }
}
