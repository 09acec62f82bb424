use crate::clock::{self, Millis};
use crate::error::Error;
use crate::input::{Fields, Value};

const MAX_DAYS: i64 = 36_500;

/// The expiry of a key, as the caller gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    Never,
    InDays(i64),
    At(Millis),
}

impl Expiry {
    /// Takes `expires_in_days` or `expires_at` out of the arguments of a call.
    pub(super) fn take(fields: &mut Fields) -> Result<Option<Self>, Error> {
        let (days, at) = (fields.take("expires_in_days"), fields.take("expires_at"));
        match (days, at) {
            (Some(days), Some(at)) if days != Value::Null && at != Value::Null => Err(Error::invalid_request(
                "expires_in_days",
                "is given together with expires_at",
                "give one of the two",
            )),
            (Some(days), _) if days != Value::Null => {
                Ok(Some(Self::InDays(days.into_integer("expires_in_days", 1, MAX_DAYS)?)))
            }
            (_, Some(at)) if at != Value::Null => Ok(Some(Self::At(at.into_time("expires_at")?))),
            (None, None) => Ok(None),
            _ => Ok(Some(Self::Never)),
        }
    }

    /// The time of the expiry, which must be in the future.
    pub(crate) fn at(self, now: Millis) -> Result<Option<Millis>, Error> {
        let (field, at) = match self {
            Self::Never => return Ok(None),
            Self::InDays(days) if (1..=MAX_DAYS).contains(&days) => ("expires_in_days", now + days * clock::DAY),
            Self::InDays(_) => {
                return Err(Error::validation_failed(
                    "expires_in_days",
                    "is out of range",
                    format!("give 1 to {MAX_DAYS}"),
                ));
            }
            Self::At(at) => ("expires_at", at),
        };
        if at <= now {
            return Err(Error::validation_failed(field, "is not in the future", "give a later time"));
        }
        if at > clock::MAX_TIME {
            return Err(Error::validation_failed(field, "is after the year 9999", "give an earlier time"));
        }
        Ok(Some(at))
    }
}
