//! What argon2id costs: beside the crate called with the same parameters, and for a wrong secret.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use keywright::blocking::Keywright;
use keywright::{NewKey, Request};

use crate::fill::{Text, Texts};
use crate::timing::{Subject, race};

const SCHEME: &str = "argon2id m=19456,t=2,p=1";
const KEYS: usize = 40;

pub fn measure(data: &Path, out: &Path) {
    let url = format!("sqlite:{}", data.join("slow.db").display());
    let kw = Keywright::open(keywright::Keywright::builder(url).brand("bench")).unwrap();
    let texts: Vec<String> =
        (0..KEYS).map(|_| kw.keys().create(NewKey::named("bench")).unwrap().api_key.reveal().to_owned()).collect();
    let request = Request::new();

    let itself = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19_456, 2, 1, Some(32)).unwrap());
    let mut tag = [0; 32];
    let subjects = &mut [
        Subject {
            figure: "right",
            name: "keywright",
            scheme: SCHEME,
            times: 1,
            call: Box::new(|at| kw.verify(texts[at % KEYS].as_str(), &request).is_allowed()),
        },
        Subject {
            figure: "right",
            name: "argon2",
            scheme: SCHEME,
            times: 1,
            // As many bytes as the engine hashes: label, environment, id, lookup and secret, each with its length.
            call: Box::new(|_| itself.hash_password_into(&[7; 125], &[9; 16], &mut tag).is_ok()),
        },
    ];
    let argon2 = race(out, subjects, KEYS, 2);

    let others = RefCell::new(Texts::new(3));
    let wrong: Vec<String> = (0..20_000)
        .map(|at| {
            let lookup = texts[at % KEYS]["bench_live_".len()..][..12].to_owned();
            Text { lookup, secret: others.borrow_mut().draw().secret }.whole()
        })
        .collect();
    let call = |at: usize| !kw.verify(wrong[at].as_str(), &request).is_allowed();
    let subject = Subject { figure: "wrong", name: "keywright", scheme: SCHEME, times: 1, call: Box::new(call) };
    let refused = race(out, &mut [subject], 40, 500);

    let extremes = serde_json::json!({
        "wrong_most": refused[0].last(),
        "argon2_least": argon2[1].first(),
    });
    fs::write(out.with_file_name("extremes"), extremes.to_string()).unwrap();
}
