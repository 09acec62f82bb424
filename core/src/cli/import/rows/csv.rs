//! CSV with the names of the columns in its first line, as databases export it.

use std::cell::Cell;
use std::io::{self, BufRead, ErrorKind, Read};
use std::rc::Rc;

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};

use super::{BrokenRow, MOST_BYTES, Row, RowReader};
use crate::error::Error;
use crate::input::Value;

/// The characters that may separate columns. The one that the first line has most of does.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// A null of MySQL's exports.
const MYSQL_NULL: &str = "\\N";

pub(in crate::cli::import) struct CsvRows<R> {
    reader: Reader<Bounded<R>>,
    budget: Rc<Cell<usize>>,
    names: Vec<Rc<str>>,
    record: ByteRecord,
    is_cut: bool,
}

/// A reader that fails when one row takes more bytes than a row may have: a quote that is never closed makes a row of the whole
/// rest of the file.
struct Bounded<R> {
    inner: R,
    budget: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.get();
        if left == 0 {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let length = into.len().min(left);
        let read = self.inner.read(into.get_mut(..length).unwrap_or_default())?;
        self.budget.set(left - read);
        Ok(read)
    }
}

impl<R: BufRead> CsvRows<R> {
    pub(in crate::cli::import) fn new(mut from: R) -> io::Result<Self> {
        let delimiter = delimiter(from.fill_buf()?);
        let budget = Rc::new(Cell::new(MOST_BYTES));
        let bounded = Bounded { inner: from, budget: Rc::clone(&budget) };
        // The reader's own way to end a row at CRLF miscounts lines, so the CR is taken off here.
        let mut settings = ReaderBuilder::new();
        settings.has_headers(false).flexible(true).delimiter(delimiter).terminator(Terminator::Any(b'\n'));
        let mut reader = settings.from_reader(bounded);
        let mut record = ByteRecord::new();
        let has_names = reader.read_byte_record(&mut record).unwrap_or(false);
        let names = record.iter().map(|name| Rc::from(String::from_utf8_lossy(name).trim()));
        let names = if has_names { names.collect() } else { Vec::new() };
        Ok(Self { reader, budget, names, record, is_cut: false })
    }

    fn is_blank(&self) -> bool {
        self.record.len() == 1 && self.record.get(0) == Some(b"\r")
    }

    fn row(&self, line: u64) -> Result<Row, BrokenRow> {
        let broken = |error| BrokenRow { line, error };
        let (found, wanted) = (self.record.len(), self.names.len());
        if found != wanted {
            let reason = format!("has {found} columns where the first line names {wanted}");
            let fix = "export the table again, with quotes around values that hold the separator or a line break";
            return Err(broken(Error::validation_failed("row", reason, fix)));
        }
        let columns = self.names.iter().zip(&self.record).enumerate().map(|(index, (name, value))| {
            let value = if index + 1 == wanted { without_cr(value) } else { value };
            let value = match str::from_utf8(value) {
                Ok("" | MYSQL_NULL) => Value::Null,
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => Value::BrokenText,
            };
            (Rc::clone(name), value)
        });
        Ok(Row::new(line, columns.collect()))
    }
}

impl<R: BufRead> RowReader for CsvRows<R> {
    fn next_row(&mut self) -> io::Result<Option<Result<Row, BrokenRow>>> {
        if self.is_cut {
            return Ok(None);
        }
        loop {
            self.budget.set(MOST_BYTES);
            let begins_at = self.reader.position().line();
            match self.reader.read_byte_record(&mut self.record) {
                Ok(true) if self.is_blank() => {}
                Ok(true) => {
                    let line = self.record.position().map_or(begins_at, csv::Position::line);
                    return Ok(Some(self.row(line)));
                }
                Ok(false) => return Ok(None),
                Err(error) => match error.into_kind() {
                    csv::ErrorKind::Io(error) if error.kind() == ErrorKind::FileTooLarge => {
                        self.is_cut = true;
                        let reason = format!("is longer than {MOST_BYTES} bytes, so the rows after it are not read");
                        let error = Error::validation_failed("row", reason, "look for a quote that is not closed");
                        return Ok(Some(Err(BrokenRow { line: begins_at, error })));
                    }
                    csv::ErrorKind::Io(error) => return Err(error),
                    _ => return Err(ErrorKind::InvalidData.into()),
                },
            }
        }
    }

    fn bytes_read(&self) -> u64 {
        self.reader.position().byte()
    }

    fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn names(&self) -> Option<&[Rc<str>]> {
        Some(&self.names)
    }
}

fn without_cr(value: &[u8]) -> &[u8] {
    value.strip_suffix(b"\r").unwrap_or(value)
}

fn delimiter(start: &[u8]) -> u8 {
    let first_line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| first_line.iter().filter(|byte| **byte == delimiter).count();
    // The first of several that are equally frequent.
    DELIMITERS.into_iter().rev().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Vec<Result<Row, BrokenRow>> {
        let mut rows = CsvRows::new(text).unwrap();
        std::iter::from_fn(|| rows.next_row().unwrap()).collect()
    }

    fn row(line: u64, columns: &[(&str, Value)]) -> Row {
        Row::new(line, columns.iter().map(|(name, value)| (Rc::from(*name), value.clone())).collect())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn quotes_line_breaks_and_empty_values() {
        let found = read(b"id,name\r\n1,\"two, \"\"three\"\"\nfour\"\r\n2,\n\\N,x\n");
        assert_eq!(read(b"id,name\r\n\r\n1,\"a\"\r\n"), [Ok(row(3, &[("id", text("1")), ("name", text("a"))]))]);
        let wanted = [
            row(2, &[("id", text("1")), ("name", text("two, \"three\"\nfour"))]),
            row(4, &[("id", text("2")), ("name", Value::Null)]),
            row(5, &[("id", Value::Null), ("name", text("x"))]),
        ];
        assert_eq!(found, wanted.map(Ok));
    }

    #[test]
    fn semicolons_and_tabs_separate_too() {
        for text_of in ["id;name\n1;a,b\n", "id\tname\n1\ta,b\n"] {
            assert_eq!(read(text_of.as_bytes()), [Ok(row(2, &[("id", text("1")), ("name", text("a,b"))]))]);
        }
    }

    #[test]
    fn a_row_of_another_length_is_broken_and_the_next_one_is_read() {
        let found = read(b"id,name\n1\n2,b\n3,c,d\n\xff,e\n");
        let wrong = |row: &Result<Row, BrokenRow>| row.as_ref().err().map(|it| it.line);
        assert_eq!(found.iter().map(wrong).collect::<Vec<_>>(), [Some(2), None, Some(4), None]);
        assert_eq!(found.last(), Some(&Ok(row(5, &[("id", Value::BrokenText), ("name", text("e"))]))));
        let shown = found.first().unwrap().as_ref().unwrap_err().error.to_string();
        assert!(shown.starts_with("row: has 1 columns where the first line names 2; "), "{shown}");
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_the_file() {
        let mut file = b"id,name\n1,a\n2,\"b\n".to_vec();
        file.extend(std::iter::repeat_n(b'x', 2 * MOST_BYTES));
        let found = read(&file);
        assert_eq!(found.len(), 2);
        assert_eq!(found.last().unwrap().as_ref().unwrap_err().line, 3);
    }

    #[test]
    fn nothing_has_no_rows() {
        assert_eq!(read(b""), []);
        assert_eq!(read(b"id,name\n"), []);
        assert_eq!(read(b"id,name"), []);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in proptest::collection::vec(("[^\r]{0,20}", "[a-z\",;\n\t]{1,20}"), 0..20)) {
            let quoted = |value: &str| format!("\"{}\"", value.replace('"', "\"\""));
            let mut file = "first,second\n".to_owned();
            for (first, second) in &rows {
                file.push_str(&format!("{},{}\n", quoted(first), quoted(second)));
            }
            let found = read(file.as_bytes()).into_iter().map(|row| {
                let mut row = row.unwrap();
                (row.take("first"), row.take("second"))
            });
            let value = |value: &String| Some(text(value)).filter(|_| !value.is_empty() && value != MYSQL_NULL);
            prop_assert_eq!(found.collect::<Vec<_>>(), rows.iter().map(|(a, b)| (value(a), value(b))).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
