//! Verifications that memory answers, on either store.

use std::hint::black_box;

use keywright::Request;
use keywright::blocking::Keywright;

use crate::timing::{Subject, race};
use crate::{Run, new, open, request};

/// How many calls are timed at once: one is too short.
pub const WINDOW: usize = 128;

pub fn measure(run: &Run<'_>) {
    let request = request();
    let stores = [("PostgreSQL", run.url.to_owned()), ("SQLite", format!("sqlite:{}/hot.db", run.data.display()))];
    let [postgres, sqlite] = stores.map(|(store, url)| {
        let kw = open(&url);
        let texts = (0..WINDOW).map(|_| kw.keys().create(new()).unwrap().api_key.reveal().to_owned());
        (store, texts.collect::<Vec<String>>(), kw)
    });
    let subjects = [&postgres, &sqlite].map(|(store, texts, kw)| {
        let request = &request;
        Subject::new(format!("hot, {store}"), WINDOW, move |_| window(kw, texts, request))
    });
    race(run.out, 1_000, subjects);
    postgres.2.close();
    sqlite.2.close();
}

/// Verifies the texts.
pub fn window(kw: &Keywright, texts: &[String], request: &Request) -> bool {
    texts.iter().all(|text| kw.verify(black_box(text.as_str()), request).is_allowed())
}
