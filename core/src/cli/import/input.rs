//! The file with the rows of another product. It is read more than once: to check or to count its rows, and to import them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use super::rows::{RowReader, csv::CsvRows, json::JsonRows};
use crate::cli::exit::Stop;

/// The name of standard input.
const STANDARD_INPUT: &str = "-";

const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// A file that can be read from its start as often as needed.
pub(super) struct ImportFile {
    file: File,
    name: PathBuf,
    pub(super) length: u64,
}

impl ImportFile {
    /// Opens a file. Standard input, and a pipe in place of a file, is copied into a temporary file that has no name.
    pub(super) fn open(path: &Path) -> Result<Self, Stop> {
        let name = path.to_owned();
        let opened = if path == Path::new(STANDARD_INPUT) {
            spool(&mut io::stdin().lock())
        } else {
            File::open(path).and_then(|mut file| {
                let is_file = file.metadata()?.is_file();
                if is_file { Ok(file) } else { spool(&mut file) }
            })
        };
        let with_length = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        match with_length {
            Ok((length, file)) => Ok(Self { file, name, length }),
            Err(error) => Err(Stop::unreadable("FILE", path, &error)),
        }
    }

    /// The rows from the first one. JSON begins with a brace or a bracket, everything else is CSV.
    pub(super) fn rows(&self) -> Result<Box<dyn RowReader>, Stop> {
        self.read_rows().map_err(|error| self.unreadable(&error))
    }

    fn read_rows(&self) -> io::Result<Box<dyn RowReader>> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        let mut from = BufReader::with_capacity(1 << 16, file);
        if from.fill_buf()?.starts_with(&BYTE_ORDER_MARK) {
            from.consume(BYTE_ORDER_MARK.len());
        }
        let first = from.fill_buf()?.iter().find(|byte| !byte.is_ascii_whitespace());
        Ok(match first {
            Some(b'{') => Box::new(JsonRows::lines(from)),
            Some(b'[') => Box::new(JsonRows::array(from)),
            _ => Box::new(CsvRows::new(from)?),
        })
    }

    pub(super) fn unreadable(&self, error: &io::Error) -> Stop {
        Stop::unreadable("FILE", &self.name, error)
    }
}

fn spool(from: &mut impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(from, &mut file)?;
    Ok(file)
}
