//! Budgets that all processes of a machine share, in a mapped file beside the database. A charge needs no system call and no
//! lock. Where the file cannot be used, and where it is full, this process counts alone, and the operator is told once.

mod cell;
mod file;
mod table;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwapOption;

use self::cell::{Cell, Moved, Owner};
use self::file::LimitsFile;
use self::table::CellPlace;
use super::gcra::{Backlog, GcraCell, GcraParams};
use super::process::ProcessLimiter;
use super::rule::LimitRule;
use crate::error::{Error, UnavailableCause};
use crate::fork::lock;
use crate::health::Health;

/// The pause between two looks at whether the file is still there, in microseconds.
const WATCH_PAUSE: u64 = 1_000_000;

/// How often a budget looks for its cell again because other processes give the cell away. They would have to do so between
/// two steps of this process each time.
const ATTEMPTS: usize = 8;

#[derive(Clone)]
pub(crate) struct MachineSettings {
    /// The path of the database.
    pub(crate) database: PathBuf,
    /// A secret of the database. Budgets are found by hashes under it, so that nobody can choose ids that collide.
    pub(crate) hash_key: [u8; 16],
    /// Identifies the last start of the machine, with which its clock has begun. `None` where the system does not tell.
    pub(crate) boot: Option<String>,
    /// Tells the operator.
    pub(crate) health: Arc<Health>,
}

pub(crate) struct MachineLimiter {
    place: Arc<SharedPlace>,
    /// The time of the next look at the file.
    watch_at: AtomicU64,
}

/// The limits file of one database, and the limiter for budgets that have no place in it.
struct SharedPlace {
    settings: MachineSettings,
    path: PathBuf,
    /// `None` until the first limit, and again after a failure.
    file: ArcSwapOption<LimitsFile>,
    /// Held while the file is opened: whether that has failed. It is not tried again.
    failed: Mutex<bool>,
    reported_full: AtomicBool,
    local: ProcessLimiter,
}

/// The identity of a budget: what it has in a limits file, and in the memory of a process.
#[derive(Debug, Clone, Copy)]
struct CellId {
    place: CellPlace,
    slot: u64,
}

/// A budget in a limits file.
pub(crate) struct MachineBudget {
    place: Arc<SharedPlace>,
    /// The file in which the cell is.
    file: Arc<LimitsFile>,
    id: CellId,
    params: GcraParams,
    /// The cell in which the budget was last found.
    cell: AtomicU32,
    /// The budget of this process alone, once the file has had no place for it.
    local: OnceLock<Arc<GcraCell>>,
}

impl MachineLimiter {
    pub(crate) fn new(settings: MachineSettings) -> Self {
        let place = SharedPlace {
            path: file::path_of(&settings.database),
            settings,
            file: ArcSwapOption::empty(),
            failed: Mutex::new(false),
            reported_full: AtomicBool::new(false),
            local: ProcessLimiter::new(),
        };
        Self { place: Arc::new(place), watch_at: AtomicU64::new(0) }
    }

    pub(super) fn local(&self) -> &ProcessLimiter {
        &self.place.local
    }

    /// The budget of a key or an org, `None` without a file.
    pub(super) fn budget(&self, owner: &str, rule: &LimitRule) -> Option<MachineBudget> {
        let file = self.place.file()?;
        Some(MachineBudget::new(&self.place, file, self.place.owner_id(owner, rule), rule.params))
    }

    /// The budget of an agent of an org, `None` if the file has no room for it.
    pub(super) fn agent_budget(
        &self,
        agent: (&str, &str),
        rule: &LimitRule,
        clock: impl Fn() -> u64,
    ) -> Option<MachineBudget> {
        let (file, id) = (self.place.file()?, self.place.agent_id(agent, rule));
        let cell = self.place.accepted(file.find_or_claim(&id.place, clock))?;
        let budget = MachineBudget::new(&self.place, file, id, rule.params);
        budget.cell.store(cell, Ordering::Relaxed);
        Some(budget)
    }

    /// Looks once a second whether the file is still there: a program that removes it would leave each process with budgets
    /// of its own.
    #[inline]
    pub(super) fn watch_file(&self, now: u64) {
        if now >= self.watch_at.load(Ordering::Relaxed) {
            self.watch_at.store(now.saturating_add(WATCH_PAUSE), Ordering::Relaxed);
            self.place.check_file();
        }
    }
}

impl SharedPlace {
    /// The limits file. The first call opens it, and so does the first call after it was lost.
    fn file(&self) -> Option<Arc<LimitsFile>> {
        let open = || self.file.load_full().filter(|file| !file.is_lost());
        if let Some(file) = open() {
            return Some(file);
        }
        let mut failed = lock(&self.failed);
        if *failed {
            return None;
        }
        if let Some(file) = open() {
            return Some(file);
        }
        match self.open() {
            Ok(file) => {
                let file = Arc::new(file);
                self.file.store(Some(Arc::clone(&file)));
                Some(file)
            }
            Err(error) => {
                *failed = true;
                self.file.store(None);
                // Media that cannot be written have no shared budgets, as the guide says.
                if error.unavailable_cause() != Some(UnavailableCause::ReadOnly) {
                    self.settings.health.report_unshared_limits(error);
                }
                None
            }
        }
    }

    fn open(&self) -> Result<LimitsFile, Error> {
        let Some(boot) = &self.settings.boot else {
            let reason = "this system does not tell when it was started";
            let fix = "set limiter to process, which says so too";
            return Err(Error::unavailable(UnavailableCause::Location, reason, fix));
        };
        LimitsFile::open(&self.path, &self.settings.database, boot)
    }

    fn check_file(&self) {
        if let Some(file) = self.file.load_full()
            && !file.is_intact(&self.path)
        {
            file.mark_lost();
            self.file();
        }
    }

    /// The outcome of a search for a cell. Reports the first failure.
    fn accepted(&self, found: Result<u32, Error>) -> Option<u32> {
        found
            .map_err(|error| {
                if !self.reported_full.swap(true, Ordering::Relaxed) {
                    self.settings.health.report_unshared_limits(error);
                }
            })
            .ok()
    }

    fn owner_id(&self, owner: &str, rule: &LimitRule) -> CellId {
        let (hash, slot) = self.hash(&[owner], rule);
        CellId { place: CellPlace::of_owner(Owner::new(hash, &rule.params), slot), slot }
    }

    fn agent_id(&self, (org, agent): (&str, &str), rule: &LimitRule) -> CellId {
        let ((hash, slot), (org_hash, _)) = (self.hash(&[org, agent], rule), self.hash(&[org], rule));
        CellId { place: CellPlace::of_agent(Owner::new(hash, &rule.params), org_hash, slot), slot }
    }

    /// Two hashes of a budget's identity, the same in all processes and languages.
    fn hash(&self, owner: &[&str], rule: &LimitRule) -> (u64, u64) {
        let hash = u128::from_le_bytes(rule.identity(owner, &self.settings.hash_key));
        (hash as u64, (hash >> 64) as u64)
    }
}

impl MachineBudget {
    fn new(place: &Arc<SharedPlace>, file: Arc<LimitsFile>, id: CellId, params: GcraParams) -> Self {
        let (cell, local) = (AtomicU32::new(id.place.first()), OnceLock::new());
        Self { place: Arc::clone(place), file, id, params, cell, local }
    }

    pub(super) fn is_shared(&self) -> bool {
        self.local.get().is_none()
    }

    /// Takes the whole cost, or nothing.
    #[inline]
    pub(super) fn take(&self, cost: u64, now: u64, clock: impl Fn() -> u64) -> Option<Backlog> {
        let take = |cell: &Cell, now| cell.take(self.id.place.owner, &self.params, cost, now);
        if let Some(Ok(taken)) = self.known_cell().map(|cell| take(cell, now)) {
            return taken;
        }
        let claim = |file: &LimitsFile| self.place.accepted(file.find_or_claim(&self.id.place, &clock));
        // A budget that was just given a cell is unspent from a later time than `now`.
        self.with_found_cell(|cell| take(cell, clock()), claim).unwrap_or_else(|| {
            let local = self.local.get_or_init(|| self.place.local.budget_in(self.id.slot, self.params, || now));
            local.take(cost, now)
        })
    }

    /// Returns a cost that was taken at `taken`. A budget that has lost its cell meanwhile is unspent.
    pub(super) fn refund(&self, cost: u64, taken: u64, clock: impl Fn() -> u64) {
        if let Some(local) = self.local.get() {
            return local.refund(cost, taken, clock);
        }
        let refund = |cell: &Cell| cell.refund(self.id.place.owner, &self.params, cost, taken, &clock);
        if self.known_cell().is_none_or(|cell| refund(cell).is_err()) {
            self.with_found_cell(refund, |file| file.find(&self.id.place));
        }
    }

    pub(super) fn backlog(&self, now: u64) -> Backlog {
        if let Some(local) = self.local.get() {
            return local.backlog(now);
        }
        let read = |cell: &Cell| cell.backlog(self.id.place.owner, &self.params, now);
        match self.known_cell().map(read) {
            Some(Ok(backlog)) => backlog,
            _ => self.with_found_cell(read, |file| file.find(&self.id.place)).unwrap_or_default(),
        }
    }

    /// The cell in which the budget was last found. `None` if this process counts alone, or if the file is lost.
    #[inline]
    fn known_cell(&self) -> Option<&Cell> {
        let is_shared = self.local.get().is_none() && !self.file.is_lost();
        is_shared.then(|| self.file.cell(self.cell.load(Ordering::Relaxed)))
    }

    /// Calls `act` with the cell of the budget that `find` finds. `None` if it finds none, or if this process counts alone.
    #[cold]
    fn with_found_cell<T>(
        &self,
        act: impl Fn(&Cell) -> Result<T, Moved>,
        find: impl Fn(&LimitsFile) -> Option<u32>,
    ) -> Option<T> {
        if self.local.get().is_some() {
            return None;
        }
        for _ in 0..ATTEMPTS {
            let file = self.place.file()?;
            let number = find(&file)?;
            if let Ok(done) = act(file.cell(number)) {
                if Arc::ptr_eq(&file, &self.file) {
                    self.cell.store(number, Ordering::Relaxed);
                }
                return Some(done);
            }
        }
        None
    }
}

// Elsewhere no limits are shared.
#[cfg(all(unix, not(keywright_portable)))]
#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::health::HealthReport;
    use crate::record::Limit;
    use crate::sys;
    use crate::wait::block_on;

    struct Site {
        folder: tempfile::TempDir,
        health: Arc<Health>,
        reports: Receiver<HealthReport>,
    }

    impl Site {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            sys::create_private_file(&folder.path().join("keys.db")).unwrap();
            let (send, reports) = channel();
            Self { folder, health: Arc::new(Health::new(move |report| send.send(report).unwrap())), reports }
        }

        fn limiter(&self, boot: &str) -> MachineLimiter {
            MachineLimiter::new(MachineSettings {
                database: self.folder.path().join("keys.db"),
                hash_key: [7; 16],
                boot: Some(boot.to_owned()).filter(|boot| !boot.is_empty()),
                health: Arc::clone(&self.health),
            })
        }

        /// The reasons that the operator was told.
        fn reasons(&self) -> Vec<String> {
            block_on(self.health.finish());
            let reason = |report| match report {
                HealthReport::LimitsUnshared(error) => error.to_string(),
                other => panic!("{other:?}"),
            };
            self.reports.try_iter().map(reason).collect()
        }
    }

    fn rule(burst: u64) -> LimitRule {
        LimitRule::new(Limit::new("all", 1).burst(burst))
    }

    fn take(budget: &MachineBudget, now: u64) -> bool {
        budget.take(1, now, || now).is_some()
    }

    #[test]
    fn after_a_new_start_of_the_machine_budgets_are_full() {
        let site = Site::new();
        let budget = |boot| site.limiter(boot).budget("k", &rule(1)).unwrap();
        assert_eq!((take(&budget("one"), 1), take(&budget("one"), 1), take(&budget("two"), 1)), (true, false, true));
        assert!(site.reasons().is_empty());
    }

    #[test]
    fn processes_meet_again_in_a_new_file_after_the_old_one_was_removed() {
        let site = Site::new();
        let limiters = [site.limiter("one"), site.limiter("one")];
        let budgets = limiters.each_ref().map(|limiter| limiter.budget("k", &rule(2)).unwrap());
        let agents =
            |now| limiters.each_ref().map(|it| take(&it.agent_budget(("o", "a"), &rule(1), || now).unwrap(), now));
        let watch = |now| limiters.each_ref().map(|limiter| limiter.watch_file(now));
        watch(1);
        assert!(take(&budgets[0], 1) && take(&budgets[1], 1) && !take(&budgets[0], 1));
        assert_eq!(agents(1), [true, false]);
        std::fs::remove_file(&limiters[0].place.path).unwrap();
        // Nobody looks before a second has passed.
        watch(WATCH_PAUSE);
        assert!(!take(&budgets[0], WATCH_PAUSE));
        watch(WATCH_PAUSE + 1);
        let now = WATCH_PAUSE + 1;
        assert!(take(&budgets[0], now) && take(&budgets[1], now) && !take(&budgets[0], now) && !take(&budgets[1], now));
        assert_eq!((budgets[0].backlog(now) == Backlog::default(), agents(now)), (false, [true, false]));
        budgets[1].refund(1, now, || now);
        assert!(take(&budgets[0], now) && !take(&budgets[1], now));
        assert!(budgets.iter().all(MachineBudget::is_shared) && site.reasons().is_empty());
    }

    #[test]
    fn without_a_file_the_operator_is_told_once() {
        let site = Site::new();
        let limiter = site.limiter("");
        for _ in 0..3 {
            assert!(limiter.budget("k", &rule(1)).is_none());
            assert!(limiter.agent_budget(("o", "a"), &rule(1), || 1).is_none());
        }
        assert_eq!(site.reasons().len(), 1);
        let site = Site::new();
        let foreign = |path: &std::path::Path| {
            sys::create_private_file(path).unwrap();
            std::fs::write(path, "a text").unwrap();
        };
        foreign(&file::path_of(&site.folder.path().join("keys.db")));
        let limiter = site.limiter("one");
        assert!(limiter.budget("k", &rule(1)).is_none() && limiter.budget("k", &rule(1)).is_none());
        assert!(matches!(&*site.reasons(), [reason] if reason.contains("not a file of Keywright")));
        // If the file is replaced by one that cannot be used, each budget goes on in the process.
        let site = Site::new();
        let limiter = site.limiter("one");
        let budget = limiter.budget("k", &rule(1)).unwrap();
        assert!(take(&budget, 1) && !take(&budget, 1));
        std::fs::remove_file(&limiter.place.path).unwrap();
        foreign(&limiter.place.path);
        limiter.watch_file(2);
        assert!(take(&budget, 2) && !take(&budget, 2) && !budget.is_shared());
        assert_eq!(site.reasons().len(), 1);
    }

    #[test]
    fn a_full_file_leaves_the_rest_to_the_process_and_the_operator_is_told_once() {
        let site = Site::new();
        let limiter = site.limiter("one");
        // The agents of one org have no more than their part of the file.
        let mut unshared = Vec::new();
        for agent in 0..20_000 {
            let name = agent.to_string();
            match limiter.agent_budget(("o", &name), &rule(1), || 1) {
                Some(budget) => assert!(take(&budget, 1)),
                None => unshared.push(name),
            }
        }
        assert!(!unshared.is_empty());
        assert!(matches!(&*site.reasons(), [reason] if reason.contains("no room")));
        assert!(take(&limiter.budget("k", &rule(1)).unwrap(), 1), "keys have room");
        // When budgets are unspent again, they make room.
        let later = 60_000_001;
        assert!(limiter.agent_budget(("o", &unshared[0]), &rule(1), || later).is_some());
    }
}
