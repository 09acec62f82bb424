//! The hash functions, for the test vectors.

use zeroize::Zeroizing;

use crate::casing::Casing;
use crate::error::Error;
use crate::hash::{BoundSecret, Hasher, Pepper, SecretCheck, StoredVerifier, hex, hmac_sha256, raw_argon2id, salted};
use crate::input::{Fields, Value};

/// Runs one case of `tests/vectors/hash.json`: takes its `op` and `input`, and returns the result to compare with `expect`.
///
/// ```
/// use keywright::ffi::Value;
/// let input = Value::Map(vec![("pepper".into(), Value::Text("p".repeat(32)))]);
/// let Value::Map(found) = keywright::testing::hash_case("pepper_id", input)? else { panic!() };
/// assert_eq!(found[0].0, "id");
/// # Ok::<(), keywright::Error>(())
/// ```
///
/// # Errors
/// `invalid_request` for an unknown `op` or field.
pub fn hash_case(op: &str, input: Value) -> Result<Value, Error> {
    let mut input = Input(Fields::new(Casing::Snake, input.into_map("input")?));
    match op {
        "hmac_sha256" => Ok(answer("mac", hex(&hmac_sha256(&input.bytes("key")?, &input.bytes("message")?)))),
        "argon2id" => {
            let mut output = vec![0; usize::try_from(input.number("length")?).unwrap_or_default()];
            let cost = [input.number("m")?, input.number("t")?, input.number("p")?];
            let (password, salt) = (input.bytes("password")?, input.bytes("salt")?);
            let (secret, data) = (input.bytes("secret")?, input.bytes("ad")?);
            raw_argon2id(&password, &salt, &secret, &data, cost, &mut output)?;
            Ok(answer("tag", hex(&output)))
        }
        "pepper_id" => Ok(answer("id", input.pepper()?.id().to_owned())),
        "stored" => {
            let scheme = input.text("scheme")?;
            let stored = match scheme.as_str() {
                "hmac-sha256" => {
                    let hasher = Hasher::new(None, vec![input.pepper()?], vec![], vec![])?;
                    hasher.make(&input.secret()?)?
                }
                _ => StoredVerifier::Argon2id(salted(&input.secret()?, &input.bytes("salt")?)?),
            };
            Ok(answer("stored", stored.to_string()))
        }
        "filter" => {
            let key = input.bytes("key")?;
            Ok(answer("filter", hex(&input.secret()?.filter(&key))))
        }
        "check" => {
            let peppers = input.0.given("peppers").map_or(Ok(vec![]), |it| it.into_texts("peppers"))?;
            let peppers = peppers.iter().map(|it| Pepper::new("peppers", it.as_bytes())).collect::<Result<_, _>>()?;
            let hasher = Hasher::new(None, peppers, vec![], vec![])?;
            let check = match StoredVerifier::parse(&input.text("stored")?) {
                Some(stored) => hasher.check(&stored, &input.secret()?),
                None => SecretCheck::Unusable,
            };
            let word = match check {
                SecretCheck::Match => "match",
                SecretCheck::Mismatch => "mismatch",
                SecretCheck::Unusable => "unavailable",
            };
            Ok(answer("result", word.to_owned()))
        }
        _ => Err(Error::invalid_request("op", "is no hash function", "see tests/vectors/hash.json")),
    }
}

struct Input(Fields);

impl Input {
    fn text(&mut self, name: &str) -> Result<String, Error> {
        self.0.text(name)?.ok_or_else(|| Error::invalid_request(name, "is missing", "give it"))
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        let text = self.text(name)?;
        let pairs = text
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).ok().and_then(|it| u8::from_str_radix(it, 16).ok()));
        pairs
            .collect::<Option<_>>()
            .ok_or_else(|| Error::validation_failed(name, "is not hexadecimal", "give an even number of digits"))
    }

    fn number(&mut self, name: &str) -> Result<u32, Error> {
        let value = self.0.take(name).unwrap_or(Value::Null).into_integer(name, 0, u32::MAX.into())?;
        Ok(u32::try_from(value).unwrap_or_default())
    }

    fn pepper(&mut self) -> Result<Pepper, Error> {
        Pepper::new("pepper", self.text("pepper")?.as_bytes())
    }

    fn secret(&mut self) -> Result<BoundSecret, Error> {
        Ok(BoundSecret {
            environment: self.text("environment")?,
            key_id: self.text("key_id")?,
            lookup: self.text("lookup")?,
            secret: Zeroizing::new(self.text("secret")?),
            text: None,
        })
    }
}

fn answer(name: &str, text: String) -> Value {
    Value::Map(vec![(name.to_owned(), Value::Text(text))])
}
