//! Results on standard output: as text for people, as JSON, or as one value for scripts.

use std::io::{BufWriter, IsTerminal, Stdout, Write};

use serde::Serialize;
use serde_json::Value as Json;

use super::exit::Stop;
use super::global::GlobalArguments;

#[derive(Clone, Copy, PartialEq, Eq)]
enum OutputForm {
    Text,
    Json,
    /// The one value that matters.
    Quiet,
}

/// Writes results in the form that was asked for.
pub(super) struct Printer {
    form: OutputForm,
    to: BufWriter<Stdout>,
    /// Whether every line is written at once, because a person watches.
    is_watched: bool,
}

impl Printer {
    pub(super) fn new(global: &GlobalArguments) -> Self {
        let form = match global {
            GlobalArguments { json: true, .. } => OutputForm::Json,
            GlobalArguments { quiet: true, .. } => OutputForm::Quiet,
            _ => OutputForm::Text,
        };
        let to = std::io::stdout();
        Self { form, is_watched: to.is_terminal(), to: BufWriter::new(to) }
    }

    /// Prints one record. `value` is the field that matters.
    pub(super) fn record(&mut self, record: &impl Serialize, value: &str) -> Result<(), Stop> {
        let record = to_json(record)?;
        let value = shown(record.get(value).unwrap_or(&Json::Null));
        self.json_record(&record, &value)
    }

    /// Prints a verdict: what matters is whether it allows, or the code with which it does not.
    pub(super) fn verdict(&mut self, record: &impl Serialize) -> Result<(), Stop> {
        let record = to_json(record)?;
        let value = record.get("code").and_then(Json::as_str).unwrap_or("allowed").to_owned();
        self.json_record(&record, &value)
    }

    fn json_record(&mut self, record: &Json, value: &str) -> Result<(), Stop> {
        match self.form {
            OutputForm::Json => self.line(&record.to_string()),
            OutputForm::Quiet => self.line(value),
            OutputForm::Text => {
                let fields = flat(record);
                let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                fields.iter().try_for_each(|(name, value)| self.line(&format!("{name:width$}  {}", shown(value))))
            }
        }
    }

    /// Prints a part of a list. `value` is the field that matters; the first part has the headings.
    pub(super) fn rows(
        &mut self,
        records: &[impl Serialize],
        columns: &[&str],
        value: &str,
        is_first: bool,
    ) -> Result<(), Stop> {
        let records = records.iter().map(to_json).collect::<Result<Vec<_>, _>>()?;
        match self.form {
            OutputForm::Json => records.iter().try_for_each(|record| self.line(&record.to_string())),
            OutputForm::Quiet => {
                records.iter().try_for_each(|record| self.line(&shown(record.get(value).unwrap_or(&Json::Null))))
            }
            OutputForm::Text => self.table(&records, columns, is_first),
        }
    }

    fn table(&mut self, records: &[Json], columns: &[&str], is_first: bool) -> Result<(), Stop> {
        if records.is_empty() {
            return Ok(());
        }
        let cell = |record: &Json, name: &str| shown(record.get(name).unwrap_or(&Json::Null));
        let heading = is_first.then(|| columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let rows = records.iter().map(|record| columns.iter().map(|name| cell(record, name)).collect::<Vec<_>>());
        let rows: Vec<Vec<String>> = heading.into_iter().chain(rows).collect();
        let width = |index: usize| {
            let cells = rows.iter().filter_map(|row| row.get(index));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns.len()).map(width).collect();
        rows.iter().try_for_each(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            self.line(cells.collect::<Vec<_>>().join("  ").trim_end())
        })
    }

    /// Prints a line as it is, in every form.
    pub(super) fn line(&mut self, line: &str) -> Result<(), Stop> {
        let written = writeln!(self.to, "{line}");
        written.and_then(|()| if self.is_watched { self.to.flush() } else { Ok(()) }).map_err(Stop::Output)
    }

    /// Prints text as it is, in every form.
    pub(super) fn text(&mut self, text: &[u8]) -> Result<(), Stop> {
        self.to.write_all(text).map_err(Stop::Output)
    }

    pub(super) fn is_json(&self) -> bool {
        self.form == OutputForm::Json
    }

    pub(super) fn is_text(&self) -> bool {
        self.form == OutputForm::Text
    }

    /// Writes out the lines so far.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        self.to.flush().map_err(Stop::Output)
    }
}

fn to_json(record: &impl Serialize) -> Result<Json, Stop> {
    serde_json::to_value(record).map_err(|error| Stop::Failed(format!("the record cannot be shown: {error}")))
}

/// The fields of a record, and those of the records in it.
fn flat(record: &Json) -> Vec<(String, &Json)> {
    let mut fields = Vec::new();
    for (name, value) in record.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(inner) if !inner.is_empty() => {
                fields.extend(inner.iter().map(|(inner, value)| (format!("{name}.{inner}"), value)));
            }
            _ => fields.push((name.clone(), value)),
        }
    }
    fields
}

/// The text form of a value. Nothing in it moves the cursor of a terminal.
fn shown(value: &Json) -> String {
    match value {
        Json::Null => "-".into(),
        Json::String(text) if !text.chars().any(char::is_control) => text.clone(),
        Json::Array(items) if !items.is_empty() && items.iter().all(Json::is_string) => {
            items.iter().map(shown).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_stay_on_their_line() {
        for (value, text) in [
            (json!(null), "-"),
            (json!("CI"), "CI"),
            (json!("two\nlines"), r#""two\nlines""#),
            (json!("\u{1b}[2J"), r#""\u001b[2J""#),
            (json!(["a:b", "c:d"]), "a:b, c:d"),
            (json!([]), "[]"),
            (json!({"a": 1}), r#"{"a":1}"#),
            (json!(7), "7"),
        ] {
            assert_eq!(shown(&value), text);
        }
    }
}
