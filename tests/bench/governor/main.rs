//! One request counted by governor: `limits-of-governor FIGURES`.

#[path = "../rust/timing.rs"]
#[allow(dead_code, reason = "its other functions serve other programs")]
mod timing;

use std::hint::black_box;
use std::num::NonZeroU32;
use std::path::PathBuf;

use governor::{Quota, RateLimiter};

use timing::{Subject, race};

const WINDOW: usize = 128;

fn main() {
    let out = PathBuf::from(std::env::args().nth(1).expect("limits-of-governor FIGURES"));
    let quota = Quota::per_minute(NonZeroU32::new(1_000_000_000).unwrap());
    let (alone, keyed) = (RateLimiter::direct(quota), RateLimiter::keyed(quota));
    let ids: Vec<String> = (0..WINDOW).map(|number| format!("0193e2c1-9d2c-7d7e-8000-{number:012}")).collect();
    let subjects = [
        Subject::new("one request of one budget, governor", WINDOW, |_| (0..WINDOW).all(|_| black_box(alone.check()).is_ok())),
        Subject::new("one request of 128 budgets by id, governor", WINDOW, |_| {
            ids.iter().all(|id| black_box(keyed.check_key(black_box(id))).is_ok())
        }),
    ];
    race(&out, 2_000, subjects);
}
