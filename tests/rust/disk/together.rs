//! Writes that wait for the same disk commit together: one sync for all, each with its own outcome, and none of them before it.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use keywright::ffi::block_on;
use keywright::{Error, IssuedKey, Keywright, ListKeys, NewKey, Rotation};
use rusqlite::Connection;

use super::watch::{Call, Event, Fault, Watch};
use keywright_tests::site::Site;

/// More than 32, so that a commit for each would show in the number of syncs.
const WRITES: usize = 64;

type Write = Pin<Box<dyn Future<Output = Result<IssuedKey, Error>>>>;

/// An engine whose writes wait for a lock of another program.
struct Waiting {
    watch: Arc<Watch>,
    kw: Keywright,
    lock: Connection,
    first: IssuedKey,
    /// The last two rotate the first key, of which the second has to fail.
    writes: Vec<Write>,
    _site: Site,
}

impl Waiting {
    fn new() -> Self {
        let site = Site::new();
        let watch = Watch::recording(site.folder());
        let kw = block_on(site.config().build()).unwrap();
        let first = block_on(kw.keys().create(NewKey::named("first"))).unwrap();
        let lock = site.sql();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let create = |index: usize| {
            let keys = kw.keys();
            Box::pin(async move { keys.create(NewKey::named(index.to_string())).await }) as Write
        };
        let rotate = || {
            let (keys, id) = (kw.keys(), first.id.clone());
            Box::pin(async move { keys.rotate(id, Rotation::default()).await }) as Write
        };
        let mut writes: Vec<Write> = (0..WRITES).map(create).chain([rotate(), rotate()]).collect();
        for write in &mut writes {
            assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        Self { watch, kw, lock, first, writes, _site: site }
    }

    fn names(&self) -> BTreeSet<String> {
        let listed = block_on(self.kw.keys().list(ListKeys::new().limit(1_000))).unwrap();
        listed.data.into_iter().map(|key| key.name).collect()
    }

    /// Lets the writes run, and returns their outcomes.
    fn release(&mut self) -> Vec<Result<IssuedKey, Error>> {
        assert_eq!(self.names(), BTreeSet::from(["first".to_owned()]));
        self.lock.execute_batch("ROLLBACK").unwrap();
        std::mem::take(&mut self.writes).into_iter().map(block_on).collect()
    }

    /// All that was acknowledged is there, and nothing else.
    fn holds_what_was_acknowledged(&self, outcomes: &[Result<IssuedKey, Error>]) {
        let acknowledged = outcomes.iter().flatten().map(|key| key.name.clone());
        assert_eq!(self.names(), acknowledged.chain(["first".to_owned()]).collect());
        let check = block_on(self.kw.audit().verify()).unwrap();
        assert!(check.ok, "{check:?}");
        block_on(self.kw.close());
    }
}

#[test]
fn writes_that_wait_commit_together() {
    let mut waiting = Waiting::new();
    let before = waiting.watch.moment();
    let outcomes = waiting.release();
    let failed: Vec<_> = outcomes.iter().filter_map(|it| it.as_ref().err()).map(Error::code).collect();
    assert_eq!(failed, ["conflict"]);
    assert_eq!(block_on(waiting.kw.keys().get(&waiting.first.id)).unwrap().secrets.len(), 2);
    let synced = |it: &&Event| matches!(it, Event::Synced(name) if name == "keys.db-wal");
    // The thread may have taken some before the others came.
    let syncs = waiting.watch.events().iter().skip(before).filter(synced).count();
    assert!((1..=4).contains(&syncs), "{syncs}");
    waiting.holds_what_was_acknowledged(&outcomes);
}

#[test]
fn a_commit_that_fails_fails_for_all_of_its_writes() {
    let mut waiting = Waiting::new();
    waiting.watch.breaks(Fault { call: Some(Call::Sync), nth: 1, lasts: false, code: None });
    let outcomes = waiting.release();
    let unavailable = outcomes.iter().flat_map(|it| it.as_ref().err()).filter(|it| it.code() == "unavailable");
    assert!(unavailable.count() >= 1 && waiting.watch.hit());
    waiting.holds_what_was_acknowledged(&outcomes);
}
