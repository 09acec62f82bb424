//! The text form of receipts: every case of `receipt.json`.

use keywright::Error;
use keywright::http::VerificationReceipt;
use keywright_tests::interpreter::case;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptCase {
    id: String,
    #[serde(rename = "comment")]
    _comment: String,
    text: String,
    expect: Option<Parts>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    key_revision: String,
    request_id: String,
    charges: Vec<(u32, u32)>,
    agent: Option<String>,
    once: bool,
}

impl From<&VerificationReceipt> for Parts {
    fn from(receipt: &VerificationReceipt) -> Self {
        Self {
            key_revision: receipt.key_revision().to_string(),
            request_id: receipt.request_id().to_owned(),
            charges: receipt.charges().collect(),
            agent: receipt.agent().map(str::to_owned),
            once: receipt.is_once(),
        }
    }
}

#[test]
fn every_vector_holds() {
    for case in case::file::<ReceiptCase>("receipt").tests {
        match (case.text.parse::<VerificationReceipt>(), case.expect) {
            (Ok(receipt), Some(parts)) => {
                assert_eq!(Parts::from(&receipt), parts, "{}", case.id);
                assert_eq!(receipt.to_string(), case.text, "{}", case.id);
            }
            (Err(error @ Error::InvalidRequest(_)), None) => {
                assert_eq!(error.field(), Some("earlier"), "{}", case.id);
            }
            (found, wanted) => panic!("{}: {found:?}, and not {wanted:?}", case.id),
        }
    }
}
