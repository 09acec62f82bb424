//! A writer that dies: at any moment, with anything half done.

use std::fs;
use std::time::{Duration, Instant};

use keywright::Rotation;
use keywright::blocking::Keywright;

use super::{Stage, carried_out};
use keywright_tests::site::process::{self, inside};
use keywright_tests::site::{config, create, until, verdict};

const ROUNDS: u64 = 40;

/// Changes the keys of its input in turn, without end, and prints which changes were acknowledged.
fn change_until_killed(kw: &Keywright, ids: &str, at: &std::path::Path) {
    let mut done = 0;
    loop {
        for id in ids.lines() {
            let keys = kw.keys();
            keys.disable(id, ()).unwrap();
            fs::write(at, format!("{done} disabled {id}")).unwrap();
            keys.enable(id, ()).unwrap();
            keys.rotate(id, Rotation::at_once()).unwrap();
            done += 1;
        }
    }
}

#[test]
fn after_a_writer_was_killed_all_agree() {
    if let Some((folder, _)) = inside() {
        let kw = Keywright::open(config(&folder.join("keys.db"))).unwrap();
        let ids = fs::read_to_string(folder.join("ids")).unwrap();
        return change_until_killed(&kw, &ids, &folder.join("begun"));
    }
    assert!(!carried_out());
    let stage = Stage::of_readers();
    let writer = stage.site.open();
    let keys: Vec<_> = (0..3).map(|n| create(&writer, &format!("{n}"))).collect();
    let revoked = create(&writer, "revoked");
    writer.close();
    let ids: Vec<_> = keys.iter().map(|it| it.id.to_string()).collect();
    fs::write(stage.site.folder().join("ids"), ids.join("\n")).unwrap();
    let mut moment = 0x9E37_79B9_u64 ^ u64::from(std::process::id());
    let mut texts: Vec<String> = keys.iter().chain([&revoked]).map(|it| it.api_key.reveal().to_owned()).collect();
    for round in 0..ROUNDS {
        let known: Vec<&str> = texts.iter().map(String::as_str).collect();
        stage.warm(&known);
        let begun = stage.site.folder().join("begun");
        let _ = fs::remove_file(&begun);
        let mut process = process::start(after_a_writer_was_killed_all_agree, &[], stage.site.folder(), "");
        until("it writes", || begun.exists());
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let until = Instant::now() + Duration::from_micros((moment >> 33) % 20_000);
        // Meanwhile they verify, so that they know some of its changes and not others.
        while Instant::now() < until {
            for (_, kw) in &stage.engines {
                known.iter().for_each(|it| assert_ne!(verdict(kw, it), "unavailable"));
            }
        }
        process.kill();
        // The cold engine comes first: opening recovers the log of the killed process, which may show a commit that was not acknowledged.
        let cold = stage.cold(&known);
        assert_eq!(stage.agree(&known, &format!("kill {round}")), cold);
        let writer = stage.site.open();
        // From now on the revoked one is, whatever dies.
        if round == 3 {
            writer.keys().revoke(&revoked.id, ()).unwrap();
        }
        let last = known.len() - 1;
        assert_eq!(stage.agree(&known, "a revocation")[last], if round < 3 { "allowed" } else { "revoked" });
        texts = keys
            .iter()
            .map(|it| {
                writer.keys().enable(&it.id, ()).unwrap();
                writer.keys().rotate(&it.id, Rotation::at_once()).unwrap().api_key.reveal().to_owned()
            })
            .chain([revoked.api_key.reveal().to_owned()])
            .collect();
        assert!(writer.audit().verify().unwrap().ok);
        writer.close();
    }
    stage.close();
}
