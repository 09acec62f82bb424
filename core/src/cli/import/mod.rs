//! `keywright import`: keys of another product, with the hashes that it stored.
//!
//! A file is read twice. The first time every row is checked, also against the database; only if all can be imported does the
//! second time write them, a thousand in each transaction. With `--skip-broken` the first time only counts the rows, and each batch
//! is checked as it is written. A row that is there already is left as it is, so the command can run again after it was stopped at
//! any moment.

mod arguments;
mod batch;
mod columns;
mod draft;
mod input;
mod mapping;
mod product;
mod report;
mod rows;
mod seen;

use std::collections::BTreeSet;
use std::io::ErrorKind;

pub(super) use self::arguments::ImportArguments;
use self::batch::Batch;
use self::input::ImportFile;
use self::mapping::Mapping;
use self::product::Product;
use self::report::{ReportForm, RowPlace, RowReport, RowResult, Summary, Totals};
use self::rows::{Row, is_name, shown};
use self::seen::{Place, SeenRows};
use super::CommandContext;
use super::exit::{FAILED, Stop};
use super::progress::Progress;
use crate::error::Error;
use crate::input::FromFields;
use crate::keyring::{HashedImport, HashedKey, ImportFormat, Keywright};
use crate::record::ImportOutcome;
use crate::sys;

/// The rows of one transaction.
const BATCH: usize = 1_000;

/// The names of columns that the summary shows at most.
const MOST_LEFT_OUT: usize = 50;

/// One import, with what it has found so far.
struct Import<'a> {
    kw: &'a Keywright,
    product: Product,
    format: ImportFormat,
    mapping: Mapping,
    actor: Option<String>,
    dry_run: bool,
    skip_broken: bool,
    input: ImportFile,
    /// The columns with values that Keywright has no place for.
    left_out: BTreeSet<String>,
}

/// The purpose of a pass over the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Check,
    Write,
}

pub(super) fn run(arguments: ImportArguments, context: &mut CommandContext) -> Result<(), Stop> {
    let (product, format, mapping) = (arguments.from, arguments.format()?, arguments.mapping()?);
    let input = ImportFile::open(&arguments.file)?;
    refuse_columns(product, &mapping, &input)?;
    let ImportArguments { actor, dry_run, skip_broken, .. } = arguments;
    context.with_new_engine(async |kw, context| {
        let left_out = BTreeSet::new();
        let import = Import { kw, product, format, mapping, actor, dry_run, skip_broken, input, left_out };
        import.run(context).await
    })
}

/// Refuses a table without a column that every row needs.
fn refuse_columns(product: Product, mapping: &Mapping, input: &ImportFile) -> Result<(), Stop> {
    let checked =
        mapping.columns.check(input.rows()?, |row| product.flatten(row)).map_err(|error| input.unreadable(&error))?;
    checked?;
    let rows = input.rows()?;
    let Some(names) = rows.names() else { return Ok(()) };
    let is_there = |needed: &str| names.iter().any(|name| is_name(name, needed));
    let is_read = |needed: &str| {
        let is_own = |name: &str| is_name(name, needed) && !mapping.columns.takes(name);
        mapping.columns.in_file(needed).is_some() || names.iter().any(|name| is_own(name))
    };
    if let Some(column) = mapping.org_column.as_deref().filter(|column| !is_there(column)) {
        let fix = "give --org-column the name of one that the file has, or use --org";
        return Err(Stop::Usage(format!("the first line of the file names no column {column}; {fix}")));
    }
    let mut missing = product.needed().iter().filter(|needed| !is_read(needed));
    // The names that stand there may be the first row of a table without names, so they are not shown.
    missing.next().map_or(Ok(()), |missing| {
        Err(Stop::Usage(format!(
            "the first line of the file names no column {missing}; export the table of {} with the names of its columns, say with \
             --column {missing}=NAME which one it is, or with --from where the table is from",
            product.name()
        )))
    })
}

impl Import<'_> {
    async fn run(mut self, context: &mut CommandContext) -> Result<(), Stop> {
        let checked = if self.skip_broken && !self.dry_run {
            Totals { rows: self.count()?, ..Totals::default() }
        } else {
            self.pass(Pass::Check, 0, context).await?
        };
        let mut totals = checked;
        if !self.dry_run {
            if checked.refused > 0 {
                return Err(self.refused(&checked));
            }
            totals = self.pass(Pass::Write, checked.rows, context).await?;
        }
        let is_refused = self.dry_run && totals.refused > 0 && !self.skip_broken;
        if is_refused && context.global.quiet {
            return Err(self.refused(&totals));
        }
        let summary = Summary {
            totals: &totals,
            left_out: &self.left_out,
            unused_scopes: self.mapping.unused(),
            dry_run: self.dry_run,
            is_refused,
        };
        // The rows stand before the remarks, which go to standard error.
        self.told(context.printer.finish(), &totals, totals.rows)?;
        let told = report::finish(context, &summary);
        self.told(told.and_then(|()| context.printer.finish()), &totals, totals.rows)?;
        if is_refused {
            return Err(self.refused(&totals));
        }
        let is_whole = totals.refused == 0 || (self.skip_broken && !totals.is_cut);
        if is_whole { Ok(()) } else { Err(Stop::Code(FAILED)) }
    }

    /// The end of an import with rows that cannot be imported.
    fn refused(&self, totals: &Totals) -> Stop {
        let Totals { refused, rows, .. } = totals;
        let none = if self.dry_run { "none would be" } else { "none was" };
        Stop::Failed(format!(
            "{refused} of {rows} rows cannot be imported, so {none}; mend them, or leave them out with --skip-broken"
        ))
    }

    /// Goes on without reports when their reader has left a pipe: the keys matter more. Any other output that cannot be written ends
    /// the import.
    fn told(&self, told: Result<(), Stop>, totals: &Totals, rows_of_file: u64) -> Result<(), Stop> {
        match told {
            Err(Stop::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(Stop::Output(error)) if !self.dry_run => Err(Stop::Failed(format!(
                "the output cannot be written: {}; {} of {rows_of_file} rows are imported, and the same command goes on",
                sys::reason(&error),
                totals.imported + totals.existing,
            ))),
            told => told,
        }
    }

    /// The number of rows, for the progress.
    fn count(&self) -> Result<u64, Stop> {
        let (mut rows, mut count) = (self.input.rows()?, 0);
        while rows.next_row().map_err(|error| self.input.unreadable(&error))?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Reads the whole file. `rows_of_file` is the number of rows, if it is known.
    async fn pass(&mut self, pass: Pass, rows_of_file: u64, context: &mut CommandContext) -> Result<Totals, Stop> {
        let mut progress = match pass {
            Pass::Check => Progress::new("bytes checked", context),
            Pass::Write => Progress::new("rows", context),
        };
        let (mut rows, mut totals, mut seen) = (self.input.rows()?, Totals::default(), SeenRows::default());
        let mut batch = Batch::default();
        let form = ReportForm { is_complete: pass == Pass::Write || self.dry_run, is_array: rows.is_array() };
        let mut is_over = false;
        while !is_over {
            match rows.next_row().map_err(|error| self.input.unreadable(&error))? {
                None => is_over = true,
                Some(Err(broken)) => batch.refuse(broken.line, broken.error),
                Some(Ok(row)) => {
                    let place = form.place(totals.rows + batch.len() as u64 + 1, row.line);
                    self.read(row, place, &mut seen, &mut batch);
                }
            }
            if batch.len() == BATCH || is_over {
                let reports = self.send(std::mem::take(&mut batch), pass, &totals).await?;
                totals.add(&reports);
                progress.clear();
                let told = report::rows(context, &reports, form, &totals);
                self.told(told, &totals, rows_of_file.max(totals.rows))?;
                match pass {
                    Pass::Check => progress.tell(rows.bytes_read().min(self.input.length), self.input.length),
                    Pass::Write => progress.tell(totals.rows, rows_of_file.max(totals.rows)),
                }
            }
        }
        totals.is_cut = rows.is_cut();
        Ok(totals)
    }

    /// Reads the key of a row into the batch.
    fn read(&mut self, mut row: Row, place: RowPlace, seen: &mut SeenRows, batch: &mut Batch) {
        let line = row.line;
        let read = self.product.read(&mut row, &self.mapping).and_then(|(fields, identity)| {
            let key = HashedKey::read(fields).map_err(|error| self.named(error))?;
            Ok((key, identity))
        });
        let read = read.map_err(|error| self.in_file(error));
        let (key, identity) = match read {
            Ok(read) => read,
            Err(error) => return batch.refuse(line, error),
        };
        for name in row.left().chain(row.replaced()).map(|name| shown(name)) {
            if self.left_out.len() < MOST_LEFT_OUT && !self.left_out.contains(name) {
                self.left_out.insert(name.to_owned());
            }
        }
        match seen.place(&identity, place.number) {
            Place::New => batch.add(line, key, false),
            Place::Same => batch.add(line, key, true),
            Place::Taken { field, by } => {
                let (field, unit) = (self.product.column(field), place.unit);
                let error = Error::conflict(field, format!("is that of {unit} {by} too"), "keep one of the two rows");
                batch.refuse(line, self.in_file(error));
            }
        }
    }

    /// Names the column of the product in place of the field.
    fn named(&self, error: Error) -> Error {
        let column = error.field().map(|field| self.product.column(field).to_owned());
        column.map_or_else(|| error.clone(), |column| error.clone().at_field(&column))
    }

    /// Names the column of the file, if that has another name than the product's.
    fn in_file(&self, error: Error) -> Error {
        let name = error.field().and_then(|field| self.mapping.columns.in_file(field)).map(str::to_owned);
        name.map_or_else(|| error.clone(), |name| error.clone().at_field(&name))
    }

    /// Checks or writes a batch, and returns a report on each of its rows.
    async fn send(&self, batch: Batch, pass: Pass, before: &Totals) -> Result<Vec<RowReport>, Stop> {
        let Batch { mut reports, keys, sent } = batch;
        if keys.is_empty() {
            return Ok(reports);
        }
        let is_check = pass == Pass::Check;
        let mut import = HashedImport::new(self.format.clone()).keys(keys).dry_run(is_check);
        import = import.skip_refused(is_check || self.skip_broken);
        if let Some(actor) = &self.actor {
            import = import.actor(actor);
        }
        let outcome = self.kw.every_org().keys().import_hashed(import).await;
        let report = outcome.map_err(|error| self.stopped(error, &reports, &sent, before))?;
        for answer in report.data {
            let index = usize::try_from(answer.index).unwrap_or(usize::MAX);
            let Some(sent) = sent.get(index) else { continue };
            let Some(row) = reports.get_mut(sent.position) else { continue };
            row.result = match answer.outcome {
                // A check leaves the row before it out of the database; a write tells by itself.
                ImportOutcome::Imported if is_check && sent.is_repeated => RowResult::Existing,
                ImportOutcome::Imported => {
                    row.lacks_scopes = sent.lacks_scopes;
                    RowResult::Imported
                }
                ImportOutcome::Existing => RowResult::Existing,
                ImportOutcome::Refused => RowResult::Refused,
            };
            row.id = answer.id;
            row.error =
                answer.error.or_else(|| not_applied(&answer.not_applied)).map(|error| self.in_file(self.named(error)));
        }
        Ok(reports)
    }

    /// The end of an import whose batch failed as a whole.
    fn stopped(&self, error: Error, reports: &[RowReport], sent: &[batch::Sent], before: &Totals) -> Stop {
        let indexed = error.field().and_then(|field| field.strip_prefix("keys[")?.split_once("]."));
        let place = indexed.and_then(|(index, field)| {
            let sent = sent.get(index.parse::<usize>().ok()?)?;
            Some((reports.get(sent.position)?.line, self.product.column(field)))
        });
        if let Some((line, field)) = place {
            let error = self.in_file(error.clone().at_field(field));
            let done = before.imported + before.existing;
            return Stop::Failed(format!(
                "line {line}: {error}; another program has changed keys since the check: {done} rows are imported, and the same command goes on"
            ));
        }
        if let Some(field) = error.field().filter(|field| matches!(*field, "format" | "start" | "hashed")) {
            let option = if field == "start" { "prefix" } else { field };
            return Stop::Refused(error.clone().at_field(option));
        }
        Stop::Refused(error)
    }
}

/// The remark on a key that has ended in the file and stays as it is: the first of the times by which it has.
fn not_applied(times: &[String]) -> Option<Error> {
    let field = times.first()?;
    let reason = "is not applied, because the key is there already and stays as it is";
    let command = match field.as_str() {
        "revoked_at" => "revoke it with keywright keys revoke",
        "disabled_at" => "disable it with keywright keys disable",
        _ => "change it with keywright keys update --expires-at",
    };
    Some(Error::conflict(field, reason, command))
}
