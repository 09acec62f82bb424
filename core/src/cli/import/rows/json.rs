//! JSON: an object on each line, or one array of objects, as databases and frameworks export it.

use std::io::{self, BufRead};
use std::rc::Rc;

use super::{BrokenRow, MOST_BYTES, Row, RowReader};
use crate::error::Error;
use crate::input::Value;

pub(in crate::cli::import) struct JsonRows<R> {
    from: R,
    form: Form,
    is_array: bool,
    /// The bytes of the present row.
    text: Vec<u8>,
    /// The number of line breaks read, plus one.
    line: u64,
    bytes_read: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Lines,
    Array,
    /// Nothing more is read: the array ends, or it breaks.
    Over,
    Cut,
}

/// The outcome of reading an object of an array.
enum Scan {
    Whole,
    TooLong,
    Unfinished,
}

impl<R: BufRead> JsonRows<R> {
    /// An object on each line.
    pub(in crate::cli::import) fn lines(from: R) -> Self {
        Self { from, form: Form::Lines, is_array: false, text: Vec::new(), line: 1, bytes_read: 0 }
    }

    /// Objects in one array, with any white space.
    pub(in crate::cli::import) fn array(from: R) -> Self {
        Self { form: Form::Array, is_array: true, ..Self::lines(from) }
    }

    fn next_byte(&mut self) -> io::Result<Option<u8>> {
        let Some(byte) = self.from.fill_buf()?.first().copied() else { return Ok(None) };
        self.from.consume(1);
        self.bytes_read += 1;
        self.line += u64::from(byte == b'\n');
        Ok(Some(byte))
    }

    /// The next line that is not blank, without what is beyond the most bytes of a row.
    fn next_line(&mut self) -> io::Result<Option<Result<Row, BrokenRow>>> {
        loop {
            let line = self.line;
            self.text.clear();
            let mut length = 0;
            loop {
                let part = self.from.fill_buf()?;
                let end = part.iter().position(|byte| *byte == b'\n');
                let taken = end.map_or(part.len(), |end| end + 1);
                if length <= MOST_BYTES {
                    self.text.extend_from_slice(part.get(..taken).unwrap_or_default());
                }
                self.from.consume(taken);
                length += taken;
                if end.is_some() || taken == 0 {
                    break;
                }
            }
            self.bytes_read += length as u64;
            self.line += 1;
            if length == 0 {
                return Ok(None);
            }
            if length > MOST_BYTES {
                return Ok(Some(Err(too_long(line, "give each row a line of its own"))));
            }
            if !self.text.trim_ascii().is_empty() {
                return Ok(Some(parsed(&self.text, line)));
            }
        }
    }

    /// The next object of the array. After something else nothing tells where the next object begins.
    fn next_item(&mut self) -> io::Result<Option<Result<Row, BrokenRow>>> {
        let mut is_within = self.bytes_read > 0;
        let not_read = |line, reason: &str| {
            let error = Error::validation_failed("row", reason, "give an array of objects, or an object on each line");
            Ok(Some(Err(BrokenRow { line, error })))
        };
        loop {
            let line = self.line;
            match self.next_byte()? {
                Some(b'{') if is_within => {
                    self.text.clear();
                    self.text.push(b'{');
                    return match self.scan_object()? {
                        Scan::Whole => Ok(Some(parsed(&self.text, line))),
                        Scan::TooLong => {
                            self.form = Form::Cut;
                            Ok(Some(Err(too_long(line, "look for a quote that is not closed"))))
                        }
                        Scan::Unfinished => {
                            self.form = Form::Cut;
                            not_read(line, "is not finished when the file ends")
                        }
                    };
                }
                Some(b'[') if !is_within => is_within = true,
                Some(b',') if is_within => {}
                Some(byte) if byte.is_ascii_whitespace() => {}
                Some(b']') if is_within => {
                    let more = self.skip_white_space()?;
                    self.form = if more.is_some() { Form::Cut } else { Form::Over };
                    return match more {
                        None => Ok(None),
                        Some(line) => not_read(line, "stands after the end of the array, and nothing after it is read"),
                    };
                }
                None => {
                    self.form = Form::Cut;
                    return not_read(line, "is missing: the file ends before its array does");
                }
                Some(_) => {
                    self.form = Form::Cut;
                    return not_read(line, "is no JSON object, and nothing after it is read");
                }
            }
        }
    }

    /// Reads on to the brace that closes the object.
    fn scan_object(&mut self) -> io::Result<Scan> {
        let (mut depth, mut is_text, mut is_escaped) = (1_usize, false, false);
        while depth > 0 {
            let Some(byte) = self.next_byte()? else { return Ok(Scan::Unfinished) };
            if self.text.len() == MOST_BYTES {
                return Ok(Scan::TooLong);
            }
            self.text.push(byte);
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = is_text,
                b'"' => is_text = !is_text,
                b'{' if !is_text => depth += 1,
                b'}' if !is_text => depth -= 1,
                _ => {}
            }
        }
        Ok(Scan::Whole)
    }

    /// The line of the next byte that is not white space.
    fn skip_white_space(&mut self) -> io::Result<Option<u64>> {
        loop {
            let line = self.line;
            match self.next_byte()? {
                None => return Ok(None),
                Some(byte) if byte.is_ascii_whitespace() => {}
                Some(_) => return Ok(Some(line)),
            }
        }
    }
}

impl<R: BufRead> RowReader for JsonRows<R> {
    fn next_row(&mut self) -> io::Result<Option<Result<Row, BrokenRow>>> {
        match self.form {
            Form::Lines => self.next_line(),
            Form::Array => self.next_item(),
            Form::Over | Form::Cut => Ok(None),
        }
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    fn is_cut(&self) -> bool {
        self.form == Form::Cut
    }

    fn is_array(&self) -> bool {
        self.is_array
    }
}

fn too_long(line: u64, fix: &str) -> BrokenRow {
    BrokenRow { line, error: Error::validation_failed("row", format!("is longer than {MOST_BYTES} bytes"), fix) }
}

fn parsed(text: &[u8], line: u64) -> Result<Row, BrokenRow> {
    let broken = |reason: String| {
        let error = Error::validation_failed("row", reason, "give an object whose names are those of the columns");
        BrokenRow { line, error }
    };
    // The message of the parser may quote the row, which holds a hash.
    let read = serde_json::from_slice::<Value>(text);
    let value =
        read.map_err(|error| broken(format!("is no JSON object: it breaks at character {}", error.column())))?;
    let Value::Map(columns) = value else { return Err(broken("is no JSON object".into())) };
    Ok(Row::new(line, columns.into_iter().map(|(name, value)| (Rc::from(name), value)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(mut rows: JsonRows<&[u8]>) -> Vec<Result<Row, BrokenRow>> {
        std::iter::from_fn(|| rows.next_row().unwrap()).collect()
    }

    fn lines(text: &str) -> Vec<Result<Row, BrokenRow>> {
        all(JsonRows::lines(text.as_bytes()))
    }

    fn array(text: &str) -> Vec<Result<Row, BrokenRow>> {
        all(JsonRows::array(text.as_bytes()))
    }

    fn row(line: u64, id: i128) -> Result<Row, BrokenRow> {
        Ok(Row::new(line, vec![(Rc::from("id"), Value::Integer(id))]))
    }

    fn reasons(rows: &[Result<Row, BrokenRow>]) -> Vec<(u64, String)> {
        let broken = rows.iter().filter_map(|row| row.as_ref().err());
        broken.map(|row| (row.line, row.error.to_string())).collect()
    }

    #[test]
    fn each_line_is_a_row_and_a_broken_one_hides_no_other() {
        assert_eq!(lines("{\"id\":1}\n\n  {\"id\":2}\r\n{\"id\":3}"), [row(1, 1), row(3, 2), row(4, 3)]);
        let found = lines("{\"id\":1}\n{\"id\":\n[7]\n{\"id\":1,\"id\":2}\n{\"id\":4}\n");
        assert_eq!((found.first(), found.last()), (Some(&row(1, 1)), Some(&row(5, 4))));
        let told: Vec<u64> = reasons(&found).into_iter().map(|(line, _)| line).collect();
        assert_eq!(told, [2, 3, 4]);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped() {
        let found = lines(&format!("{{\"id\":\"{}\"}}\n{{\"id\":2}}\n", "x".repeat(2 * MOST_BYTES)));
        assert_eq!(found.last(), Some(&row(2, 2)));
        assert!(reasons(&found).first().unwrap().1.contains("is longer than"));
    }

    #[test]
    fn objects_of_an_array_may_stand_on_any_lines() {
        assert_eq!(array("[{\"id\":1},\n{\"id\":2}]\n"), [row(1, 1), row(2, 2)]);
        assert_eq!(array("[\n {\n  \"id\": 1\n },\n {\n  \"id\": 2 }\n]"), [row(2, 1), row(5, 2)]);
        assert_eq!(array("[]"), []);
        let nested = array("[{\"a\":\"}]\\\"{\",\"b\":{\"c\":[{}]}}, {\"id\":2}]");
        assert_eq!((nested.len(), nested.last()), (2, Some(&row(1, 2))));
    }

    #[test]
    fn an_array_that_breaks_is_read_up_to_there() {
        for (text, line, reason) in [
            ("[{\"id\":1}, 7, {\"id\":2}]", 1, "is no JSON object, and"),
            ("[{\"id\":1},\n{\"id\":", 2, "is not finished"),
            ("[{\"id\":1}\n", 2, "ends before its array"),
            ("[{\"id\":1}]\n[{\"id\":2}]", 2, "stands after the end"),
        ] {
            let found = array(text);
            assert_eq!((found.len(), found.first()), (2, Some(&row(1, 1))), "{text}");
            let told = reasons(&found);
            assert!(told.first().is_some_and(|(at, why)| *at == line && why.contains(reason)), "{text}: {told:?}");
        }
        let endless = array(&format!("[{{\"id\":\"{}", "x".repeat(2 * MOST_BYTES)));
        assert!(reasons(&endless).first().unwrap().1.contains("is longer than"));
    }

    #[test]
    fn an_error_shows_nothing_of_the_row() {
        for found in [lines("{\"hash\":\"topsecret\" x}"), lines("\"topsecret\""), array("[{\"topsecret\":topsecret}]")]
        {
            let told = format!("{:?}", reasons(&found));
            assert!(told.contains("is no JSON object") && !told.contains("topsecret"), "{told}");
        }
    }

    proptest! {
        #[test]
        fn both_forms_read_the_same_rows(values in proptest::collection::vec("\\PC{0,30}", 0..20)) {
            let objects: Vec<String> = values.iter().map(|it| serde_json::json!({"v": it}).to_string()).collect();
            let mut by_lines = lines(&objects.join("\n"));
            let mut in_array = array(&format!("[{}]", objects.join(",\n")));
            let taken = |rows: &mut Vec<Result<Row, BrokenRow>>| -> Vec<_> {
                rows.iter_mut().map(|row| row.as_mut().unwrap()).map(|row| (row.line, row.columns.pop())).collect()
            };
            let (by_lines, in_array) = (taken(&mut by_lines), taken(&mut in_array));
            prop_assert_eq!(&by_lines, &in_array);
            let read: Vec<_> = by_lines.into_iter().map(|(_, column)| column.unwrap().1).collect();
            prop_assert_eq!(read, values.into_iter().map(Value::Text).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in "[\\[\\]{}\",:\\\\ a1\n]{0,80}") {
            let _ = (lines(&bytes), array(&bytes));
        }
    }
}
