//! The rows of a file, and the values of their columns.

pub(super) mod csv;
pub(super) mod json;
mod value;

use std::io;
use std::rc::Rc;

use crate::error::Error;
use crate::input::Value;

/// The most bytes of one row. A key with all that it may have takes a tenth of it.
const MOST_BYTES: usize = 1 << 20;

/// Reads a file row by row.
pub(super) trait RowReader {
    /// The next row; `None` at the end of the file.
    fn next_row(&mut self) -> io::Result<Option<Result<Row, BrokenRow>>>;

    /// The bytes that are read.
    fn bytes_read(&self) -> u64;

    /// Whether the rows after a broken one could not be found.
    fn is_cut(&self) -> bool;

    /// Whether the rows are items of one array, which may stand on one line.
    fn is_array(&self) -> bool {
        false
    }

    /// The names of the columns, if they stand before all rows.
    fn names(&self) -> Option<&[Rc<str>]> {
        None
    }
}

/// A row that cannot be imported.
#[derive(Debug, PartialEq)]
pub(super) struct BrokenRow {
    pub(super) line: u64,
    pub(super) error: Error,
}

/// One row: its place, and the columns that nothing has taken yet.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) line: u64,
    columns: Vec<(Rc<str>, Value)>,
    /// Columns with a value whose name another column has taken.
    replaced: Vec<Rc<str>>,
}

impl Row {
    pub(super) fn new(line: u64, columns: Vec<(Rc<str>, Value)>) -> Self {
        Self { line, columns, replaced: Vec::new() }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| &**name)
    }

    /// Gives each column the names that `names` has for it. A column without one keeps its own, unless that is taken.
    pub(super) fn rename<'a>(&mut self, names: impl Fn(&str) -> Vec<&'a str>, is_taken: impl Fn(&str) -> bool) {
        for (name, value) in std::mem::take(&mut self.columns) {
            let renamed = names(&name);
            if renamed.is_empty() && is_taken(&name) {
                self.replaced.extend((!is_empty(&value)).then_some(name));
            } else if renamed.is_empty() {
                self.columns.push((name, value));
            } else {
                self.columns.extend(renamed.into_iter().map(|name| (Rc::from(name), value.clone())));
            }
        }
    }

    /// The columns with a value whose name another column has taken.
    pub(super) fn replaced(&self) -> impl Iterator<Item = &Rc<str>> {
        self.replaced.iter()
    }

    /// Whether the row has a column, be it empty.
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(it, _)| is_name(it, name))
    }

    /// Takes a column; `None` if it is missing or empty. `created_at` is also `createdAt` and `createdat`.
    fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.columns.iter().position(|(it, value)| is_name(it, name) && !is_empty(value))?;
        Some(self.columns.swap_remove(index).1)
    }

    /// The columns with a value that nothing has taken.
    pub(super) fn left(&self) -> impl Iterator<Item = &Rc<str>> {
        self.columns.iter().filter(|(_, value)| !is_empty(value)).map(|(name, _)| name)
    }

    /// The text of a column, which stays in the row.
    pub(super) fn clone_text(&self, name: &str) -> Result<String, Error> {
        let mut named = self.columns.iter().filter(|(it, _)| is_name(it, name));
        let found = named.find(|(_, value)| !is_empty(value));
        let value = found.map(|(_, value)| value.clone()).ok_or_else(|| {
            Error::validation_failed(
                name,
                "is missing or empty, and names the org",
                "give each row its org, or use --org",
            )
        })?;
        value::text_of(name, value)
    }

    /// Drops columns that mean nothing to Keywright.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        self.columns.retain(|(it, _)| !names.iter().any(|name| is_name(it, name)));
    }

    /// Moves the columns within the column `name` to the others, if it holds a mapping.
    pub(super) fn flatten(&mut self, name: &str) -> bool {
        let is_map = |value: &Value| matches!(value, Value::Map(_));
        let Some(index) = self.columns.iter().position(|(it, value)| is_name(it, name) && is_map(value)) else {
            return false;
        };
        if let Value::Map(inner) = self.columns.swap_remove(index).1 {
            self.columns.extend(inner.into_iter().map(|(name, value)| (Rc::from(name), value)));
        }
        true
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        _ => false,
    }
}

/// Compares names without case and underscores: products write their columns in both ways, and databases fold them.
pub(super) fn is_name(left: &str, right: &str) -> bool {
    folded(left).eq(folded(right))
}

/// The name of a column. A file without names has values in their place, which are not shown.
pub(super) fn shown(name: &str) -> &str {
    let is_name =
        name.len() <= 32 && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.'));
    if is_name { name } else { "(column)" }
}

fn folded(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_underscores() {
        assert!(is_name("expiresAt", "expires_at") && is_name("expiresat", "expires_at"));
        assert!(!is_name("expires", "expires_at") && !is_name("", "id"));
    }

    #[test]
    fn a_column_is_taken_once_and_an_empty_one_never() {
        let text = |it: &str| Value::Text(it.into());
        let columns = [("id", text("7")), ("createdAt", text("")), ("created_at", text("now")), ("extra", Value::Null)];
        let mut row = Row::new(2, columns.map(|(name, value)| (Rc::from(name), value)).into());
        assert_eq!(row.take("created_at"), Some(text("now")));
        assert_eq!(row.take("created_at"), None);
        assert!(row.has("extra") && row.take("extra").is_none());
        assert_eq!(row.left().map(|it| &**it).collect::<Vec<_>>(), ["id"]);
    }

    #[test]
    fn columns_get_other_names_all_at_once() {
        let text = |it: &str| Value::Text(it.into());
        let columns = [("a", text("1")), ("b", text("2")), ("c", text("3")), ("d", Value::Null), ("e", text("5"))];
        let mut row = Row::new(2, columns.map(|(name, value)| (Rc::from(name), value)).into());
        let names = |name: &str| match name {
            "a" => vec!["b", "d"],
            "b" => vec!["a"],
            "e" => vec!["c"],
            _ => Vec::new(),
        };
        row.rename(names, |name| ["a", "b", "c", "d"].contains(&name));
        assert_eq!(["a", "b", "c", "d"].map(|name| row.take(name)), ["2", "1", "5", "1"].map(|it| Some(text(it))));
        assert_eq!(row.replaced().map(|it| &**it).collect::<Vec<_>>(), ["c"]);
        assert_eq!(row.names().count(), 0);
    }

    #[test]
    fn the_fields_of_a_fixture_of_django_are_columns() {
        let inner = Value::Map(vec![("prefix".into(), Value::Text("abc".into()))]);
        let mut row = Row::new(1, vec![(Rc::from("pk"), Value::Integer(1)), (Rc::from("fields"), inner)]);
        assert!(row.flatten("fields") && !row.flatten("fields"));
        assert_eq!(row.take("prefix"), Some(Value::Text("abc".into())));
    }
}
