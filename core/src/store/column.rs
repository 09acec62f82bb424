//! The values of columns. A row writes its fields in the order of its table, and reads them in the same order; how an engine keeps a
//! text, a list or a time is written once for each engine.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::rows::foreign_row;
use crate::clock::Millis;
use crate::error::Error;
use crate::level;
use crate::lifecycle::Lifecycle;
use crate::record::{Level, Limit, Quota};

/// Takes the values of a row, in the order of its table. `None` is NULL.
pub(super) trait ColumnWriter<'a> {
    fn text(&mut self, value: Option<Cow<'a, str>>);
    fn list(&mut self, value: Option<&'a [String]>);
    fn time(&mut self, value: Option<Millis>);
}

/// Gives the values of a row, in the order of its table.
pub(super) trait ColumnReader {
    fn text(&mut self) -> Result<Option<String>, Error>;
    /// A text, without a copy.
    fn text_ref(&mut self) -> Result<Option<&str>, Error>;
    /// A JSON object, in the spelling in which it was written.
    fn object(&mut self) -> Result<String, Error>;
    fn list(&mut self) -> Result<Option<Vec<String>>, Error>;
    fn time(&mut self) -> Result<Option<Millis>, Error>;
}

/// The type of a field of a row.
pub(super) trait Column: Sized {
    fn write<'a>(&'a self, to: &mut impl ColumnWriter<'a>) -> Result<(), Error>;
    fn read(from: &mut impl ColumnReader) -> Result<Self, Error>;
    /// A value that is not NULL, for tests of stores.
    #[cfg(feature = "testing")]
    fn sample(field: &str) -> Self;
}

impl Column for String {
    fn write<'a>(&'a self, to: &mut impl ColumnWriter<'a>) -> Result<(), Error> {
        to.text(Some(self.into()));
        Ok(())
    }

    fn read(from: &mut impl ColumnReader) -> Result<Self, Error> {
        from.text()?.ok_or_else(foreign_row)
    }

    #[cfg(feature = "testing")]
    fn sample(field: &str) -> Self {
        format!("\u{feff}{field}; DROP TABLE keys; --\r\nsecond line")
    }
}

impl Column for Option<String> {
    fn write<'a>(&'a self, to: &mut impl ColumnWriter<'a>) -> Result<(), Error> {
        to.text(self.as_deref().map(Cow::from));
        Ok(())
    }

    fn read(from: &mut impl ColumnReader) -> Result<Self, Error> {
        from.text()
    }

    #[cfg(feature = "testing")]
    fn sample(field: &str) -> Self {
        Some(Column::sample(field))
    }
}

impl Column for Vec<String> {
    fn write<'a>(&'a self, to: &mut impl ColumnWriter<'a>) -> Result<(), Error> {
        to.list(Some(self));
        Ok(())
    }

    fn read(from: &mut impl ColumnReader) -> Result<Self, Error> {
        from.list()?.ok_or_else(foreign_row)
    }

    #[cfg(feature = "testing")]
    fn sample(field: &str) -> Self {
        vec![format!("{field}:read"), format!("{field}:write")]
    }
}

impl Column for Option<Vec<String>> {
    fn write<'a>(&'a self, to: &mut impl ColumnWriter<'a>) -> Result<(), Error> {
        to.list(self.as_deref());
        Ok(())
    }

    fn read(from: &mut impl ColumnReader) -> Result<Self, Error> {
        from.list()
    }

    #[cfg(feature = "testing")]
    fn sample(field: &str) -> Self {
        Some(Column::sample(field))
    }
}

impl Column for Millis {
    fn write<'a>(&'a self, to: &mut impl ColumnWriter<'a>) -> Result<(), Error> {
        to.time(Some(*self));
        Ok(())
    }

    fn read(from: &mut impl ColumnReader) -> Result<Self, Error> {
        from.time()?.ok_or_else(foreign_row)
    }

    #[cfg(feature = "testing")]
    fn sample(_: &str) -> Self {
        1_800_000_000_000
    }
}

/// Three columns.
impl Column for Lifecycle {
    fn write<'a>(&'a self, to: &mut impl ColumnWriter<'a>) -> Result<(), Error> {
        let Self { expires_at, disabled_at, revoked_at } = self;
        [expires_at, disabled_at, revoked_at].into_iter().for_each(|at| to.time(*at));
        Ok(())
    }

    fn read(from: &mut impl ColumnReader) -> Result<Self, Error> {
        Ok(Self { expires_at: from.time()?, disabled_at: from.time()?, revoked_at: from.time()? })
    }

    #[cfg(feature = "testing")]
    fn sample(_: &str) -> Self {
        Self { expires_at: Some(i64::sample("")), disabled_at: None, revoked_at: None }
    }
}

impl Column for Option<Level> {
    fn write<'a>(&'a self, to: &mut impl ColumnWriter<'a>) -> Result<(), Error> {
        to.text(self.map(|level| level.as_str().into()));
        Ok(())
    }

    fn read(from: &mut impl ColumnReader) -> Result<Self, Error> {
        from.text_ref()?.map(level::parse).transpose().map_err(|_| foreign_row())
    }

    #[cfg(feature = "testing")]
    fn sample(_: &str) -> Self {
        Some(Level::ReadWrite)
    }
}

impl Column for Vec<Limit> {
    fn write<'a>(&'a self, to: &mut impl ColumnWriter<'a>) -> Result<(), Error> {
        write_json(self, to)
    }

    fn read(from: &mut impl ColumnReader) -> Result<Self, Error> {
        read_json(from)
    }

    #[cfg(feature = "testing")]
    fn sample(_: &str) -> Self {
        vec![Limit::new("read", 100).burst(20).operation("read"), Limit::new("all", 1_000_000_000)]
    }
}

impl Column for Vec<Quota> {
    fn write<'a>(&'a self, to: &mut impl ColumnWriter<'a>) -> Result<(), Error> {
        write_json(self, to)
    }

    fn read(from: &mut impl ColumnReader) -> Result<Self, Error> {
        read_json(from)
    }

    #[cfg(feature = "testing")]
    fn sample(_: &str) -> Self {
        vec![
            Quota::new("monthly", 100).every(crate::record::Period::Month).anchor(31).operation("read"),
            Quota::new("credits", 0),
        ]
    }
}

/// Writes a list as JSON; NULL stands for none.
fn write_json<'a>(list: &[impl Serialize], to: &mut impl ColumnWriter<'a>) -> Result<(), Error> {
    let text = (!list.is_empty()).then(|| serde_json::to_string(list));
    to.text(text.transpose().map_err(|_| foreign_row())?.map(Cow::from));
    Ok(())
}

/// Reads a list that [`write_json`] has written.
fn read_json<T: DeserializeOwned>(from: &mut impl ColumnReader) -> Result<Vec<T>, Error> {
    from.text_ref()?.map_or(Ok(Vec::new()), |text| serde_json::from_str(text).map_err(|_| foreign_row()))
}

/// A JSON object, as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ObjectText(pub(crate) String);

impl Default for ObjectText {
    fn default() -> Self {
        Self("{}".to_owned())
    }
}

impl Column for ObjectText {
    fn write<'a>(&'a self, to: &mut impl ColumnWriter<'a>) -> Result<(), Error> {
        to.text(Some(self.0.as_str().into()));
        Ok(())
    }

    fn read(from: &mut impl ColumnReader) -> Result<Self, Error> {
        from.object().map(Self)
    }

    #[cfg(feature = "testing")]
    fn sample(_: &str) -> Self {
        Self(r#"{"team":"\"quoted\" %_'"}"#.to_owned())
    }
}
