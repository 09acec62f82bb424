//! The formats of imported keys that a process knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;

use crate::clock::Millis;
use crate::key::{ForeignFormat, mask_foreign};

/// How often a text of no known shape makes this process look whether the database has keys of another shape by now.
const LOOK_INTERVAL: u64 = 1_000;

/// The formats of the imported keys of a database, as this process knows them.
pub(super) struct ImportedFormats {
    known: ArcSwap<KnownFormats>,
    looked_at: AtomicI64,
}

pub(super) struct KnownFormats {
    /// As the database keeps them.
    text: String,
    pub(super) formats: Vec<ForeignFormat>,
}

impl ImportedFormats {
    pub(super) fn new(text: &str) -> Self {
        let known = ArcSwap::from_pointee(KnownFormats::read(text));
        Self { known, looked_at: AtomicI64::new(Millis::MIN) }
    }

    /// Takes the formats as the database has them.
    pub(super) fn learn(&self, text: &str) {
        if self.known.load().text != text {
            self.known.store(Arc::new(KnownFormats::read(text)));
        }
    }

    pub(super) fn fit(&self, text: &[u8]) -> bool {
        self.known.load().formats.iter().any(|format| format.fits(text))
    }

    /// The formats, as they are now.
    pub(super) fn known(&self) -> Arc<KnownFormats> {
        self.known.load_full()
    }

    /// Masks the secrets of texts of these formats.
    pub(super) fn mask(&self, text: String) -> String {
        mask_foreign(text, &self.known.load().formats)
    }

    /// Notes that this process looks for other formats now.
    pub(super) fn note_look(&self, now: Millis) {
        self.looked_at.store(now, Ordering::Relaxed);
    }

    /// Whether this process has looked for other formats a moment ago.
    pub(super) fn has_looked(&self, now: Millis) -> bool {
        now.abs_diff(self.looked_at.load(Ordering::Relaxed)) < LOOK_INTERVAL
    }
}

impl KnownFormats {
    fn read(text: &str) -> Self {
        Self { text: text.to_owned(), formats: text.lines().filter_map(ForeignFormat::stored).collect() }
    }
}
