//! JavaScript's values as the core's. What is refused, and in which words, is decided there.

use std::borrow::Cow;

use chrono::DateTime;
use keywright::input::Value;
use napi::bindgen_prelude::*;
use napi::{JsDate, JsValue, ValueType};

/// How deep a structure is followed, which ends those that hold themselves.
const DEPTH: usize = 64;

/// How many values one structure may hold, which ends those that hold each part twice.
const PARTS: usize = 100_000;

/// A value, where undefined is one that was left out.
pub(crate) fn given(value: Unknown<'_>) -> Result<Option<Value>> {
    if value.get_type()? == ValueType::Undefined { Ok(None) } else { read(value).map(Some) }
}

/// The options of an engine: a name whose value is undefined was set to something that is missing, such as a variable
/// of the environment, and is null so that the core can refuse it.
pub(crate) fn settings(value: Unknown<'_>) -> Result<Option<Value>> {
    if value.get_type()? == ValueType::Undefined {
        return Ok(None);
    }
    Reader { undefined_is_null: true, ..Reader::new() }.value(value, DEPTH).map(Some)
}

/// A value, where undefined is null.
pub(crate) fn read(value: Unknown<'_>) -> Result<Value> {
    Reader::new().value(value, DEPTH)
}

/// A text with U+FFFD for each lone surrogate, where the value is text.
pub(crate) fn lossy(value: Unknown<'_>) -> Result<Option<String>> {
    Ok(if value.get_type()? == ValueType::String { Some(exact(value)?) } else { None })
}

struct Reader {
    left: usize,
    full: bool,
    /// Whether the outermost object keeps names whose value is undefined, as null.
    undefined_is_null: bool,
}

impl Reader {
    fn new() -> Self {
        Self { left: PARTS, full: false, undefined_is_null: false }
    }

    fn value(&mut self, value: Unknown<'_>, depth: usize) -> Result<Value> {
        let Some(left) = self.left.checked_sub(1) else {
            self.full = true;
            return Ok(Value::Other(format!("structure of more than {PARTS} values")));
        };
        self.left = left;
        Ok(match value.get_type()? {
            ValueType::Undefined | ValueType::Null => Value::Null,
            ValueType::Boolean => Value::Bool(value.coerce_to_bool()?),
            ValueType::Number => number(value.coerce_to_number()?.get_double()?),
            ValueType::BigInt => big(value)?,
            ValueType::String => text(value)?,
            ValueType::Object if depth == 0 => Value::TooDeep,
            ValueType::Object => self.object(value, depth - 1)?,
            ValueType::Function => Value::Other("function".into()),
            ValueType::Symbol => Value::Other("symbol".into()),
            _ => Value::Other("unknown".into()),
        })
    }

    fn object(&mut self, value: Unknown<'_>, depth: usize) -> Result<Value> {
        if value.is_array()? {
            return self.list(value.coerce_to_object()?, depth);
        }
        if value.is_date()? {
            return date(value);
        }
        if value.is_typedarray()?
            && let Ok(bytes) = exact::<Uint8Array>(value)
        {
            return Ok(Value::Bytes(bytes.to_vec()));
        }
        let object = value.coerce_to_object()?;
        if is_plain(object)? { self.map(object, depth) } else { Ok(Value::Other(class(object)?)) }
    }

    fn list(&mut self, list: Object<'_>, depth: usize) -> Result<Value> {
        let mut items = Vec::new();
        for index in 0..list.get_array_length()? {
            let item: Unknown<'_> = list.get_element(index)?;
            let is_hole = item.get_type()? == ValueType::Undefined;
            let item = self.value(item, depth)?;
            items.push(if is_hole { Value::Other("undefined".into()) } else { item });
            if self.full {
                break;
            }
        }
        Ok(Value::List(items))
    }

    fn map(&mut self, object: Object<'_>, depth: usize) -> Result<Value> {
        let names = object.get_all_property_names(
            KeyCollectionMode::OwnOnly,
            KeyFilter::Enumerable,
            KeyConversion::NumbersToStrings,
        )?;
        let mut entries = Vec::new();
        let undefined_is_null = std::mem::take(&mut self.undefined_is_null);
        for index in 0..names.get_array_length()? {
            let name: Unknown<'_> = names.get_element(index)?;
            if name.get_type()? != ValueType::String {
                continue;
            }
            let item: Unknown<'_> = object.get_property_unchecked(name)?;
            if item.get_type()? == ValueType::Undefined && !undefined_is_null {
                continue;
            }
            match text(name)? {
                Value::Text(name) => entries.push((name, self.value(item, depth)?)),
                broken => return Ok(broken),
            }
            if self.full {
                break;
            }
        }
        Ok(Value::Map(entries))
    }
}

/// Text, unless it holds lone surrogates, which Node's own conversion to UTF-8 would replace.
fn text(value: Unknown<'_>) -> Result<Value> {
    let units = value.coerce_to_string()?.into_utf16()?;
    Ok(units.as_str().map_or(Value::BrokenText, Value::Text))
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn number(it: f64) -> Value {
    // 2^100 is exact in both, and beyond every integer that anything asks for.
    const FAR: f64 = (1_u128 << 100) as f64;
    if it.fract() == 0.0 && it.abs() < FAR { Value::Integer(it as i128) } else { Value::Float(it) }
}

fn big(value: Unknown<'_>) -> Result<Value> {
    let (it, whole) = exact::<BigInt>(value)?.get_i128();
    if !whole {
        return Ok(Value::Other("bigint out of range".into()));
    }
    Ok(Value::Converted { kind: "BigInt".into(), value: Value::Integer(it).into() })
}

#[expect(clippy::cast_possible_truncation, reason = "a date is at most 8.64e15")]
fn date(value: Unknown<'_>) -> Result<Value> {
    let millis = exact::<JsDate<'_>>(value)?.value_of()?;
    let time = if millis.is_nan() { None } else { DateTime::from_timestamp_millis(millis as i64) };
    Ok(time.map_or(Value::NaiveTime, Value::Time))
}

/// Whether an object is no instance of a class: made by a literal, of this realm or another, or without prototype.
fn is_plain(object: Object<'_>) -> Result<bool> {
    let parent = object.get_prototype()?;
    if parent.get_type()? == ValueType::Null {
        return Ok(true);
    }
    let parent = parent.coerce_to_object()?;
    // The root of a realm has this of its own; an object that only has no prototype would hide inherited options.
    Ok(parent.get_prototype()?.get_type()? == ValueType::Null && parent.has_own_property("hasOwnProperty")?)
}

/// The name of an object's class.
fn class(object: Object<'_>) -> Result<String> {
    let maker: Unknown<'_> = object.get_named_property_unchecked("constructor")?;
    if maker.get_type()? == ValueType::Function {
        let name: Unknown<'_> = maker.coerce_to_object()?.get_named_property_unchecked("name")?;
        if let (ValueType::String, Value::Text(name)) = (name.get_type()?, text(name)?) {
            return Ok(name.chars().take(64).collect());
        }
    }
    Ok("object".into())
}

/// Reads a value as what it was found to be.
#[expect(unsafe_code, reason = "napi has no checked cast")]
fn exact<T: FromNapiValue>(value: Unknown<'_>) -> Result<T> {
    // SAFETY: value and env are alive, and the types asked for check what they are given and answer with an error.
    unsafe { value.cast() }
}

/// What is text, copied to the buffer where it is short.
pub(crate) fn borrowed<'a>(value: Unknown<'_>, buffer: &'a mut [u8]) -> Result<Cow<'a, str>> {
    match short(value, buffer).and_then(|it| std::str::from_utf8(it).ok()) {
        Some(text) => Ok(text.into()),
        None => value.coerce_to_string()?.into_utf8()?.into_owned().map(Cow::Owned),
    }
}

/// A text of fewer bytes than `buffer` has, copied there; `None` for a longer one and for what is no text. Lone
/// surrogates become U+FFFD, which is in no key.
#[expect(unsafe_code, reason = "napi copies texts to new memory only")]
pub(crate) fn short<'a>(value: Unknown<'_>, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let raw = JsValue::value(&value);
    let mut written = 0;
    // SAFETY: value and env are alive, and Node writes at most as many bytes as it is told of, with a NUL at the end. It
    // answers with another status for what is no text.
    let status = unsafe {
        napi::sys::napi_get_value_string_utf8(
            raw.env,
            raw.value,
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            &raw mut written,
        )
    };
    // A letter takes up to four bytes, and none is written in part: with fewer left the text may have been cut.
    (status == napi::sys::Status::napi_ok && written + 4 < buffer.len()).then(|| buffer.get(..written)).flatten()
}
