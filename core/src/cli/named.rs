//! Named values for the calls of the engine, which reads and judges them as it does for every language.

use clap::ValueEnum;

use super::exit::Stop;
use crate::casing::Casing;
use crate::input::{Fields, Value, parse_time};

/// The arguments of one call, under the names that every language uses.
#[derive(Default)]
pub(super) struct NamedValues(Vec<(String, Value)>);

impl NamedValues {
    fn put(mut self, name: &str, value: Option<Value>) -> Self {
        self.0.extend(value.map(|value| (name.to_owned(), value)));
        self
    }

    pub(super) fn text(self, name: &str, text: Option<String>) -> Self {
        self.put(name, text.map(Value::Text))
    }

    pub(super) fn integer(self, name: &str, number: Option<i64>) -> Self {
        self.put(name, number.map(|it| Value::Integer(it.into())))
    }

    pub(super) fn flag(self, name: &str, is_set: bool) -> Self {
        self.put(name, is_set.then_some(Value::Bool(true)))
    }

    /// The items of an option that may be repeated; without one the argument is left out.
    pub(super) fn texts(self, name: &str, texts: Vec<String>) -> Self {
        let list = (!texts.is_empty()).then(|| Value::List(texts.into_iter().map(Value::Text).collect()));
        self.put(name, list)
    }

    pub(super) fn time(self, name: &str, text: Option<&str>) -> Result<Self, Stop> {
        let time = text.map(|text| parse_time(name, text)).transpose()?;
        Ok(self.put(name, time))
    }

    pub(super) fn json(self, name: &str, text: Option<&str>) -> Result<Self, Stop> {
        let value = text.map(serde_json::from_str::<Value>).transpose();
        Ok(self.put(name, value.map_err(|error| Stop::Usage(format!("{name}: is no JSON: {error}")))?))
    }

    /// Clears fields.
    pub(super) fn null<T: ValueEnum>(self, fields: &[T]) -> Self {
        let names = fields.iter().filter_map(ValueEnum::to_possible_value);
        names.fold(self, |values, name| values.put(&name.get_name().replace('-', "_"), Some(Value::Null)))
    }

    pub(super) fn fields(self) -> Fields {
        Fields::new(Casing::Snake, self.0)
    }
}
