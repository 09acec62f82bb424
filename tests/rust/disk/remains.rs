//! A disk as the recorded events leave it, and what of it remains when power is lost.
//!
//! Nothing is promised but what was synced. Writes that were not synced remain or not, each 512 bytes on their own and
//! in any order, so that a page can be half old and half new; where a file grew, bytes that never arrived are zeros or
//! rubbish. A file has its name, or has lost it, for good only once its folder was synced.

use std::collections::BTreeMap;

use super::watch::Event;
use keywright_tests::site::chance::Chance;

const SECTOR: usize = 512;

#[derive(Debug, Clone, Copy)]
pub enum Loss {
    /// Only what was synced remains.
    All,
    /// Everything had reached the disk by itself.
    Nothing,
    /// Of what was not synced some remains, by chance.
    Some,
}

/// The bytes of files by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

pub struct Disk<'a> {
    files: Vec<File<'a>>,
    /// The file of a name: as it is after a loss for certain, as it is now, and the steps between the two.
    lasting: BTreeMap<String, usize>,
    now: BTreeMap<String, usize>,
    steps: Vec<Step>,
    /// A disk that takes syncs for done and does nothing.
    lies: bool,
}

#[derive(Default)]
struct File<'a> {
    synced: Vec<u8>,
    waiting: Vec<Change<'a>>,
}

#[derive(Clone, Copy)]
enum Change<'a> {
    Write(usize, &'a [u8]),
    Size(usize),
}

enum Step {
    Named(String, usize),
    Unnamed(String),
}

impl<'a> Disk<'a> {
    pub fn new(lies: bool) -> Self {
        Self { files: Vec::new(), lasting: BTreeMap::new(), now: BTreeMap::new(), steps: Vec::new(), lies }
    }

    pub fn apply(&mut self, event: &'a Event) {
        match event {
            Event::Opened(name) if self.now.contains_key(name) => {}
            Event::Opened(name) => {
                self.now.insert(name.clone(), self.files.len());
                self.steps.push(Step::Named(name.clone(), self.files.len()));
                self.files.push(File::default());
            }
            Event::Deleted(name) => {
                self.now.remove(name);
                self.steps.push(Step::Unnamed(name.clone()));
            }
            Event::FolderSynced => self.steps.drain(..).for_each(|it| it.apply(&mut self.lasting)),
            Event::Written(name, at, bytes) => self.file(name).waiting.push(Change::Write(*at, bytes)),
            Event::Truncated(name, size) => self.file(name).waiting.push(Change::Size(*size)),
            // Linux takes pages that it could not write for written, and never writes them again.
            Event::NotSynced(name) => self.file(name).waiting.clear(),
            Event::Synced(_) if self.lies => {}
            Event::Synced(name) => {
                let file = self.file(name);
                let waiting = std::mem::take(&mut file.waiting);
                waiting.into_iter().for_each(|it| it.apply(&mut file.synced));
            }
        }
    }

    fn file(&mut self, name: &str) -> &mut File<'a> {
        &mut self.files[self.now[name]]
    }

    pub fn remains(&self, loss: Loss, chance: &mut Chance) -> Files {
        let steps = match loss {
            Loss::All => 0,
            Loss::Nothing => self.steps.len(),
            Loss::Some => chance.below(self.steps.len() + 1),
        };
        let mut names = self.lasting.clone();
        self.steps.iter().take(steps).for_each(|it| it.apply(&mut names));
        names.into_iter().map(|(name, file)| (name, self.files[file].remains(loss, chance))).collect()
    }
}

impl Step {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Named(name, file) => names.insert(name.clone(), *file),
            Self::Unnamed(name) => names.remove(name),
        };
    }
}

impl Change<'_> {
    fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Size(size) => bytes.resize(size, 0),
            Self::Write(at, new) => {
                bytes.resize(bytes.len().max(at + new.len()), 0);
                bytes[at..at + new.len()].copy_from_slice(new);
            }
        }
    }

    /// The parts that reach the disk on their own.
    fn sectors(self) -> Vec<Self> {
        let Self::Write(at, bytes) = self else { return vec![self] };
        let (first, rest) = bytes.split_at(bytes.len().min(SECTOR - at % SECTOR));
        let rest = rest.chunks(SECTOR).enumerate();
        let rest = rest.map(|(n, it)| Self::Write(at + first.len() + n * SECTOR, it));
        [Self::Write(at, first)].into_iter().chain(rest).collect()
    }
}

impl File<'_> {
    fn remains(&self, loss: Loss, chance: &mut Chance) -> Vec<u8> {
        let mut whole = self.synced.clone();
        if let Loss::All = loss {
            return whole;
        }
        self.waiting.iter().for_each(|it| it.apply(&mut whole));
        if let Loss::Nothing = loss {
            return whole;
        }
        let share = [2, 20, 50, 80, 98][chance.below(5)];
        let arrived: Vec<_> =
            self.waiting.iter().flat_map(|it| it.sectors()).filter(|_| chance.percent(share)).collect();
        let mut bytes = self.synced.clone();
        if whole.len() > bytes.len() && chance.percent(50) {
            // The length arrived.
            let rubbish = chance.percent(50);
            bytes.resize_with(whole.len(), || if rubbish { chance.number() as u8 } else { 0 });
        }
        arrived.into_iter().for_each(|it| it.apply(&mut bytes));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(events: &[Event], loss: Loss) -> Files {
        let mut disk = Disk::new(false);
        events.iter().for_each(|it| disk.apply(it));
        disk.remains(loss, &mut Chance::new(7))
    }

    fn written(at: usize, bytes: &[u8]) -> Event {
        Event::Written("a".into(), at, bytes.to_vec())
    }

    #[test]
    fn what_was_synced_remains_and_what_was_not_may() {
        let (opened, synced) = (|| Event::Opened("a".into()), || Event::Synced("a".into()));
        let of = |bytes: &[u8]| Files::from([("a".to_owned(), bytes.to_vec())]);
        let events = [opened(), written(0, b"old"), synced(), Event::FolderSynced, written(0, b"new!")];
        assert_eq!(left(&events, Loss::All), of(b"old"));
        assert_eq!(left(&events, Loss::Nothing), of(b"new!"));
        assert_eq!(left(&events[..3], Loss::All), Files::new());
        let events = [opened(), Event::FolderSynced, Event::Deleted("a".into()), opened(), written(0, b"b"), synced()];
        assert_eq!(left(&events, Loss::All), of(b""));
        assert_eq!(left(&events, Loss::Nothing), of(b"b"));
        let events = [opened(), written(0, b"abc"), synced(), Event::FolderSynced, Event::Truncated("a".into(), 1)];
        assert_eq!(left(&events, Loss::All), of(b"abc"));
        assert_eq!(left(&events, Loss::Nothing), of(b"a"));
    }

    #[test]
    fn a_write_is_torn_between_sectors_only() {
        let new = vec![1; 3 * SECTOR];
        let events =
            [Event::Opened("a".into()), written(0, &[0; 4 * SECTOR]), Event::Synced("a".into()), written(100, &new)];
        let mut disk = Disk::new(false);
        events.iter().for_each(|it| disk.apply(it));
        let mut chance = Chance::new(1);
        let torn = (0..50).filter(|_| {
            let bytes = disk.files[0].remains(Loss::Some, &mut chance);
            assert!(bytes[..100].iter().all(|it| *it == 0), "what lies beside a write in its sector stays");
            let new = |from: usize, to: usize| bytes[from..to].iter().filter(|it| **it == 1).count();
            let sectors = [new(100, 512), new(512, 1024), new(1024, 1536), new(1536, 1636)];
            assert!(sectors.iter().zip([412, 512, 512, 100]).all(|(it, all)| *it == 0 || *it == all), "{sectors:?}");
            sectors.contains(&0) && sectors.iter().any(|it| *it > 0)
        });
        assert!(torn.count() > 10);
    }
}
