//! The configuration as written: tables of values that nobody has checked yet.
//!
//! Reading is what makes a key known. A section takes each of its settings out of its [`Table`] by name and type; what
//! is left when it is done, nobody knows, and is refused with the nearest name that was asked for. So the names live
//! in one place, next to their types, defaults and bounds, and no list can fall behind them.
//!
//! Nothing here stops at the first problem: a wrong value is reported and stands for its default, since a
//! configuration with problems is never used.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Display,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment,
    providers::{Format, Toml},
    value::{Dict, Value},
};

use super::{
    Environment,
    expand::expand,
    files::{self, Fingerprint},
    problem::{Origin, Origins, Problem},
};

/// What is read, and what came of it.
pub(super) struct Document<'a> {
    pub(super) environment: &'a Environment,
    /// Where relative paths begin.
    pub(super) directory: PathBuf,
    pub(super) origins: Origins,
    pub(super) problems: RefCell<Vec<Problem>>,
    /// The files that values came from, or should have come from, as they were then.
    pub(super) files: RefCell<BTreeMap<PathBuf, Fingerprint>>,
    /// Every key that was asked for, with its bounds: what `config.toml` must explain.
    #[cfg(test)]
    pub(super) known: RefCell<BTreeMap<String, Option<Bounds>>>,
}

impl<'a> Document<'a> {
    /// A document without problems so far.
    pub(super) fn new(environment: &'a Environment, directory: PathBuf, origins: Origins) -> Self {
        Self {
            environment,
            directory,
            origins,
            problems: RefCell::default(),
            files: RefCell::default(),
            #[cfg(test)]
            known: RefCell::default(),
        }
    }

    /// Whether something at or below `path` was refused.
    pub(super) fn is_refused(&self, path: &str) -> bool {
        self.problems.borrow().iter().any(|problem| problem.path.starts_with(path))
    }

    /// Reports a problem with the value at `path`.
    pub(super) fn problem(&self, path: &str, message: impl Into<String>, hint: &str) {
        self.problems.borrow_mut().push(Problem {
            path: path.to_owned(),
            message: message.into(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
            origin: self.origins.of(path),
        });
    }

    /// The outermost table.
    pub(super) fn root(&'a self, entries: Dict) -> Table<'a> {
        Table { document: self, path: String::new(), entries, known: Vec::new() }
    }

    /// `path` as the process can open it: a relative one begins at the config file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    /// The text of a file that a setting names; the file is watched from now on.
    pub(super) fn read_file(&self, path: &Path) -> Result<String, files::FileError> {
        let content = files::read(path);
        self.files.borrow_mut().insert(path.to_owned(), content.fingerprint);
        content.text
    }
}

/// What a whole number may be. Its unit is in the key's name.
pub(super) type Bounds = RangeInclusive<u64>;

/// A table whose settings are being read.
pub(super) struct Table<'a> {
    document: &'a Document<'a>,
    path: String,
    entries: Dict,
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// The document around it.
    pub(super) fn document(&self) -> &'a Document<'a> {
        self.document
    }

    /// Reports a problem with the setting `key`.
    pub(super) fn problem(&self, key: &str, message: impl Into<String>, hint: &str) {
        self.document.problem(&join(&self.path, key), message, hint);
    }

    /// Reports a problem with the table itself.
    pub(super) fn problem_here(&self, message: impl Into<String>, hint: &str) {
        self.document.problem(&self.path, message, hint);
    }

    /// Takes a setting out.
    pub(super) fn entry(&mut self, key: &'static str) -> Option<Entry<'a>> {
        self.known.push(key);
        #[cfg(test)]
        self.document.known.borrow_mut().insert(join(&self.path, key), None);
        let value = self.entries.remove(key)?;
        Some(Entry { document: self.document, path: join(&self.path, key), value })
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.entry(key)?.text()
    }

    /// A setting that has no default.
    pub(super) fn required(&mut self, key: &'static str, hint: &str) -> Option<Entry<'a>> {
        let entry = self.entry(key);
        if entry.is_none() {
            self.problem(key, "is missing", hint);
        }
        entry
    }

    /// A text that means something.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &'static str,
        hint: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.entry(key)?.parsed(hint, parse)
    }

    /// Yes or no.
    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        let boolean = |entry: Entry<'_>| entry.typed("true or false", Value::to_bool);
        self.entry(key).and_then(boolean).unwrap_or(default)
    }

    /// One of a closed set of words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, options: &[(&str, T)]) -> Option<T> {
        self.entry(key)?.choice(options)
    }

    /// A whole number within its bounds.
    pub(super) fn number(&mut self, key: &'static str, default: u64, bounds: Bounds) -> u64 {
        self.optional_number(key, bounds).unwrap_or(default)
    }

    /// A whole number within its bounds, or none.
    pub(super) fn optional_number(&mut self, key: &'static str, bounds: Bounds) -> Option<u64> {
        let entry = self.entry(key);
        #[cfg(test)]
        self.document.known.borrow_mut().insert(join(&self.path, key), Some(bounds.clone()));
        entry?.number(&bounds)
    }

    /// How many of something this process may hold.
    pub(super) fn count(&mut self, key: &'static str, default: u64, bounds: Bounds) -> usize {
        usize::try_from(self.number(key, default, bounds)).unwrap_or(usize::MAX)
    }

    /// A number that fits 32 bits, because its bounds do.
    pub(super) fn number_u32(&mut self, key: &'static str, default: u64, bounds: Bounds) -> u32 {
        u32::try_from(self.number(key, default, bounds)).unwrap_or(u32::MAX)
    }

    /// A time in whole seconds.
    pub(super) fn seconds(&mut self, key: &'static str, default: u64, bounds: Bounds) -> Duration {
        Duration::from_secs(self.number(key, default, bounds))
    }

    /// A list; one that is missing is empty.
    pub(super) fn list<T>(&mut self, key: &'static str, read: impl FnMut(Entry<'a>) -> Option<T>) -> Vec<T> {
        self.entry(key).and_then(Entry::list).unwrap_or_default().into_iter().filter_map(read).collect()
    }

    /// A section that is always there: one that is missing has its defaults.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Table<'a>) -> T) -> T {
        let entries = self.entry(key).and_then(Entry::dict).unwrap_or_default();
        Entry::read_dict(self.document, join(&self.path, key), entries, read)
    }

    /// A table that may be missing.
    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Table<'a>) -> Option<T>,
    ) -> Option<T> {
        self.entry(key)?.table(read)
    }

    /// Tables under names that the file chooses, `[providers.NAME]`.
    pub(super) fn named_tables(&mut self, key: &'static str, mut read: impl FnMut(&str, &mut Table<'a>)) {
        let entries = self.entry(key).and_then(Entry::dict).unwrap_or_default();
        let path = join(&self.path, key);
        for (name, value) in entries {
            let entry = Entry { document: self.document, path: join(&path, &name), value };
            if let Err(message) = check_name(&name) {
                self.document.problem(&entry.path, message, NAME_HINT);
            }
            entry.table(|table| {
                read(&name, table);
                Some(())
            });
        }
    }

    /// Texts under names that the file chooses.
    pub(super) fn named_entries(&mut self, key: &'static str) -> Vec<(String, Entry<'a>)> {
        let entries = self.entry(key).and_then(Entry::dict).unwrap_or_default();
        let path = join(&self.path, key);
        let entry = |(name, value): (String, Value)| {
            let entry = Entry { document: self.document, path: join(&path, &name), value };
            (name, entry)
        };
        entries.into_iter().map(entry).collect()
    }

    /// Whether the setting `key` was written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Refuses what nobody asked for.
    pub(super) fn close(self) {
        for key in self.entries.keys() {
            let mut hint = match nearest(key, &self.known) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("settings here are {}", quoted(&self.known)),
            };
            let path = join(&self.path, key);
            if matches!(self.document.origins.of(&path), Some(Origin::Variable(_))) {
                hint.push_str(" (a variable of your own needs a name that does not begin with `WHARF_`)");
            }
            self.document.problem(&path, "this version has no such setting", &hint);
        }
    }
}

/// One value, and where it stands.
pub(super) struct Entry<'a> {
    document: &'a Document<'a>,
    path: String,
    value: Value,
}

impl<'a> Entry<'a> {
    /// Reports a problem with this value.
    pub(super) fn problem(&self, message: impl Into<String>, hint: &str) {
        self.document.problem(&self.path, message, hint);
    }

    /// Where it stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The document around it.
    pub(super) fn document(&self) -> &'a Document<'a> {
        self.document
    }

    /// A text: a variable's as it is, so that a secret of digits stays one; the file's with its `${VAR}` filled in.
    pub(super) fn text(self) -> Option<String> {
        let Some(text) = self.value.as_str() else {
            self.wrong_type("a text in quotes");
            return None;
        };
        if self.document.origins.variable(&self.path).is_some() {
            return self.value.into_string();
        }
        let expanded = expand(text, self.document.environment);
        if let Err(error) = &expanded {
            self.problem(error.to_string(), EXPAND_HINT);
        }
        expanded.ok()
    }

    /// A text that means something.
    pub(super) fn parsed<T, E: Display>(
        self,
        hint: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (document, path) = (self.document, self.path.clone());
        parse(&self.text()?).map_err(|error| document.problem(&path, error.to_string(), hint)).ok()
    }

    /// One of a closed set of words.
    pub(super) fn choice<T: Copy>(self, options: &[(&str, T)]) -> Option<T> {
        let words: Vec<_> = options.iter().map(|(word, _)| *word).collect();
        self.parsed(&format!("write one of {}", quoted(&words)), |text| {
            let chosen = options.iter().find(|(word, _)| *word == text);
            chosen.map(|(_, value)| *value).ok_or("is none of the words that it can be")
        })
    }

    /// The same, where TOML's own date and time, without quotes, is as good as a text.
    pub(super) fn unquoted_date(mut self) -> Self {
        /// How the TOML parser hands a date and time on.
        const DATE_KEY: &str = "$__toml_private_datetime";
        if let Some(date) = self.value.as_dict().and_then(|dict| dict.get(DATE_KEY)) {
            self.value = date.clone();
        }
        self
    }

    /// A whole number within its bounds.
    pub(super) fn number(self, bounds: &Bounds) -> Option<u64> {
        let (document, path) = (self.document, self.path.clone());
        let number = self.typed("a whole number", |value| value.to_num()?.to_u128_lossy())?;
        let bounded = u64::try_from(number).ok().filter(|number| bounds.contains(number));
        if bounded.is_none() {
            let hint = format!("write a whole number from {} to {}", bounds.start(), bounds.end());
            document.problem(&path, "is out of bounds", &hint);
        }
        bounded
    }

    /// A list's elements.
    pub(super) fn list(self) -> Option<Vec<Self>> {
        let (document, path) = (self.document, self.path.clone());
        let values = self.typed("a list, `[…]`", |value| value.as_array().map(<[Value]>::to_vec))?;
        let element = |(index, value)| Entry { document, path: format!("{path}[{index}]"), value };
        Some(values.into_iter().enumerate().map(element).collect())
    }

    /// A table, read by `read`.
    pub(super) fn table<T>(self, read: impl FnOnce(&mut Table<'a>) -> Option<T>) -> Option<T> {
        let (document, path) = (self.document, self.path.clone());
        let entries = self.dict()?;
        Self::read_dict(document, path, entries, read)
    }

    fn read_dict<T>(
        document: &'a Document<'a>,
        path: String,
        entries: Dict,
        read: impl FnOnce(&mut Table<'a>) -> T,
    ) -> T {
        let mut table = Table { document, path, entries, known: Vec::new() };
        let checked = read(&mut table);
        table.close();
        checked
    }

    fn dict(self) -> Option<Dict> {
        self.typed("a table", |value| value.as_dict().cloned())
    }

    /// A value of a type that TOML tells apart. A variable's text is read as TOML first.
    fn typed<T>(self, wanted: &str, convert: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let from_toml = match self.document.origins.variable(&self.path).and(self.value.as_str()) {
            Some(text) => toml_value(text),
            None => None,
        };
        let converted = convert(from_toml.as_ref().unwrap_or(&self.value));
        if converted.is_none() {
            self.wrong_type(wanted);
        }
        converted
    }

    fn wrong_type(&self, wanted: &str) {
        let hint = match self.document.origins.variable(&self.path) {
            Some(name) => format!("set {name} to {wanted}, as it would stand in the file"),
            None => format!("write {wanted}"),
        };
        self.problem(format!("is {}", type_name(&self.value)), &hint);
    }
}

/// What TOML calls the type of `value`. A date and time without quotes comes as a table of one odd key.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "a text",
        Value::Bool(..) => "true or false",
        Value::Num(..) => "a number",
        Value::Empty(..) => "empty",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    }
}

/// One value as TOML, `[{ id = "…" }]`.
fn toml_value(text: &str) -> Option<Value> {
    let figment = Figment::from(Toml::string(&format!("value = {text}")));
    let value = figment.find_value("").ok()?;
    value.as_dict().filter(|dict| dict.len() == 1)?.get("value").cloned()
}

/// `path.key`
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

const EXPAND_HINT: &str = "set the variable, or write `$${` for a plain `${`";
pub(super) const NAME_HINT: &str = "use 1 to 63 of a-z, 0-9, `-` and `_`";

/// Names are parts of URL paths, log lines and metrics' labels.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    match name.len() {
        1..=63 if name.bytes().all(good) => Ok(()),
        _ => Err("cannot be a name"),
    }
}

/// The candidate that `word` was probably meant to be.
pub(super) fn nearest<'n>(word: &str, candidates: &[&'n str]) -> Option<&'n str> {
    /// Below it, two words have little more in common than some letters.
    const ALIKE: f64 = 0.8;
    let likeness = |candidate: &&str| strsim::jaro_winkler(word, candidate);
    let best = candidates.iter().copied().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(&best) >= ALIKE).then_some(best)
}

/// `` `a`, `b` ``
pub(super) fn quoted<T: Display>(words: &[T]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
