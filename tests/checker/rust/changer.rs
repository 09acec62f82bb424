//! Makes keys, announces them, and takes them through their states. Each change is recorded with the times of its start and end.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use keywright::{IssuedKey, KeyId, NewKey, Rotation};

use crate::{Dice, Lines, Site};

type Done = Result<(), Box<dyn Error>>;

struct Changer<'a> {
    site: &'a Site,
    name: &'a str,
    dice: Dice,
    announced: File,
    count: usize,
    events: Lines,
}

pub(crate) fn run(site: &Site, name: &str) -> Done {
    let announced = OpenOptions::new().append(true).open(site.announced())?;
    let dice = Dice::new(name.bytes().map(u64::from).sum::<u64>() ^ site.base as u64);
    let mut changer = Changer { site, name, dice, announced, count: 0, events: site.lines(name, "events")? };
    // This one is never touched.
    changer.create("default")?;
    while !site.is_stopped() {
        let plan = site.plans[changer.dice.below(site.plans.len())];
        changer.live(plan)?;
    }
    Ok(())
}

impl Changer<'_> {
    fn live(&mut self, plan: usize) -> Done {
        let site = self.site;
        let (keys, orgs, org) = (site.kw.keys(), site.kw.orgs(), self.name);
        let (id, text) = self.create(if plan == 4 { org } else { "default" })?;
        let mut texts = vec![text];
        match plan {
            0 => {}
            1 => {
                for _ in 0..=self.dice.below(3) {
                    self.change("disable", &texts, "disabled", || keys.disable(&id, ()))?;
                    self.change("enable", &texts, "allowed", || keys.enable(&id, ()))?;
                }
                if self.dice.below(2) == 0 {
                    self.change("disable", &texts, "disabled", || keys.disable(&id, ()))?;
                }
            }
            2 => {
                let new = self.change("rotate", &texts, "revoked", || keys.rotate(&id, Rotation::at_once()))?;
                let began = site.now();
                texts = vec![self.note_made("rotate", began, &new)?];
                self.hold();
            }
            3 => {
                let began = site.now();
                let new = self.acknowledged(|| keys.rotate(&id, Rotation::grace("1h")?))?;
                let second = self.note_made("rotate", began, &new)?;
                self.hold();
                self.change("end_grace", &texts, "revoked", || keys.end_grace(&id, ()))?;
                texts = vec![second];
            }
            _ => {
                texts.push(self.create(org)?.1);
                self.change("org.disable", &texts, "disabled", || orgs.disable(org, ()))?;
                self.change("org.enable", &texts, "allowed", || orgs.enable(org, ()))?;
                self.change("org.revoke_keys", &texts, "revoked", || orgs.revoke_keys(org, ()))?;
                return Ok(());
            }
        }
        self.change("revoke", &texts, "revoked", || keys.revoke(&id, ()))?;
        Ok(())
    }

    fn create(&mut self, org: &str) -> Result<(KeyId, String), Box<dyn Error>> {
        let keys = self.site.kw.org(org)?.keys();
        let began = self.site.now();
        let new = self.acknowledged(|| keys.create(NewKey::named("CI")))?;
        let text = self.note_made("create", began, &new)?;
        self.hold();
        Ok((new.id.clone(), text))
    }

    /// Carries out a change after which all these texts have this verdict.
    fn change<T>(
        &mut self,
        what: &str,
        texts: &[String],
        code: &str,
        act: impl Fn() -> Result<T, keywright::Error>,
    ) -> Result<T, Box<dyn Error>> {
        let began = self.site.now();
        // If the program is killed during the change, nobody knows whether it was made.
        self.events.write(texts.iter().map(|it| format!("{it} {what} {began} - {code}")))?;
        let done = self.acknowledged(act)?;
        let told = self.site.now();
        self.events.write(texts.iter().map(|it| format!("{it} {what} {began} {told} {code}")))?;
        self.hold();
        Ok(done)
    }

    /// Makes a change. With `retries`, it does so until the change is acknowledged.
    fn acknowledged<T>(&self, act: impl Fn() -> Result<T, keywright::Error>) -> Result<T, keywright::Error> {
        let site = self.site;
        site.changing.fetch_add(1, Ordering::SeqCst);
        while site.folder.join("pause").exists() && !site.is_stopped() {
            site.changing.fetch_sub(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(20));
            site.changing.fetch_add(1, Ordering::SeqCst);
        }
        let done = loop {
            match act() {
                Err(error) if site.retries && error.code() == "unavailable" => {
                    thread::sleep(Duration::from_millis(50));
                }
                done => break done,
            }
        };
        site.changed.fetch_add(1, Ordering::SeqCst);
        site.changing.fetch_sub(1, Ordering::SeqCst);
        done
    }

    /// Announces a text that has been made by now.
    fn note_made(&mut self, what: &str, began: i64, new: &IssuedKey) -> Result<String, Box<dyn Error>> {
        let told = self.site.now();
        let text = format!("{}.{}", self.name, self.count);
        self.count += 1;
        self.events.write([format!("{text} {what} {began} {told} allowed")])?;
        self.announced.write_all(format!("{text} {}\n", new.api_key.reveal()).as_bytes())?;
        Ok(text)
    }

    /// Long enough that every verifier has the state in memory, and that no run of verdicts spans it. The least part is held
    /// after a stop as well: another program may still verify.
    fn hold(&mut self) {
        let [least, most] = self.site.hold;
        thread::sleep(Duration::from_millis(least as u64));
        if !self.site.is_stopped() {
            thread::sleep(Duration::from_millis(self.dice.below(most - least) as u64));
        }
    }
}
