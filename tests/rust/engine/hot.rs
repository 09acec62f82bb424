//! Memory answers as the store would: random histories, verified by engines that cache everything, little and nothing.

use keywright::blocking::Keywright;
use keywright::testing::ManualClock;
use keywright::{Change, Decision, IssuedKey, Key, KeyUpdate, Level, NewKey, OrgUpdate, Request, Rotation};
use proptest::prelude::*;

use keywright_tests::site::{Site, config, forged};

const START: &str = "2026-01-01T00:00:00Z";
const OLDER: &str = "old_{lookup}_{secret}{checksum}";

#[derive(Debug, Clone)]
enum Step {
    Create(bool),
    Update(usize, u8),
    Rotate(usize, u8),
    EndGrace(usize),
    Revoke(usize),
    Disable(usize),
    Enable(usize),
    OrgDisabled(bool),
    OrgNetworks(bool),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..6_usize;
    prop_oneof![
        3 => any::<bool>().prop_map(Step::Create),
        3 => (key.clone(), 0..8_u8).prop_map(|(key, what)| Step::Update(key, what)),
        2 => (key.clone(), 0..3_u8).prop_map(|(key, how)| Step::Rotate(key, how)),
        1 => key.clone().prop_map(Step::EndGrace),
        1 => key.clone().prop_map(Step::Revoke),
        1 => key.clone().prop_map(Step::Disable),
        2 => key.prop_map(Step::Enable),
        1 => any::<bool>().prop_map(Step::OrgDisabled),
        1 => any::<bool>().prop_map(Step::OrgNetworks),
        2 => prop_oneof![Just(1_000), Just(3_600_000), Just(86_400_000), Just(-5_000)].prop_map(Step::Wait),
    ]
}

/// Two engines change keys, and three verify them.
struct World {
    makers: [Keywright; 2],
    judges: [Keywright; 3],
    clock: ManualClock,
    made: Vec<IssuedKey>,
    texts: Vec<String>,
    _site: Site,
}

impl World {
    fn new() -> Self {
        let (site, clock) = (Site::new(), ManualClock::new(START.parse().unwrap()));
        let plain = || config(&site.file()).clock(clock.clone()).accept_formats([OLDER]);
        let older = plain().key_format(OLDER).accept_formats(Vec::<String>::new());
        let makers = [Keywright::open(plain()).unwrap(), Keywright::open(older).unwrap()];
        let judges = [plain(), plain().keys_in_memory(2), plain().keys_in_memory(0)];
        Self {
            makers,
            judges: judges.map(|it| Keywright::open(it).unwrap()),
            clock,
            made: vec![],
            texts: vec![],
            _site: site,
        }
    }

    fn keep(&mut self, new: IssuedKey) {
        self.texts.push(new.api_key.reveal().to_owned());
        self.made.push(new);
    }

    /// A refused call changes nothing, which is a valid step too.
    fn take(&mut self, step: &Step) {
        let made = self.made.clone();
        let pick = |at: &usize| made.get(at % made.len().max(1)).map(|it| (it.id.clone(), at % 2));
        match step {
            Step::Create(older) => {
                let new = NewKey::named("CI").scopes("deals:read").unwrap();
                if let Ok(new) = self.makers[usize::from(*older)].keys().create(new) {
                    self.keep(new);
                }
            }
            Step::Update(at, what) => {
                let Some((id, maker)) = pick(at) else { return };
                let update = KeyUpdate::new();
                let update = match what {
                    0 => update.name("renamed"),
                    1 => update.scopes("deals:*").unwrap(),
                    2 => update.scopes("rules:read").unwrap(),
                    3 => update.level(Some(Level::Read)),
                    4 => update.level(None),
                    5 => update.networks(Some(vec!["10.0.0.0/8".into()])).unwrap(),
                    6 => update.networks(None).unwrap(),
                    _ => update.expires_in_days(1),
                };
                let _ = self.makers[maker].keys().update(&id, update);
            }
            Step::Rotate(at, how) => {
                let Some((id, maker)) = pick(at) else { return };
                let grace = ["24h", "1s", "0"][usize::from(*how)];
                if let Ok(new) = self.makers[maker].keys().rotate(&id, Rotation::grace(grace).unwrap()) {
                    self.keep(new);
                }
            }
            Step::EndGrace(at) => drop(pick(at).map(|(id, maker)| self.makers[maker].keys().end_grace(&id, ()))),
            Step::Revoke(at) => drop(pick(at).map(|(id, maker)| self.makers[maker].keys().revoke(&id, ()))),
            Step::Disable(at) => drop(pick(at).map(|(id, maker)| self.makers[maker].keys().disable(&id, ()))),
            Step::Enable(at) => drop(pick(at).map(|(id, maker)| self.makers[maker].keys().enable(&id, ()))),
            Step::OrgDisabled(true) => drop(self.makers[0].orgs().disable("default", Change::because("test"))),
            Step::OrgDisabled(false) => drop(self.makers[1].orgs().enable("default", ())),
            Step::OrgNetworks(narrow) => {
                let networks = narrow.then(|| vec!["10.0.0.0/8".to_owned()]);
                drop(self.makers[0].orgs().update("default", OrgUpdate::new().networks(networks).unwrap()));
            }
            Step::Wait(millis) => self.clock.advance(*millis),
        }
    }

    /// Verifies every text, and texts that are similar to it, with all engines twice: the second time from their caches.
    fn agree(&self) -> Result<(), TestCaseError> {
        let requests = [
            Request::new(),
            Request::new().scope("deals:read").method("GET").ip("10.1.2.3"),
            Request::new().scope("rules:read").method("POST").ip("8.8.8.8"),
            Request::new().environment("live"),
        ];
        for text in &self.texts {
            let last = text.len() - 1;
            for presented in [
                text.clone(),
                forged(text),
                text.replacen("_live_", "_test_", 1),
                text.replacen("liq", "old", 1),
                text[..last].to_owned(),
                format!("{}{}", &text[..last], if text.ends_with('x') { "y" } else { "x" }),
            ] {
                for request in &requests {
                    let [all, few, none] = &self.judges;
                    let cold = plain(&none.verify(presented.as_str(), request));
                    for judge in [all, all, few, few] {
                        prop_assert_eq!(&plain(&judge.verify(presented.as_str(), request)), &cold, "{}", presented);
                    }
                    let other = all.org("other").unwrap().verify(presented.as_str(), request);
                    prop_assert!(!other.is_allowed() && other.key().is_none());
                }
            }
        }
        Ok(())
    }
}

/// A decision without the counters of its key.
fn plain(decision: &Decision) -> serde_json::Value {
    let key = decision.key().cloned().map(|mut key: Key| {
        (key.usage_count, key.denied_count, key.last_used_at) = (0, 0, None);
        key.secrets.iter_mut().for_each(|it| it.last_used_at = None);
        key
    });
    let mut plain = serde_json::to_value(decision).unwrap();
    plain["key"] = serde_json::to_value(key).unwrap();
    plain
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn memory_answers_as_the_store_does(steps in prop::collection::vec(step(), 1..16)) {
        let mut world = World::new();
        world.take(&Step::Create(false));
        for step in &steps {
            world.take(step);
            world.agree()?;
        }
    }
}
