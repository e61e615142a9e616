//! The scenario's text as a tree whose every value knows its key and its line, so that each
//! complaint can name both.

use std::{borrow::Cow, fmt::Display, ops::RangeInclusive, time::Duration};

use bytesize::ByteSize;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::ScenarioError;

/// No duration in a scenario is longer.
pub(super) const MAX_DURATION: Duration = Duration::from_secs(24 * 3600);
/// No size or rate is larger.
const MAX_BYTES: u64 = 1 << 50;
const DURATION: &str = "a duration with a unit such as \"2s\"";
const SIZE: &str = "a size with a unit such as \"64MiB\"";
const RATE: &str = "bytes a second with a unit such as \"1MB/s\"";

/// A file's name and text.
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl<'a> Source<'a> {
    /// Splits the text into its tree.
    pub(super) fn parse(&self) -> Result<DeTable<'a>, ScenarioError> {
        let document = DeTable::parse(self.text).map_err(|e| {
            let at = e.span().map_or(0, |span| span.start);
            // One line for one fault: the parser separates what it met from what it wanted.
            let wrong = e.message().split_whitespace().collect::<Vec<_>>().join(" ");
            match wrong.split_once(", expected ") {
                Some((wrong, expected)) => self.invalid(at, "syntax", wrong, expected),
                None if wrong == "duplicate key" => self.invalid(at, "syntax", wrong, "each key once"),
                None => self.invalid(at, "syntax", wrong, "TOML"),
            }
        })?;
        Ok(document.into_inner())
    }

    fn invalid(&self, at: usize, key: &str, wrong: impl Display, expected: impl Display) -> ScenarioError {
        let before = self.text.get(..at).unwrap_or(self.text);
        ScenarioError::Invalid {
            file: self.file.to_owned(),
            line: 1 + before.matches('\n').count(),
            key: key.to_owned(),
            wrong: wrong.to_string(),
            expected: expected.to_string(),
        }
    }
}

/// The keys that a table may hold.
pub(super) struct Keys {
    /// Those that are understood.
    pub(super) known: &'static [&'static str],
    /// Those that the format has a place for and this version does not understand.
    pub(super) later: &'static [&'static str],
}

/// A table whose keys are all known. One that the file leaves out is empty.
pub(super) struct Section<'a> {
    source: &'a Source<'a>,
    key: String,
    at: usize,
    table: Option<&'a DeTable<'a>>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(
        source: &'a Source<'a>,
        table: &'a DeTable<'a>,
        keys: &Keys,
    ) -> Result<Self, ScenarioError> {
        Self::new(source, String::new(), 0, Some(table), keys)
    }

    fn new(
        source: &'a Source<'a>,
        key: String,
        at: usize,
        table: Option<&'a DeTable<'a>>,
        keys: &Keys,
    ) -> Result<Self, ScenarioError> {
        let section = Self { source, key, at, table };
        // The first in the file first, whatever order the table keeps.
        let mut unknown: Vec<_> = (table.into_iter().flat_map(|table| table.keys()))
            .filter(|key| !keys.known.contains(&&**key.get_ref()))
            .collect();
        unknown.sort_by_key(|key| key.span().start);
        let Some(first) = unknown.first() else {
            return Ok(section);
        };
        let name = &**first.get_ref();
        let wrong = if keys.later.contains(&name) {
            Cow::from("not supported yet")
        } else {
            match nearest(name, keys.known) {
                Some(near) => Cow::from(format!("unknown key, perhaps {near} was meant")),
                None => Cow::from("unknown key"),
            }
        };
        let expected = one_of(keys.known);
        Err(source.invalid(first.span().start, &section.path(name), wrong, expected))
    }

    fn path(&self, name: &str) -> String {
        if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) }
    }

    /// The value of a key, if the file gives one.
    pub(super) fn get(&self, name: &str) -> Option<Item<'a>> {
        self.table?.get(name).map(|value| Item { source: self.source, key: self.path(name), value })
    }

    /// The value of a key that has no default.
    pub(super) fn need(&self, name: &str, expected: &str) -> Result<Item<'a>, ScenarioError> {
        self.get(name).ok_or_else(|| self.invalid(name, "missing", expected))
    }

    /// The table under a key; an empty one if the file has none.
    pub(super) fn section(&self, name: &str, keys: &Keys) -> Result<Self, ScenarioError> {
        match self.get(name) {
            Some(item) => item.section(keys),
            None => Self::new(self.source, self.path(name), self.at, None, keys),
        }
    }

    /// A complaint about a key of this table: at the key if it is there, else at the table.
    pub(super) fn invalid(&self, name: &str, wrong: impl Display, expected: impl Display) -> ScenarioError {
        let at = self.get(name).map_or(self.at, |item| item.value.span().start);
        self.source.invalid(at, &self.path(name), wrong, expected)
    }
}

/// A value with its key and its place.
pub(super) struct Item<'a> {
    source: &'a Source<'a>,
    key: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Item<'a> {
    /// A complaint about this value.
    pub(super) fn invalid(&self, wrong: impl Display, expected: impl Display) -> ScenarioError {
        self.source.invalid(self.value.span().start, &self.key, wrong, expected)
    }

    fn wrong_type(&self, expected: impl Display) -> ScenarioError {
        let wrong = match self.value.get_ref() {
            DeValue::Integer(_) => "is an integer",
            DeValue::Array(_) => "is an array",
            DeValue::String(_) => "is a string",
            DeValue::Float(_) => "is a float",
            DeValue::Boolean(_) => "is a boolean",
            DeValue::Datetime(_) => "is a date or time",
            DeValue::Table(_) => "is a table",
        };
        self.invalid(wrong, expected)
    }

    /// A table with these keys.
    pub(super) fn section(&self, keys: &Keys) -> Result<Section<'a>, ScenarioError> {
        match self.value.get_ref() {
            DeValue::Table(table) => {
                let at = self.value.span().start;
                Section::new(self.source, self.key.clone(), at, Some(table), keys)
            }
            _ => Err(self.wrong_type(format_args!("a table with {}", one_of(keys.known)))),
        }
    }

    /// The elements of an array.
    pub(super) fn array(&self, expected: &str) -> Result<Vec<Self>, ScenarioError> {
        let array = (self.value.get_ref().as_array()).ok_or_else(|| self.wrong_type(expected))?;
        let element = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| Self {
            source: self.source,
            key: format!("{}[{index}]", self.key),
            value,
        };
        Ok(array.iter().enumerate().map(element).collect())
    }

    /// The two elements of an array.
    pub(super) fn pair(&self, expected: &str) -> Result<[Self; 2], ScenarioError> {
        let items = self.array(expected)?;
        let count = items.len();
        items.try_into().map_err(|_| self.invalid(format_args!("is an array of {count}"), expected))
    }

    /// Whether this is an array.
    pub(super) fn is_array(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// A string.
    pub(super) fn string(&self, expected: impl Display) -> Result<&'a str, ScenarioError> {
        (self.value.get_ref().as_str()).ok_or_else(|| self.wrong_type(expected))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Result<bool, ScenarioError> {
        (self.value.get_ref().as_bool()).ok_or_else(|| self.wrong_type("true or false"))
    }

    /// A whole number in a range.
    pub(super) fn integer(&self, range: RangeInclusive<u64>) -> Result<u64, ScenarioError> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(digits) = self.value.get_ref() else {
            return Err(self.wrong_type(expected));
        };
        match u64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(self.invalid(format_args!("{digits} is out of range"), expected)),
        }
    }

    /// One of some whole numbers.
    pub(super) fn integer_among(&self, known: &[u32], expected: &str) -> Result<u32, ScenarioError> {
        let DeValue::Integer(digits) = self.value.get_ref() else {
            return Err(self.wrong_type(expected));
        };
        let number = u32::from_str_radix(digits.as_str(), digits.radix()).ok();
        (number.filter(|number| known.contains(number)))
            .ok_or_else(|| self.invalid(format_args!("{digits} is not possible"), expected))
    }

    /// As [`Item::integer`], up to 2^32 - 1.
    pub(super) fn integer_u32(&self, range: RangeInclusive<u32>) -> Result<u32, ScenarioError> {
        let number = self.integer(u64::from(*range.start())..=u64::from(*range.end()))?;
        Ok(u32::try_from(number).unwrap_or(*range.end()))
    }

    /// A number, whole or not; one that is too large for an `f64` is infinite.
    pub(super) fn number(&self, expected: impl Display) -> Result<f64, ScenarioError> {
        match self.value.get_ref() {
            DeValue::Float(digits) => Ok(digits.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Integer(digits) => Ok(i128::from_str_radix(digits.as_str(), digits.radix())
                .map_or(f64::INFINITY, |number| number as f64)),
            _ => Err(self.wrong_type(expected)),
        }
    }

    /// A duration: a string with a unit. At most [`MAX_DURATION`].
    pub(super) fn duration(&self) -> Result<Duration, ScenarioError> {
        if let DeValue::Integer(_) | DeValue::Float(_) = self.value.get_ref() {
            return Err(self.invalid("has no unit", DURATION));
        }
        let text = self.string(DURATION)?;
        let length = duration(text).map_err(|wrong| self.invalid(wrong, DURATION))?;
        if length > MAX_DURATION {
            return Err(self.invalid(format_args!("{text} is too long"), "at most \"24h\""));
        }
        Ok(length)
    }

    /// A duration above zero.
    pub(super) fn duration_above_zero(&self) -> Result<Duration, ScenarioError> {
        match self.duration()? {
            Duration::ZERO => Err(self.invalid("is zero", "more than \"0s\"")),
            length => Ok(length),
        }
    }

    /// A size: a string with a unit. At least one byte.
    pub(super) fn bytes(&self) -> Result<u64, ScenarioError> {
        self.number_of_bytes("", SIZE)
    }

    /// A rate: a size and `/s`. At least one byte a second.
    pub(super) fn bytes_a_second(&self) -> Result<u64, ScenarioError> {
        self.number_of_bytes("/s", RATE)
    }

    fn number_of_bytes(&self, ending: &str, expected: &str) -> Result<u64, ScenarioError> {
        if let DeValue::Integer(_) | DeValue::Float(_) = self.value.get_ref() {
            return Err(self.invalid("has no unit", expected));
        }
        let text = self.string(expected)?;
        let size = text.strip_suffix(ending).filter(|size| size.ends_with(['B', 'b']));
        let bytes = size.and_then(|size| size.parse::<ByteSize>().ok()).map(|size| size.as_u64());
        match bytes {
            Some(0) => Err(self.invalid("is zero", format_args!("at least \"1B{ending}\""))),
            Some(bytes) if bytes > MAX_BYTES => {
                Err(self
                    .invalid(format_args!("{text} is too large"), format_args!("at most \"1PiB{ending}\"")))
            }
            Some(bytes) => Ok(bytes),
            None => Err(self.invalid(format_args!("\"{text}\" is not possible"), expected)),
        }
    }

    /// One of some names.
    pub(super) fn choice<T: Copy>(
        &self,
        known: &[(&'static str, T)],
        later: &[&str],
    ) -> Result<T, ScenarioError> {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        let expected = one_of(&names);
        let text = self.string(&expected)?;
        if let Some((_, value)) = known.iter().find(|(name, _)| *name == text) {
            return Ok(*value);
        }
        let wrong = if later.contains(&text) {
            format!("\"{text}\" is not supported yet")
        } else {
            format!("\"{text}\" is unknown")
        };
        Err(self.invalid(wrong, expected))
    }
}

/// Reads a duration with a unit. The error says what is wrong.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if !text.trim().is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ' ') {
        return Err(format!("\"{text}\" has no unit"));
    }
    humantime::parse_duration(text).map_err(|_| format!("\"{text}\" is not a duration"))
}

/// `a`, or `one of a, b, c`.
pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [only] => (*only).to_owned(),
        _ => format!("one of {}", names.join(", ")),
    }
}

/// The name that a person may have meant by `typed`: at most a third of it is different.
fn nearest<'n>(typed: &str, names: &[&'n str]) -> Option<&'n str> {
    let near = names.iter().map(|name| (distance(typed, name), *name)).min()?;
    (near.0 <= typed.chars().count().div_ceil(3)).then_some(near.1)
}

/// The Levenshtein distance: letters to insert, remove or replace.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.chars().count()]
}
