//! One engine on a new database, with a clock that the steps move, and the steps that are run on it.

use std::env;
use std::hash::{BuildHasher, RandomState};

use keywright::Error;
use keywright::blocking::Keywright;
use keywright::ffi::{Value, read_config};
use keywright::testing::ManualClock;
use serde_json::{Map, Value as Json};
use tempfile::TempDir;

use super::call::{Outcome, run};
use super::case::{Step, Wrong};
use super::expect::difference;
#[cfg(unix)]
use super::remote::{Direct, Remote};
use super::value::{Saved, fields, time};

/// An engine, its database and what its steps have kept.
pub struct Bench {
    database: Database,
    clock: ManualClock,
    config: Map<String, Json>,
    kw: Keywright,
    pub saved: Saved,
    #[cfg(unix)]
    remote: Option<Remote>,
}

impl Bench {
    /// Opens an engine on a new database.
    pub fn open(config: &Json, start: &str) -> Result<Self, Error> {
        let database = Database::new();
        let clock = ManualClock::new(time(start));
        let config = config.as_object().cloned().unwrap_or_default();
        let kw = open(&database, &clock, &config)?;
        Ok(Self {
            database,
            clock,
            config,
            kw,
            saved: Saved::new(),
            #[cfg(unix)]
            remote: None,
        })
    }

    /// The same engine behind a server, which gets the calls that HTTP can express.
    #[cfg(unix)]
    pub fn served(mut self, direct: Direct) -> Self {
        self.remote = Some(Remote::new(&self.kw, direct));
        self
    }

    /// The number of calls that the server got.
    #[cfg(unix)]
    pub fn sent(&self) -> usize {
        self.remote.as_ref().map_or(0, Remote::sent)
    }

    /// The engine.
    pub fn kw(&self) -> &Keywright {
        &self.kw
    }

    /// Runs one step and compares; the text says what is not as it should be.
    pub fn step(&mut self, step: &Step) -> Result<(), String> {
        #[cfg(unix)]
        if let Some(remote) = &mut self.remote {
            remote.begin_step();
        }
        (0..step.times.unwrap_or(1)).try_for_each(|_| self.once(step))
    }

    fn once(&mut self, step: &Step) -> Result<(), String> {
        let outcome = match step.r#do.as_str() {
            "advance" => {
                self.clock.advance(step.ms.unwrap());
                return Ok(());
            }
            "close" => {
                self.kw.close();
                return Ok(());
            }
            "flush" => match self.kw.flush() {
                Ok(()) => Outcome::Done(Json::Null),
                Err(error) => error.into(),
            },
            "reopen" => self.reopen(step),
            _ => self.run(step),
        };
        compare(&outcome, step.expect.as_ref(), step.error.as_ref(), &self.saved)?;
        if let (Some(name), Outcome::Done(result)) = (&step.r#as, outcome) {
            self.saved.insert(name.clone(), result);
        }
        Ok(())
    }

    #[cfg(unix)]
    fn run(&mut self, step: &Step) -> Outcome {
        let sent = self.remote.as_mut().and_then(|remote| remote.run(step, &self.saved));
        sent.unwrap_or_else(|| run(&self.kw, step, &self.saved))
    }

    #[cfg(not(unix))]
    fn run(&mut self, step: &Step) -> Outcome {
        run(&self.kw, step, &self.saved)
    }

    fn reopen(&mut self, step: &Step) -> Outcome {
        self.kw.close();
        if let Some(config) = &step.config {
            self.config = config.as_object().unwrap().clone();
        }
        match open(&self.database, &self.clock, &self.config) {
            Ok(kw) => {
                self.kw = kw;
                #[cfg(unix)]
                if let Some(remote) = &mut self.remote {
                    remote.serve(&self.kw);
                }
                Outcome::Done(Json::Null)
            }
            Err(error) => error.into(),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.kw.close();
    }
}

/// A new database: a file in a folder of its own. If `KEYWRIGHT_TEST_STORE` has the beginning of a URL, it ends with a new name.
pub struct Database {
    pub url: String,
    folder: TempDir,
}

impl Database {
    #[expect(clippy::new_without_default, reason = "each one is another database")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = env::var("KEYWRIGHT_TEST_STORE");
        let store = store.unwrap_or_else(|_| format!("sqlite:{}/", folder.path().display()));
        Self { url: format!("{store}kw_{:016x}", RandomState::new().hash_one(())), folder }
    }

    /// Whether nobody has made anything there.
    pub fn is_untouched(&self) -> bool {
        let reader = keywright::Keywright::builder(self.url.clone()).brand("liq").pepper([7; 32]).read_only(true);
        Keywright::open(reader).is_err() && self.folder.path().read_dir().unwrap().next().is_none()
    }
}

fn open(database: &Database, clock: &ManualClock, config: &Map<String, Json>) -> Result<Keywright, Error> {
    let url = Value::Text(database.url.clone());
    Keywright::open(read_config(url, fields(config, &Saved::new()))?.clock(clock.clone()))
}

/// Holds an outcome against what a case expects.
pub fn compare(outcome: &Outcome, expect: Option<&Json>, error: Option<&Wrong>, saved: &Saved) -> Result<(), String> {
    match (outcome, error) {
        (Outcome::Refused { code, field }, Some(wanted)) if *code == wanted.code => match (&wanted.field, field) {
            (Some(wanted), got) if Some(wanted) != got.as_ref() => Err(format!("wanted field {wanted}, got {got:?}")),
            _ => Ok(()),
        },
        (outcome, Some(wanted)) => Err(format!("wanted {wanted:?}, got {outcome:?}")),
        (Outcome::Refused { .. }, None) => Err(format!("wanted {}, got {outcome:?}", expect.unwrap_or(&Json::Null))),
        (Outcome::Done(got), None) => expect.and_then(|it| difference(it, got, saved)).map_or(Ok(()), Err),
    }
}
