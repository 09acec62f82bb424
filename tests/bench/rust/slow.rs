//! The cost of argon2id: beside the crate called with the same parameters, and for a wrong secret.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use keywright::blocking::Keywright;
use keywright::{NewKey, Request};

use crate::select::{Select, lookup};
use crate::texts::{Text, Texts};
use crate::timing::{ROUNDS, Subject, race};

/// How many keys are verified for the first time in a round.
const BLOCK: usize = 2;

pub fn measure(data: &Path, out: &Path) {
    let file = data.join("slow.db");
    let url = format!("sqlite:{}", file.display());
    let kw = Keywright::open(keywright::Keywright::builder(url).brand("bench")).unwrap();
    let create = |_| kw.keys().create(NewKey::named("bench")).unwrap().api_key.reveal().to_owned();
    let texts: Vec<String> = (0..ROUNDS * BLOCK).map(create).collect();
    let request = Request::new();

    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19_456, 2, 1, Some(32)).unwrap());
    let mut tag = [0; 32];
    let subjects = [
        Subject::new("argon2id: verify, right secret", 1, |at| kw.verify(texts[at].as_str(), &request).is_allowed()),
        // As many bytes as the engine hashes: label, environment, id, lookup and secret, each with its length.
        Subject::new("argon2id by the argon2 crate", 1, |_| {
            argon2.hash_password_into(&[7; 125], &[9; 16], &mut tag).is_ok()
        }),
    ];
    race(out, BLOCK, subjects);

    let (select, mut others) = (Select::new(&file), Texts::new(3));
    let wrong = |text: &String| Text { lookup: lookup(text).to_owned(), secret: others.draw().secret }.whole();
    let wrong: Vec<String> = texts.iter().cycle().take(ROUNDS * 500).map(wrong).collect();
    let subjects = [
        Subject::new("argon2id: verify, wrong secret", 1, |at| !kw.verify(wrong[at].as_str(), &request).is_allowed()),
        Subject::new("the same SELECT by rusqlite, argon2id", 1, |at| select.run(&wrong[at])),
    ];
    race(out, 500, subjects);
}
