//! The Rust side of the demo: carries out one line of JSON after another on the database it is given.

use std::error::Error;
use std::{env, io};

use keywright::blocking::Keywright;
use keywright::{Decision, NewKey, Request, Rotation};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).ok_or("which database?")?;
    let pepper = env::var("KEYWRIGHT_PEPPER")?;
    let kw = Keywright::open(keywright::Keywright::builder(url).brand("demo").pepper(pepper))?;

    for line in io::stdin().lines() {
        let order: Value = serde_json::from_str(&line?)?;
        let word = |name: &str| order[name].as_str().unwrap_or_default();
        let answer = match word("do") {
            "create" => json!(kw.keys().create(NewKey::named(word("name")).scopes("deals:read")?)?.reveal()),
            "rotate" => json!(kw.keys().rotate(word("id"), Rotation::grace("1h")?)?.reveal()),
            "revoke" => json!(kw.keys().revoke(word("id"), ())?),
            _ => match kw.verify(word("text"), &Request::new().scope("deals:read")) {
                Decision::Allowed(it) => json!({ "allowed": true, "deprecated": it.is_deprecated() }),
                Decision::Denied(it) => json!({ "allowed": false, "code": it.code }),
            },
        };
        println!("{answer}");
    }
    kw.close();
    Ok(())
}
