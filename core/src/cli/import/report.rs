//! The report on the rows of a file.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;

use crate::cli::CommandContext;
use crate::cli::exit::Stop;
use crate::error::Error;
use crate::record::KeyId;

const COLUMNS: [&str; 4] = ["line", "result", "id", "message"];

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

/// Prints reports: all of them, or those on refused rows. `totals` counts them in.
pub(super) fn rows(
    context: &mut CommandContext,
    reports: &[RowReport],
    all: bool,
    totals: &Totals,
) -> Result<(), Stop> {
    if context.global.quiet {
        return Ok(());
    }
    let is_wanted = |report: &&RowReport| all || report.result == RowResult::Refused;
    let shown = reports.iter().filter(is_wanted).map(|report| ShownRow {
        line: report.line,
        result: report.result,
        id: &report.id,
        field: report.error.as_ref().and_then(Error::field),
        message: report.error.as_ref().map(ToString::to_string),
    });
    let shown: Vec<ShownRow> = shown.collect();
    let before = if all { totals.rows - reports.len() as u64 } else { totals.refused - shown.len() as u64 };
    context.printer.rows(&shown, &COLUMNS, "line", before == 0)
}

/// Prints the numbers of all rows.
pub(super) fn finish(
    context: &mut CommandContext,
    totals: &Totals,
    left_out: &BTreeSet<String>,
    dry_run: bool,
) -> Result<(), Stop> {
    let Totals { rows, imported, existing, not_applied, refused, without_scopes, is_cut } = totals;
    if !context.printer.is_text() {
        let summary = json!({
            "rows": rows, "imported": imported, "existing": existing, "not_applied": not_applied, "refused": refused,
            "without_scopes": without_scopes, "left_out": left_out, "dry_run": dry_run,
        });
        return context.printer.record(&summary, "imported");
    }
    context.printer.finish()?;
    let would = if dry_run { "would be imported" } else { "imported" };
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
    if *is_cut {
        context.say("The file is broken: the rows after the last one were not read.");
    }
    Ok(())
}
