//! The options of the spelling.

use super::{Spelling, View};
use crate::casing::Casing;
use crate::error::Error;
use crate::input::{Fields, Value, chosen};

impl Spelling {
    /// The names of the options.
    pub(in crate::http) const OPTIONS: [&'static str; 7] =
        ["casing", "list", "secret_field", "revoked", "fields", "nulls", "created_status"];

    /// Takes these options out of the options of an adapter.
    pub(in crate::http) fn take(options: &mut Fields) -> Result<Self, Error> {
        let mut one_of = |name: &str, [standard, other]: [&str; 2]| {
            let words = [(standard, false), (other, true)];
            options.text(name)?.map_or(Ok(false), |it| chosen(name, &it, "is no such spelling", &words))
        };
        let mut spelling = Self::new();
        if one_of("casing", ["snake", "camel"])? {
            spelling = spelling.casing(Casing::Camel);
        }
        if one_of("list", ["envelope", "bare"])? {
            spelling = spelling.bare_lists();
        }
        if one_of("secret_field", ["api_key", "key"])? {
            spelling = spelling.secret_in_key();
        }
        if one_of("revoked", ["key", "success"])? {
            spelling = spelling.success_when_revoked();
        }
        if one_of("nulls", ["present", "absent"])? {
            spelling = spelling.without_nulls();
        }
        if let Some(status) = options.given("created_status") {
            let status = status.into_integer("created_status", 200, 201)?;
            spelling = spelling.created_status(u16::try_from(status).unwrap_or_default())?;
        }
        match options.given("fields") {
            None => Ok(spelling),
            Some(Value::Map(views)) => spelling.views(Fields::new(Casing::Snake, views)),
            Some(names) => spelling.fields_everywhere(names.into_texts("fields")?),
        }
    }

    fn views(self, given: Fields) -> Result<Self, Error> {
        const VIEWS: [(&str, View); 3] = [("create", View::Create), ("list", View::List), ("get", View::Get)];
        let mut given = given.only(&VIEWS.map(|it| it.0)).map_err(|it| it.within("fields"))?;
        VIEWS.into_iter().try_fold(self, |spelling, (name, view)| match given.given(name) {
            Some(names) => spelling.fields(view, names.into_texts("fields")?),
            None => Ok(spelling),
        })
    }
}
