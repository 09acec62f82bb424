//! The agent on whose behalf a request is made: an id in a header that the host names. It counts only for a proved caller,
//! and adds no right.

use std::sync::Arc;

use super::refusal::Refusal;
use super::{Head, header};
use crate::error::Error;
use crate::input::identifier;

/// The agent of a request, or the error in its header.
pub(super) type AgentResult = Result<Option<Arc<str>>, Refusal>;

/// Parses the option that names the header.
pub(super) fn parse_header_name(name: &str) -> Result<String, Error> {
    header::parse_name("agent_header", name, "X-Agent-Id")
}

/// Reads the agent of a request, if a header is configured and present. A header that cannot be read is an error: without
/// an agent, the request would escape the limits and counters of agents.
pub(super) fn read_agent(header: Option<&str>, head: &Head<'_>) -> AgentResult {
    let Some(name) = header else { return Ok(None) };
    let mut lines = head.values(name);
    let Some(first) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(Refusal::invalid_request(format!("The header {name} is repeated; send one agent")));
    }
    let id = std::str::from_utf8(first).ok().filter(|id| identifier("agent", id, "is no id of an agent").is_ok());
    id.map(|id| Some(id.into())).ok_or_else(|| {
        Refusal::invalid_request(format!(
            "The header {name} holds no id of an agent: 1 to 128 of A-Z, a-z, 0-9, _ . : and -"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(values: &[&[u8]]) -> Result<Option<String>, u16> {
        let lines: Vec<_> = values.iter().map(|it| (&b"X-Agent-Id"[..], *it)).collect();
        let agent = read_agent(Some("x-agent-id"), &Head::new("GET", "/").headers(&lines));
        agent.map(|it| it.map(|it| it.to_string())).map_err(|it| it.status)
    }

    #[test]
    fn one_id_as_it_is_written() {
        assert_eq!(found(&[]), Ok(None));
        assert_eq!(found(&[b" agent-7:Buyer_1.x\t"]), Ok(Some("agent-7:Buyer_1.x".into())));
        assert_eq!(found(&[&[b'a'; 128]]), Ok(Some("a".repeat(128))));
        let bad: [&[u8]; 7] = [b"", b"a b", b"a,b", b"a/b", "\u{e9}".as_bytes(), b"\xff", &[b'a'; 129]];
        for bad in bad {
            assert_eq!(found(&[bad]), Err(400), "{bad:?}");
        }
        assert_eq!(found(&[b"a", b"a"]), Err(400));
        let lines: [(&[u8], &[u8]); 1] = [(b"x-agent-id", b"a b")];
        assert_eq!(read_agent(None, &Head::new("GET", "/").headers(&lines)), Ok(None), "off unless it is configured");
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = found(&[&value]);
        }
    }
}
