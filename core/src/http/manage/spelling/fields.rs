//! The fields of a key that responses show.

use super::Spelling;
use super::record::{KEY, RecordField};
use super::view::View;
use crate::error::Error;
use crate::input::meant;

/// The field that holds the text of a key.
pub(super) const SECRET: &str = "api_key";

impl Spelling {
    /// The fields of a key that a view shows, in their order, by their names in [`Key`](crate::Key) and `api_key`.
    ///
    /// # Errors
    /// `validation_failed` for an unknown or repeated name, for [`View::Create`] without `api_key`, which no caller could ever
    /// see, and for another view with it.
    pub fn fields<T: AsRef<str>>(self, view: View, names: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        let fields = find_fields(names)?;
        let shows_secret = fields.iter().any(|it| it.name == SECRET);
        match view {
            View::Create if !shows_secret => Err(without_secret()),
            View::Create => Ok(Self { create: Some(fields), ..self }),
            _ if shows_secret => {
                let fix = "name it for create alone: afterwards nobody has it";
                Err(Error::validation_failed("fields", "show api_key where a key is not just made", fix))
            }
            View::List => Ok(Self { list: Some(fields), ..self }),
            View::Get => Ok(Self { get: Some(fields), ..self }),
        }
    }

    /// The fields of a key that every response shows, in their order. `api_key` counts only for responses that have it.
    ///
    /// # Errors
    /// Like [`fields`](Self::fields).
    pub fn fields_everywhere<T: AsRef<str>>(self, names: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        let fields = find_fields(names)?;
        if !fields.iter().any(|it| it.name == SECRET) {
            return Err(without_secret());
        }
        Ok(Self { create: Some(fields.clone()), list: Some(fields.clone()), get: Some(fields), ..self })
    }

    /// The fields that a view shows; `None` for all.
    pub(super) fn chosen(&self, view: View) -> Option<&[&'static RecordField]> {
        match view {
            View::Create => self.create.as_deref(),
            View::List => self.list.as_deref(),
            View::Get => self.get.as_deref(),
        }
    }
}

fn find_fields<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Vec<&'static RecordField>, Error> {
    let mut fields: Vec<&RecordField> = Vec::new();
    for name in names {
        let name = name.as_ref();
        let field = KEY.iter().find(|it| it.name == name).ok_or_else(|| {
            let known = KEY.iter().map(|it| it.name);
            let fix = meant(name, known.clone(), format!("known are {}", known.collect::<Vec<_>>().join(", ")));
            Error::validation_failed("fields", "names what is no field of a key", fix)
        })?;
        if fields.iter().any(|it| it.name == name) {
            return Err(Error::validation_failed("fields", format!("names {name} twice"), "name it once"));
        }
        fields.push(field);
    }
    match fields.is_empty() {
        true => Err(Error::validation_failed("fields", "is empty", "name at least one field, or leave it out for all")),
        false => Ok(fields),
    }
}

fn without_secret() -> Error {
    Error::validation_failed(
        "fields",
        "of create lack api_key, which no other response shows",
        "name api_key among them",
    )
}
