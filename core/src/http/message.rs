//! Requests and responses as values.

use std::borrow::Cow;
use std::ops::Range;

use zeroize::Zeroizing;

use super::{Peer, VerificationReceipt};

/// The head of an HTTP request, as a server read it. None of it is trusted.
///
/// ```
/// use keywright::http::Head;
/// let head = Head::new("GET", "/v1/deals?page=2").peer("203.0.113.7").headers(&[(b"authorization", b"Bearer liq_live_x")]);
/// assert_eq!(head.path(), b"/v1/deals");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    pub(super) method: &'a str,
    target: &'a [u8],
    headers: &'a [(&'a [u8], &'a [u8])],
    pub(super) peer: Peer,
    pub(super) earlier: Option<&'a VerificationReceipt>,
    pub(super) whole: Option<&'a [u8]>,
    pub(super) mount: Option<&'a str>,
    pub(super) is_rewritten: bool,
}

impl<'a> Head<'a> {
    /// The method and the target: the path that the router gets, and the query, still percent-encoded.
    pub fn new(method: &'a str, target: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        let target = target.as_ref();
        Self {
            method,
            target,
            headers: &[],
            peer: Peer::Unknown,
            earlier: None,
            whole: None,
            mount: None,
            is_rewritten: false,
        }
    }

    /// The whole target, if the application is mounted below a part of it and its router may look at either path. The
    /// request must then meet the rules of both paths.
    #[must_use]
    pub fn whole(self, target: Option<&'a [u8]>) -> Self {
        Self { whole: target, ..self }
    }

    /// The path at which a header of the request claims that the application is mounted. Rules refuse the request unless
    /// [`Config::mount`](super::Config::mount) names this path.
    #[must_use]
    pub fn mount(self, path: Option<&'a str>) -> Self {
        Self { mount: path, ..self }
    }

    /// Whether the router gets another path than the client sent. Rules refuse such a request unless
    /// [`Config::rewrites`](super::Config::rewrites) allows it.
    #[must_use]
    pub fn rewritten(self, is_rewritten: bool) -> Self {
        Self { is_rewritten, ..self }
    }

    /// The header lines in their order, repeated lines included.
    #[must_use]
    pub fn headers(self, headers: &'a [(&'a [u8], &'a [u8])]) -> Self {
        Self { headers, ..self }
    }

    /// The other end of the socket: its address without the port, or `unix:`. Leave it out if it is unknown.
    #[must_use]
    pub fn peer(self, peer: impl Into<Peer>) -> Self {
        Self { peer: peer.into(), ..self }
    }

    /// The receipt of an outer guard of the same request, [`AuthContext::earlier`](super::AuthContext::earlier). The request
    /// is then counted once, and each limit is charged once, for the greater cost. The needs are judged anew.
    #[must_use]
    pub fn earlier(self, earlier: Option<&'a VerificationReceipt>) -> Self {
        Self { earlier, ..self }
    }

    /// The path, still percent-encoded, without the query.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        path_of(self.target)
    }

    pub(super) fn target(&self) -> &'a [u8] {
        self.target
    }

    /// The same head with the method and target of another request, which this one describes.
    pub(super) fn describing(self, method: &'a str, target: &'a [u8]) -> Self {
        Self { method, target, whole: None, mount: None, is_rewritten: false, ..self }
    }

    pub(super) fn query(&self) -> &'a [u8] {
        let mut parts = self.target.splitn(2, |it| *it == b'?');
        parts.next();
        parts.next().unwrap_or_default()
    }

    /// The values of all header lines of that name.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.headers.iter().filter(move |it| it.0.eq_ignore_ascii_case(name.as_bytes()));
        lines.map(|it| it.1.trim_ascii())
    }

    /// The value of a header that may occur once; `None` if it is absent or repeated.
    pub(super) fn single(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.values(name);
        values.next().filter(|_| values.next().is_none())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Whether the head is larger than a server should accept.
    pub(super) fn is_too_large(&self) -> bool {
        const MOST: usize = 256;
        const LARGEST: usize = 64 * 1024;
        let size = || self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.target.len() > LARGEST || self.headers.len() > MOST || size() > LARGEST
    }

    /// The method by which rules judge the request: HEAD is judged as GET (RFC 9110, section 9.3.2).
    pub(super) fn judged_method(&self) -> &'a str {
        if self.method == "HEAD" { "GET" } else { self.method }
    }

    /// Whether this is a CORS-preflight request (the Fetch standard): a browser asks if a page may send another request.
    pub(super) fn is_preflight(&self) -> bool {
        self.method == "OPTIONS" && self.has("origin") && self.has(ASKED_METHOD)
    }

    /// Whether this is a preflight as browsers send it. CORS layers differ in which other preflights they answer, and a method
    /// override behind the guard would turn one into another request.
    pub(super) fn is_browsers_preflight(&self) -> bool {
        let is_plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b',';
        let is_origin = |origin: &[u8]| !origin.is_empty() && origin.iter().all(is_plain);
        self.is_preflight()
            && self.single("origin").is_some_and(is_origin)
            && self.single(ASKED_METHOD).is_some_and(is_token)
            && !OVERRIDES.iter().any(|it| self.has(it))
    }

    /// Whether the method is in capitals, as the methods of rules are. Some frameworks route `delete` as DELETE.
    pub(super) fn is_plain_method(&self) -> bool {
        self.method.bytes().all(|it| it.is_ascii_uppercase() || it == b'-')
    }
}

const ASKED_METHOD: &str = "access-control-request-method";

/// The headers by which clients override the method, in hosts that allow it.
pub(super) const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Whether a text is a token (RFC 9110, section 5.6.2).
fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(it))
}

pub(super) fn path_of(target: &[u8]) -> &[u8] {
    target.split(|it| *it == b'?').next().unwrap_or_default()
}

/// A whole request, for [`Http::manage`](super::Http::manage).
///
/// ```
/// use keywright::http::Message;
/// let message = Message::new("POST", "/keys").header("content-type", "application/json").body(r#"{"name": "CI"}"#);
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Message {
    method: String,
    target: Vec<u8>,
    headers: HeaderLines,
    peer: Peer,
    earlier: Option<VerificationReceipt>,
    body: Zeroizing<Vec<u8>>,
}

/// Header lines in one text, since a message has many short ones.
#[derive(Clone, Default)]
struct HeaderLines {
    text: Vec<u8>,
    /// Where the name and the value of each line end.
    ends: Vec<(usize, usize)>,
}

impl HeaderLines {
    fn push(&mut self, name: &[u8], value: &[u8]) {
        self.text.extend_from_slice(name);
        let name_end = self.text.len();
        self.text.extend_from_slice(value);
        self.ends.push((name_end, self.text.len()));
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut begin = 0;
        self.ends.iter().map(move |(name_end, end)| {
            let part = |range: Range<usize>| self.text.get(range).unwrap_or_default();
            (part(std::mem::replace(&mut begin, *end)..*name_end), part(*name_end..*end))
        })
    }
}

impl Message {
    /// The longest body that is read: 64 KiB. A server may stop reading at the first byte beyond it, and pass on the bytes it
    /// has.
    pub const LARGEST_BODY: usize = 64 * 1024;

    /// The method, and the target below the mount of management: `/keys` for `/manage/keys`.
    pub fn new(method: impl Into<String>, target: impl Into<Vec<u8>>) -> Self {
        Self { method: method.into(), target: target.into(), ..Self::default() }
    }

    /// Adds a header line.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(name.as_ref(), value.as_ref());
        self
    }

    /// See [`Head::peer`].
    pub fn peer(self, peer: impl Into<Peer>) -> Self {
        Self { peer: peer.into(), ..self }
    }

    /// See [`Head::earlier`].
    pub fn earlier(self, earlier: Option<VerificationReceipt>) -> Self {
        Self { earlier, ..self }
    }

    /// The body.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Zeroizing::new(body.into()), ..self }
    }

    pub(super) fn map_target(self, with: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        Self { target: with(&self.target), ..self }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The header lines, for [`head`](Self::head).
    pub(super) fn lines(&self) -> Vec<(&[u8], &[u8])> {
        self.headers.iter().collect()
    }

    /// The head, with the lines of this message.
    pub(super) fn head<'a>(&'a self, lines: &'a [(&'a [u8], &'a [u8])]) -> Head<'a> {
        let head = Head::new(&self.method, &self.target).headers(lines).peer(self.peer);
        head.earlier(self.earlier.as_ref())
    }

    /// Calls `with` with the head.
    pub(super) fn with_head<T>(&self, with: impl FnOnce(&Head<'_>) -> T) -> T {
        with(&self.head(&self.lines()))
    }
}

/// The name of a header in lower case, and its value.
pub type Header = (&'static str, Cow<'static, str>);

/// A whole response, to be sent as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Headers with names in lower case, each name once. The server adds `content-length`.
    pub headers: Vec<Header>,
    /// The body; empty for HEAD.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|it| it.0 == name).map(|it| it.1.as_ref())
    }
}
