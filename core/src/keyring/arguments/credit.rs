use super::Change;
use crate::error::Error;
use crate::input::{Fields, FromFields, Value};
use crate::limit::quota::MAX_AMOUNT;

/// The arguments of `keys.credit`.
///
/// ```
/// let credit = keywright::Credit::of(1_000).quota("credits").reason("invoice 2026-07").actor("billing");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Credit {
    pub(crate) amount: u64,
    pub(crate) quota: Option<String>,
    pub(crate) change: Change,
}

impl Credit {
    /// The names of the arguments that every caller may give. `actor` is for the host alone.
    pub(crate) const NAMES: [&'static str; 3] = ["amount", "quota", "reason"];

    /// Requests to add to the balance, 1 to 999,999,999,999,999.
    pub fn of(amount: u64) -> Self {
        Self { amount, quota: None, change: Change::default() }
    }

    /// The name of the balance. It may be left out for a key with one balance.
    pub fn quota(self, name: impl Into<String>) -> Self {
        Self { quota: Some(name.into()), ..self }
    }

    /// The reason of the credit (1 to 200 characters).
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { change: Change { reason: Some(reason.into()), ..self.change }, ..self }
    }

    /// The actor of the credit (1 to 200 characters).
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    pub(crate) fn by(self, change: Change) -> Self {
        Self { change: self.change.by(change), ..self }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        // Reads the number like a caller's, so that the error has the same words.
        read_amount(Value::Integer(self.amount.into()))?;
        self.change.check()
    }
}

/// Reads the arguments of a `credit` call.
impl FromFields for Credit {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&[Self::NAMES.as_slice(), &["actor"]].concat())?;
        let Some(amount) = fields.take("amount") else {
            return Err(Error::invalid_request("amount", "is missing", "give the number of requests to add"));
        };
        let (amount, quota) = (read_amount(amount)?, fields.text("quota")?);
        Ok(Self { amount, quota, change: Change::take(&mut fields)? })
    }
}

fn read_amount(value: Value) -> Result<u64, Error> {
    value.into_integer("amount", 1, MAX_AMOUNT.cast_signed()).map(i64::unsigned_abs)
}
