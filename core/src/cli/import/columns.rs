//! Columns of a file that have other names than those of their product.

use super::rows::{Row, RowReader, is_name, shown};
use crate::error::Error;
use crate::input::meant;

/// The most names of columns that are kept to find the nearest one.
const MOST_NAMES: usize = 200;

/// The names that the caller gives to columns of the file, from `--column NAME=COLUMN`.
#[derive(Default)]
pub(super) struct RenamedColumns(Vec<RenamedColumn>);

struct RenamedColumn {
    /// The name that the product has for it.
    name: String,
    /// The name in the file.
    in_file: String,
}

impl RenamedColumns {
    /// Reads the options. A name must be one of the product's, because a misspelt `expires_at` makes keys that never expire.
    pub(super) fn read(options: &[String], product: &str, known: &[&str]) -> Result<Self, Error> {
        let mut columns = Self::default();
        for words in options {
            let refused = |reason: String, fix: String| Err(Error::validation_failed("column", reason, fix));
            let form = || "write it like name=label, where the file has the column label".to_owned();
            let (name, in_file) = match words.split_once('=') {
                Some((name, in_file)) if !in_file.is_empty() => (name, in_file),
                Some(_) => return refused("names no column of the file".into(), form()),
                None => return refused("has no =".into(), form()),
            };
            if !known.iter().any(|it| is_name(it, name)) {
                let fix = meant(name, known.iter().copied(), format!("known are {}", known.join(", ")));
                return refused(format!("{} is no column of {product}", shown(name)), fix);
            }
            if columns.in_file(name).is_some() {
                return refused(format!("names {name} twice"), "give each column once".into());
            }
            columns.0.push(RenamedColumn { name: name.to_owned(), in_file: in_file.to_owned() });
        }
        Ok(columns)
    }

    /// The name that the file has for a renamed column.
    pub(super) fn in_file(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|it| is_name(&it.name, name)).map(|it| it.in_file.as_str())
    }

    /// Whether a column of the file has another name.
    pub(super) fn takes(&self, in_file: &str) -> bool {
        self.0.iter().any(|it| is_name(&it.in_file, in_file))
    }

    /// Names the columns of a row as the product does.
    pub(super) fn rename(&self, row: &mut Row) {
        if !self.0.is_empty() {
            let names = |in_file: &str| {
                self.0.iter().filter(|it| is_name(&it.in_file, in_file)).map(|it| it.name.as_str()).collect()
            };
            row.rename(names, |name| self.in_file(name).is_some());
        }
    }

    /// Refuses a column that no row of the file has. `flatten` moves nested columns of a row to the others.
    pub(super) fn check(
        &self,
        mut rows: Box<dyn RowReader>,
        flatten: impl Fn(&mut Row),
    ) -> std::io::Result<Result<(), Error>> {
        let mut missing: Vec<&str> = self.0.iter().map(|it| it.in_file.as_str()).collect();
        let mut found: Vec<String> = Vec::new();
        let mut see = |name: &str, missing: &mut Vec<&str>| {
            missing.retain(|it| !is_name(it, name));
            if found.len() < MOST_NAMES && !found.iter().any(|it| it == name) {
                found.push(name.to_owned());
            }
        };
        if let Some(names) = rows.names() {
            names.iter().for_each(|name| see(name, &mut missing));
        } else {
            // An object may leave out a column, so that only the whole file tells.
            while !missing.is_empty() {
                match rows.next_row()? {
                    None => break,
                    Some(Err(_)) => {}
                    Some(Ok(mut row)) => {
                        flatten(&mut row);
                        row.names().for_each(|name| see(name, &mut missing));
                    }
                }
            }
        }
        let Some(missing) = missing.first() else { return Ok(Ok(())) };
        // Those that are no names may be values of a file without them.
        let names = found.iter().map(String::as_str).filter(|name| shown(name) == *name);
        let fix = meant(missing, names, "give the name that the column has in the file");
        Ok(Err(Error::validation_failed("column", format!("the file has no column {missing}"), fix)))
    }
}
