use super::MAX_NAME;
use crate::error::Error;
use crate::input::{Fields, FromFields, Value, chosen, identifier, plain};
use crate::record::{KeyId, Status};
use crate::store::StatusFilter;

const MAX_PAGE: i64 = 1_000;
const DEFAULT_PAGE: usize = 100;
const MAX_IDLE_DAYS: u32 = 36_500;

/// The arguments of `keys.list`. Default: all keys except revoked ones, 100 per page.
///
/// ```
/// let expired = keywright::ListKeys::new().status(keywright::Status::Expired).limit(1_000);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListKeys {
    pub(crate) limit: PageLength,
    pub(crate) cursor: Option<String>,
    pub(crate) status: StatusFilter,
    pub(crate) environment: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) idle_days: Option<u32>,
}

impl ListKeys {
    pub(crate) const NAMES: [&'static str; 6] = ["limit", "cursor", "status", "environment", "name", "idle_days"];

    /// The first page of all keys except revoked ones.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The length of a page: 1 to 1,000.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: PageLength(limit), ..self }
    }

    /// The `next_cursor` of the page before.
    #[must_use]
    pub fn cursor(self, cursor: impl Into<String>) -> Self {
        Self { cursor: Some(cursor.into()), ..self }
    }

    /// Only keys with this status.
    #[must_use]
    pub fn status(self, status: Status) -> Self {
        let status = match status {
            Status::Active => StatusFilter::Active,
            Status::Disabled => StatusFilter::Disabled,
            Status::Expired => StatusFilter::Expired,
            Status::Revoked => StatusFilter::Revoked,
        };
        Self { status, ..self }
    }

    /// Keys with any status.
    #[must_use]
    pub fn any_status(self) -> Self {
        Self { status: StatusFilter::All, ..self }
    }

    /// Only keys of this environment.
    #[must_use]
    pub fn environment(self, environment: impl Into<String>) -> Self {
        Self { environment: Some(environment.into()), ..self }
    }

    /// Only keys of exactly this name.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Only keys that were last used at least so many days ago, or created then and never used: 1 to 36,500.
    #[must_use]
    pub fn idle_days(self, days: u32) -> Self {
        Self { idle_days: Some(days), ..self }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.limit.check()?;
        if self.idle_days.is_some_and(|it| !(1..=MAX_IDLE_DAYS).contains(&it)) {
            let fix = format!("give 1 to {MAX_IDLE_DAYS}");
            return Err(Error::validation_failed("idle_days", format!("is out of 1..={MAX_IDLE_DAYS}"), fix));
        }
        self.name.as_deref().map_or(Ok(()), |it| plain("name", it, MAX_NAME))
    }
}

/// Reads the arguments of a `list` call.
impl FromFields for ListKeys {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&Self::NAMES)?;
        let query = Self {
            limit: PageLength::take(&mut fields)?,
            cursor: fields.text("cursor")?,
            status: fields.text("status")?.map_or(Ok(StatusFilter::default()), |it| read_status(&it))?,
            environment: fields.text("environment")?,
            name: fields.text("name")?,
            idle_days: match fields.given("idle_days") {
                Some(days) => u32::try_from(days.into_integer("idle_days", 1, MAX_IDLE_DAYS.into())?).ok(),
                None => None,
            },
        };
        query.check()?;
        Ok(query)
    }
}

/// The arguments of `audit.list`, which returns the newest entries first.
///
/// ```
/// let revocations = keywright::ListAudit::new().action("key.revoke");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListAudit {
    pub(crate) limit: PageLength,
    pub(crate) cursor: Option<String>,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) action: Option<String>,
    pub(crate) agent: Option<String>,
}

impl ListAudit {
    pub(crate) const NAMES: [&'static str; 5] = ["limit", "cursor", "key_id", "action", "agent"];

    /// The page with the newest entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The length of a page: 1 to 1,000.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: PageLength(limit), ..self }
    }

    /// The `next_cursor` of the page before.
    #[must_use]
    pub fn cursor(self, cursor: impl Into<String>) -> Self {
        Self { cursor: Some(cursor.into()), ..self }
    }

    /// Only entries about this key.
    #[must_use]
    pub fn key_id(self, id: impl Into<KeyId>) -> Self {
        Self { key_id: Some(id.into()), ..self }
    }

    /// Only entries with this action, like `key.revoke`.
    #[must_use]
    pub fn action(self, action: impl Into<String>) -> Self {
        Self { action: Some(action.into()), ..self }
    }

    /// Only the claims of this agent, and changes on its behalf.
    #[must_use]
    pub fn agent(self, agent: impl Into<String>) -> Self {
        Self { agent: Some(agent.into()), ..self }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.limit.check()?;
        self.agent.as_deref().map_or(Ok(()), |it| identifier("agent", it, "is no id of an agent"))
    }
}

/// Reads the arguments of an `audit.list` call.
impl FromFields for ListAudit {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&Self::NAMES)?;
        let query = Self {
            limit: PageLength::take(&mut fields)?,
            cursor: fields.text("cursor")?,
            key_id: fields.given("key_id").map(|it| KeyId::read_as("key_id", it)).transpose()?,
            action: fields.text("action")?,
            agent: fields.text("agent")?,
        };
        query.check()?;
        Ok(query)
    }
}

/// The arguments of `orgs.list`, which returns the newest orgs first.
///
/// ```
/// let first = keywright::ListOrgs::new().limit(10);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOrgs {
    pub(crate) limit: PageLength,
    pub(crate) cursor: Option<String>,
}

impl ListOrgs {
    pub(crate) const NAMES: [&'static str; 2] = ["limit", "cursor"];

    /// The first page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The length of a page: 1 to 1,000.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: PageLength(limit), ..self }
    }

    /// The `next_cursor` of the page before.
    #[must_use]
    pub fn cursor(self, cursor: impl Into<String>) -> Self {
        Self { cursor: Some(cursor.into()), ..self }
    }
}

/// Reads the arguments of an `orgs.list` call.
impl FromFields for ListOrgs {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&Self::NAMES)?;
        let query = Self { limit: PageLength::take(&mut fields)?, cursor: fields.text("cursor")? };
        query.limit.check()?;
        Ok(query)
    }
}

/// The length of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageLength(usize);

impl Default for PageLength {
    fn default() -> Self {
        Self(DEFAULT_PAGE)
    }
}

impl PageLength {
    fn take(fields: &mut Fields) -> Result<Self, Error> {
        match fields.given("limit") {
            None => Ok(Self::default()),
            Some(value) => value.into_integer("limit", 1, MAX_PAGE).map(|it| Self(usize::try_from(it).unwrap_or(1))),
        }
    }

    pub(crate) fn get(self) -> usize {
        self.0
    }

    pub(crate) fn check(self) -> Result<(), Error> {
        let number = i64::try_from(self.0).unwrap_or(i64::MAX);
        Value::Integer(number.into()).into_integer("limit", 1, MAX_PAGE).map(drop)
    }
}

fn read_status(text: &str) -> Result<StatusFilter, Error> {
    const NAMES: [(&str, StatusFilter); 5] = [
        ("active", StatusFilter::Active),
        ("disabled", StatusFilter::Disabled),
        ("expired", StatusFilter::Expired),
        ("revoked", StatusFilter::Revoked),
        ("all", StatusFilter::All),
    ];
    chosen("status", text, "is no status", &NAMES)
}
