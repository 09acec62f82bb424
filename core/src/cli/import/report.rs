//! The report on the rows of a file.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;

use crate::cli::CommandContext;
use crate::cli::exit::Stop;
use crate::error::Error;
use crate::record::KeyId;

const COLUMNS: [&str; 4] = ["line", "result", "id", "message"];

/// The columns for a file whose lines do not tell rows apart.
const COLUMNS_OF_ARRAY: [&str; 5] = ["row", "line", "result", "id", "message"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RowResult {
    Imported,
    /// The key was there already.
    Existing,
    Refused,
}

/// The outcome of one row.
pub(super) struct RowReport {
    pub(super) line: u64,
    pub(super) result: RowResult,
    pub(super) id: Option<KeyId>,
    /// Why it was refused, or what of it was not applied to the key that is there.
    pub(super) error: Option<Error>,
    /// Whether the key is new and has no scopes.
    pub(super) lacks_scopes: bool,
}

impl RowReport {
    pub(super) fn imported(line: u64) -> Self {
        Self { line, result: RowResult::Imported, id: None, error: None, lacks_scopes: false }
    }

    pub(super) fn refused(line: u64, error: Error) -> Self {
        Self { line, result: RowResult::Refused, id: None, error: Some(error), lacks_scopes: false }
    }
}

/// A report as it is printed.
#[derive(Serialize)]
struct ShownRow<'a> {
    /// The number of the row, from 1.
    row: u64,
    line: u64,
    result: RowResult,
    id: &'a Option<KeyId>,
    field: Option<&'a str>,
    message: Option<String>,
}

/// The numbers of rows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) rows: u64,
    pub(super) imported: u64,
    pub(super) existing: u64,
    /// Of those that were there already, how many have ended in the file and not in the database.
    pub(super) not_applied: u64,
    pub(super) refused: u64,
    /// Of those that were imported, how many have no scopes.
    pub(super) without_scopes: u64,
    /// Whether nothing tells where the rows after a broken one begin.
    pub(super) is_cut: bool,
}

impl Totals {
    pub(super) fn add(&mut self, reports: &[RowReport]) {
        for report in reports {
            self.rows += 1;
            match report.result {
                RowResult::Imported => {
                    self.imported += 1;
                    self.without_scopes += u64::from(report.lacks_scopes);
                }
                RowResult::Existing => {
                    self.existing += 1;
                    self.not_applied += u64::from(report.error.is_some());
                }
                RowResult::Refused => self.refused += 1,
            }
        }
    }
}

/// The rows that are reported, and how.
#[derive(Clone, Copy)]
pub(super) struct ReportForm {
    /// Whether all rows are reported, or refused ones only.
    pub(super) is_complete: bool,
    /// Whether the file is an array, which may have all its rows on one line.
    pub(super) is_array: bool,
}

/// How a message names a row.
#[derive(Clone, Copy)]
pub(super) struct RowPlace {
    pub(super) unit: &'static str,
    pub(super) number: u64,
}

impl ReportForm {
    /// The place of a row, of which both its number and its line are known.
    pub(super) fn place(self, row: u64, line: u64) -> RowPlace {
        if self.is_array { RowPlace { unit: "row", number: row } } else { RowPlace { unit: "line", number: line } }
    }
}

/// Prints reports. `totals` counts them in.
pub(super) fn rows(
    context: &mut CommandContext,
    reports: &[RowReport],
    form: ReportForm,
    totals: &Totals,
) -> Result<(), Stop> {
    if context.global.quiet {
        return Ok(());
    }
    let ReportForm { is_complete: all, is_array } = form;
    let first = totals.rows - reports.len() as u64 + 1;
    let numbered = (first..).zip(reports);
    let wanted = numbered.filter(|(_, report)| all || report.result == RowResult::Refused);
    let shown = wanted.map(|(row, report)| ShownRow {
        row,
        line: report.line,
        result: report.result,
        id: &report.id,
        field: report.error.as_ref().and_then(Error::field),
        message: report.error.as_ref().map(ToString::to_string),
    });
    let shown: Vec<ShownRow> = shown.collect();
    let before = if all { totals.rows - reports.len() as u64 } else { totals.refused - shown.len() as u64 };
    let columns: &[&str] = if is_array { &COLUMNS_OF_ARRAY } else { &COLUMNS };
    context.printer.rows(&shown, columns, "line", before == 0)
}

/// The end of the report: the numbers of all rows, and remarks on the file.
pub(super) struct Summary<'a> {
    pub(super) totals: &'a Totals,
    /// The columns with values that Keywright has no place for.
    pub(super) left_out: &'a BTreeSet<String>,
    /// The abilities that are mapped and that no row has.
    pub(super) unused_scopes: Vec<&'a str>,
    pub(super) dry_run: bool,
    /// Whether broken rows keep the others from being imported.
    pub(super) is_refused: bool,
}

/// Prints the numbers of all rows.
pub(super) fn finish(context: &mut CommandContext, summary: &Summary) -> Result<(), Stop> {
    let Summary { totals, left_out, unused_scopes, dry_run, is_refused } = summary;
    let Totals { rows, imported, existing, not_applied, refused, without_scopes, is_cut } = totals;
    if !context.printer.is_text() {
        let summary = json!({
            "rows": rows, "imported": imported, "existing": existing, "not_applied": not_applied, "refused": refused,
            "without_scopes": without_scopes, "left_out": left_out, "unused_scopes": unused_scopes, "dry_run": dry_run,
        });
        return context.printer.record(&summary, "imported");
    }
    let would = match (*dry_run, *is_refused) {
        (_, true) => "could be imported",
        (true, false) => "would be imported",
        (false, false) => "imported",
    };
    context.say(&format!("{rows} rows: {imported} {would}, {existing} there already, {refused} refused."));
    if *not_applied > 0 {
        context.say(&format!(
            "{not_applied} of those that are there already have ended in the file, or end sooner there, and stay as they are here: see their lines."
        ));
    }
    if *without_scopes > 0 {
        context.say(&format!(
            "{without_scopes} of the imported keys have no scopes, and are denied where a scope is required: --scopes gives some to rows \
             that name none, and `keywright keys update ID --scopes …` to one key."
        ));
    }
    if !left_out.is_empty() {
        let names = left_out.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        context.say(&format!("Keywright has no place for these columns, which were left out: {names}."));
    }
    if !unused_scopes.is_empty() {
        let names = unused_scopes.join(", ");
        context.say(&format!("No row has what these of --map-scope name; check how they are written: {names}."));
    }
    if *is_cut {
        context.say("The file is broken: the rows after the last one were not read.");
    }
    Ok(())
}
