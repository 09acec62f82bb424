//! The statements that an engine sends while memory answers, and while nobody asks it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::servers::Proxy;
use crate::timing::{share, write};
use crate::{Run, open, request};

const SECONDS: usize = 10;

pub fn measure(run: &Run<'_>, texts: &[String]) {
    let (mut proxy, request) = (Proxy::start(run.tcp_url), request());
    let kw = open(&proxy.url);
    let verify = || {
        assert!(texts.iter().take(100).all(|text| kw.verify(text.as_str(), &request).is_allowed()));
        sleep(Duration::from_millis(1));
    };
    (0..3_000).for_each(|_| verify());
    // The count begins at a poll, so that none falls on both ends.
    let before = proxy.requests();
    while proxy.requests() == before {
        verify();
    }
    let (before, begin, seconds) = (proxy.requests(), Instant::now(), share(SECONDS).max(2));
    while begin.elapsed() < Duration::from_secs(seconds as u64) {
        verify();
    }
    let busy = (proxy.requests() - before) as f64 / seconds as f64;
    // Past the staleness nothing is fresh, and nobody asks.
    sleep(Duration::from_secs(4));
    let before = proxy.requests();
    sleep(Duration::from_secs(seconds as u64));
    let idle = (proxy.requests() - before) as f64 / seconds as f64;
    for (engine, statements) in [("that answers from memory", busy), ("that is idle", idle)] {
        write(run.out, &format!("statements a second of an engine {engine}"), "", &[statements], None, None);
    }
    kw.close();
}
