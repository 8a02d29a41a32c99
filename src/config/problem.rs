//! What is wrong with a configuration: where, what, and what to write instead. No text here holds a secret.

use std::{collections::BTreeMap, fmt, iter, sync::Arc};

/// One thing to repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key's path, `buckets.photos.provider`; empty when the whole file is meant.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// Where it was written, as far as that is known.
    pub origin: Option<Origin>,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of the file, counted from 1.
    Line {
        /// The file, as it was named.
        file: Arc<str>,
        /// The line.
        line: usize,
    },
    /// The whole file.
    File(Arc<str>),
    /// An environment variable, by name.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(out, "{file}, line {line}"),
            Self::File(file) => out.write_str(file),
            Self::Variable(name) => write!(out, "environment {name}"),
        }
    }
}

impl Problem {
    /// Writes where it is and what is wrong.
    fn write_fault(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.path.is_empty()) {
            (Some(origin), false) => write!(out, "{} ({origin}): ", self.path)?,
            (Some(origin), true) => write!(out, "{origin}: ")?,
            (None, false) => write!(out, "{}: ", self.path)?,
            (None, true) => {}
        }
        out.write_str(&self.message)
    }
}

impl fmt::Display for Problem {
    /// One line, as logs want it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_fault(out)?;
        match &self.hint {
            Some(hint) => write!(out, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Every problem that was found, in the order in which settings are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub Vec<Problem>);

impl fmt::Display for ConfigError {
    /// A list, as people want it: what to do stands below what is wrong.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => out.write_str("the configuration has 1 problem:")?,
            count => write!(out, "the configuration has {count} problems:")?,
        }
        for problem in &self.0 {
            out.write_str("\n  ")?;
            problem.write_fault(out)?;
            if let Some(hint) = &problem.hint {
                write!(out, "\n    → {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Where each key path was written.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// How the file is named in problems.
    pub(super) file: Option<Arc<str>>,
    /// Lines of the file, by key path.
    pub(super) lines: BTreeMap<String, usize>,
    /// Environment variables, by the key path that each sets.
    pub(super) variables: BTreeMap<String, String>,
}

impl Origins {
    /// The variable that holds exactly this key's value.
    pub(super) fn variable(&self, path: &str) -> Option<&str> {
        self.variables.get(path).map(String::as_str)
    }

    /// Where `path` was written. For a key that is missing: where the table around it was.
    pub(super) fn of(&self, path: &str) -> Option<Origin> {
        self.around(path).or_else(|| self.in_file(path)).or_else(|| self.file.clone().map(Origin::File))
    }

    /// A variable that sets `path`, or a list or table around it: what the file says there does not count.
    fn around(&self, path: &str) -> Option<Origin> {
        let mut around = iter::successors(Some(path), |path| parent(path));
        around.find_map(|path| self.variables.get(path)).cloned().map(Origin::Variable)
    }

    fn in_file(&self, path: &str) -> Option<Origin> {
        self.line(path)
            .or_else(|| self.below(path))
            .or_else(|| parent(path).and_then(|parent| self.in_file(parent)))
    }

    fn line(&self, path: &str) -> Option<Origin> {
        let line = *self.lines.get(path)?;
        Some(Origin::Line { file: self.file.clone()?, line })
    }

    /// A table that only variables speak of has no place of its own: the first of them stands for it.
    fn below(&self, path: &str) -> Option<Origin> {
        let prefix = format!("{path}.");
        let (first, name) = self.variables.range(prefix.clone()..).next()?;
        first.starts_with(&prefix).then(|| Origin::Variable(name.clone()))
    }
}

/// The path around `path`: `keys` of `keys[0]`, `server` of `server.limits`.
fn parent(path: &str) -> Option<&str> {
    path.rfind(['.', '[']).and_then(|end| path.get(..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_placed_where_its_table_is() {
        let lines = [("keys".to_owned(), 3), ("keys[0]".to_owned(), 4)].into();
        let variables = [("log.filter".to_owned(), "WHARF_LOG__FILTER".to_owned())].into();
        let origins = Origins { file: Some("wharf.toml".into()), lines, variables };
        for (path, place) in [
            ("keys[0].id", "wharf.toml, line 4"),
            ("keys[1].id", "wharf.toml, line 3"),
            ("log.filter", "environment WHARF_LOG__FILTER"),
            ("log", "environment WHARF_LOG__FILTER"),
            ("logs", "wharf.toml"),
        ] {
            assert_eq!(origins.of(path).map(|origin| origin.to_string()).as_deref(), Some(place), "{path}");
        }
        assert_eq!(Origins::default().of("keys[0].id"), None);
    }

    #[test]
    fn what_a_variable_replaces_is_not_looked_for_in_the_file() {
        let lines = [("keys".to_owned(), 3), ("keys[0]".to_owned(), 4), ("keys[0].id".to_owned(), 5)].into();
        let variables = [("keys".to_owned(), "WHARF_KEYS".to_owned())].into();
        let origins = Origins { file: Some("wharf.toml".into()), lines, variables };
        for path in ["keys", "keys[0].id", "keys[1].allow[0]"] {
            assert_eq!(origins.of(path), Some(Origin::Variable("WHARF_KEYS".to_owned())), "{path}");
        }
    }

    #[test]
    fn problems_are_listed_with_what_to_do_below() {
        let problem = |path: &str, hint: Option<&str>, origin| Problem {
            path: path.to_owned(),
            message: "is missing".to_owned(),
            hint: hint.map(str::to_owned),
            origin,
        };
        let line = Origin::Line { file: "wharf.toml".into(), line: 7 };
        let error = ConfigError(vec![
            problem("keys[0].id", Some("write id = \"…\""), Some(line)),
            problem("log", None, None),
        ]);
        assert_eq!(
            error.to_string(),
            "the configuration has 2 problems:\n  keys[0].id (wharf.toml, line 7): is missing\n    → write id = \"…\"\n  log: is missing"
        );
    }
}
