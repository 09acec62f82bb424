//! The other side of `keywright serve`: `load route` serves a bare route, `load fill` makes a file of many keys, `load paced` sends
//! requests at a steady rate, and `load client` measures the client.

mod client;
mod paced;
mod route;

#[path = "../rust/fill.rs"]
mod fill;
#[path = "../rust/texts.rs"]
mod texts;
#[path = "../rust/timing.rs"]
mod timing;

use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["route", answer] => route::serve(serde_json::from_str(answer).unwrap()),
        ["fill", file, pepper, count] => {
            let count = count.parse().unwrap();
            for text in fill::fill(Path::new(file), count, pepper, count) {
                println!("{text}");
            }
        }
        ["paced", port, rate, seconds, key, body] => {
            let rate = rate.parse().unwrap();
            let spent = paced::send(port.parse().unwrap(), rate, seconds.parse().unwrap(), &paced::request(key, body));
            println!("{}", serde_json::to_string(&spent).unwrap());
        }
        ["client", figures, port, verifier, text] => client::measure(Path::new(figures), port, verifier, text),
        _ => panic!(
            "load route ANSWER | fill FILE PEPPER COUNT | paced PORT RATE SECONDS KEY BODY | client FIGURES PORT KEY TEXT"
        ),
    }
}
