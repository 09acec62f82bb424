//! Conversion of JavaScript values into values of the core, which validates them.

use std::borrow::Cow;

use chrono::DateTime;
use keywright::ffi::Value;
use napi::bindgen_prelude::*;
use napi::{JsDate, JsValue, ValueType};

/// The greatest depth of a structure. It ends structures that contain themselves.
const MAX_DEPTH: usize = 64;

/// The greatest number of values in a structure. It ends structures in which each part contains the next one twice.
const MAX_VALUES: usize = 100_000;

/// Reads an optional value; `undefined` means that it was left out.
pub(crate) fn optional(value: Unknown<'_>) -> Result<Option<Value>> {
    if value.get_type()? == ValueType::Undefined { Ok(None) } else { read(value).map(Some) }
}

/// Reads the options of a constructor. An option that is `undefined` becomes null, so that the core can refuse it: it was
/// probably set from something that is missing, such as an environment variable.
pub(crate) fn constructor_options(value: Unknown<'_>) -> Result<Option<Value>> {
    if value.get_type()? == ValueType::Undefined {
        return Ok(None);
    }
    Reader { undefined_is_null: true, ..Reader::new() }.value(value, MAX_DEPTH).map(Some)
}

/// Reads a value; `undefined` is null.
pub(crate) fn read(value: Unknown<'_>) -> Result<Value> {
    Reader::new().value(value, MAX_DEPTH)
}

/// Reads text, with U+FFFD for each lone surrogate. Returns `None` for a value of another type.
pub(crate) fn lossy_text(value: Unknown<'_>) -> Result<Option<String>> {
    Ok(if value.get_type()? == ValueType::String { Some(exact(value)?) } else { None })
}

struct Reader {
    left: usize,
    full: bool,
    /// Whether the outermost object keeps an undefined property as null.
    undefined_is_null: bool,
}

impl Reader {
    fn new() -> Self {
        Self { left: MAX_VALUES, full: false, undefined_is_null: false }
    }

    fn value(&mut self, value: Unknown<'_>, depth: usize) -> Result<Value> {
        let Some(left) = self.left.checked_sub(1) else {
            self.full = true;
            return Ok(Value::Other(format!("structure of more than {MAX_VALUES} values")));
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

/// Reads text. Lone surrogates give `BrokenText`; Node's own conversion to UTF-8 would replace them.
fn text(value: Unknown<'_>) -> Result<Value> {
    let units = value.coerce_to_string()?.into_utf16()?;
    Ok(units.as_str().map_or(Value::BrokenText, Value::Text))
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn number(number: f64) -> Value {
    // 2^100 is exact in both types, and greater than every integer that an option accepts.
    const FAR: f64 = (1_u128 << 100) as f64;
    if number.fract() == 0.0 && number.abs() < FAR { Value::Integer(number as i128) } else { Value::Float(number) }
}

fn big(value: Unknown<'_>) -> Result<Value> {
    let (integer, whole) = exact::<BigInt>(value)?.get_i128();
    if !whole {
        return Ok(Value::Other("bigint out of range".into()));
    }
    Ok(Value::Converted { kind: "BigInt".into(), value: Value::Integer(integer).into() })
}

#[expect(clippy::cast_possible_truncation, reason = "a date is at most 8.64e15")]
fn date(value: Unknown<'_>) -> Result<Value> {
    let millis = exact::<JsDate<'_>>(value)?.value_of()?;
    let time = if millis.is_nan() { None } else { DateTime::from_timestamp_millis(millis as i64) };
    Ok(time.map_or(Value::NaiveTime, Value::Time))
}

/// Tells whether an object is a literal, of this realm or another one, or has no prototype.
fn is_plain(object: Object<'_>) -> Result<bool> {
    let parent = object.get_prototype()?;
    if parent.get_type()? == ValueType::Null {
        return Ok(true);
    }
    let parent = parent.coerce_to_object()?;
    // `Object.prototype` of any realm owns this. Another object without a prototype would hide inherited options.
    Ok(parent.get_prototype()?.get_type()? == ValueType::Null && parent.has_own_property("hasOwnProperty")?)
}

/// Returns the name of an object's class.
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

/// Casts a value whose type was checked.
#[expect(unsafe_code, reason = "napi has no checked cast")]
fn exact<T: FromNapiValue>(value: Unknown<'_>) -> Result<T> {
    // SAFETY: value and env are alive, and the types asked for check what they are given and answer with an error.
    unsafe { value.cast() }
}

/// Returns text, in the buffer if it is short enough.
pub(crate) fn buffered_text<'a>(value: Unknown<'_>, buffer: &'a mut [u8]) -> Result<Cow<'a, str>> {
    match text_in(value, buffer).and_then(|bytes| std::str::from_utf8(bytes).ok()) {
        Some(text) => Ok(text.into()),
        None => value.coerce_to_string()?.into_utf8()?.into_owned().map(Cow::Owned),
    }
}

/// Copies text that fits into the buffer. Returns `None` for longer text and for a value of another type. Lone surrogates
/// become U+FFFD, which no key contains.
#[expect(unsafe_code, reason = "napi copies text to new memory only")]
pub(crate) fn text_in<'a>(value: Unknown<'_>, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let raw = JsValue::value(&value);
    let mut written = 0;
    // SAFETY: value and env are alive, and Node writes at most `buffer.len()` bytes, with a NUL at the end. It returns
    // another status for a value that is no text.
    let status = unsafe {
        napi::sys::napi_get_value_string_utf8(
            raw.env,
            raw.value,
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            &raw mut written,
        )
    };
    // A character takes up to four bytes and is never written in part: with fewer bytes left, the text may be cut.
    (status == napi::sys::Status::napi_ok && written + 4 < buffer.len()).then(|| buffer.get(..written)).flatten()
}
