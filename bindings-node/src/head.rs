//! The head of a request as JavaScript passes it.

use keywright::Error;
use keywright::http::{Head, Message, VerificationReceipt};

use crate::call::invalid_request;

type Line<'a> = (&'a [u8], &'a [u8]);

/// The head in one text, since each argument that crosses to the addon costs time. Its lines are: the number of lines
/// that follow, the method, the target, whether the target was rewritten, the peer, the result of an earlier guard, and
/// then for each header its name and its value. The three before the headers may be empty.
pub(crate) struct RequestHead<'a> {
    method: &'a str,
    target: &'a str,
    is_rewritten: bool,
    peer: Option<&'a str>,
    earlier: Option<VerificationReceipt>,
    headers: Vec<Line<'a>>,
}

impl<'a> RequestHead<'a> {
    /// Parses the text. The count guards against a line feed within a line, which no server accepts.
    pub(crate) fn read(text: &'a str) -> Result<Self, Error> {
        let read = || {
            let mut lines = text.split('\n');
            let count: usize = lines.next()?.parse().ok()?;
            let fixed = [lines.next()?, lines.next()?, lines.next()?, lines.next()?, lines.next()?];
            let mut headers = Vec::with_capacity(count.min(256) / 2);
            while let Some(name) = lines.next() {
                headers.push((name.as_bytes(), lines.next()?.as_bytes()));
            }
            (headers.len() * 2 + fixed.len() == count).then_some((fixed, headers))
        };
        let Some(([method, target, rewritten, peer, earlier], headers)) = read() else {
            return Err(invalid_request(
                "request",
                "has a line break in its head",
                "pass it on as the server has read it",
            ));
        };
        let earlier = if earlier.is_empty() { None } else { Some(earlier.parse()?) };
        Ok(Self { method, target, is_rewritten: !rewritten.is_empty(), peer: Some(peer), earlier, headers })
    }

    pub(crate) fn head(&self) -> Head<'_> {
        let head = Head::new(self.method, self.target).headers(&self.headers);
        head.peer(self.peer).earlier(self.earlier.as_ref()).rewritten(self.is_rewritten)
    }

    pub(crate) fn message(&self, body: &[u8]) -> Message {
        let message = Message::new(self.method, self.target).peer(self.peer).body(body);
        let message = message.earlier(self.earlier.clone());
        self.headers.iter().fold(message, |message, (name, value)| message.header(*name, *value))
    }
}
