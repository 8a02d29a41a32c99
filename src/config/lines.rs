//! Which line of the file each key is on, so that a problem can be found where it was written.

use std::collections::BTreeMap;

use toml_edit::{ImDocument, Item, TableLike, Value};

/// Lines by key path. `Err` is a syntax error: its line and what is wrong, without the text that was written there,
/// which may be a secret.
pub(super) fn index(text: &str) -> Result<BTreeMap<String, usize>, (usize, String)> {
    let document = ImDocument::parse(text).map_err(|error| {
        let line = line_at(text, error.span().map_or(0, |span| span.start));
        (line, error.message().replace('\n', ", "))
    })?;
    let mut index = Index { text, lines: BTreeMap::new() };
    index.table("", document.as_table());
    Ok(index.lines)
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.split(|byte| *byte == b'\n').count()
}

struct Index<'a> {
    text: &'a str,
    lines: BTreeMap<String, usize>,
}

impl Index<'_> {
    fn table(&mut self, path: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let path = super::raw::join(path, name);
            let span = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            self.record(&path, span);
            self.item(&path, item);
        }
    }

    fn item(&mut self, path: &str, item: &Item) {
        if let Some(table) = item.as_table_like() {
            self.table(path, table);
        } else if let Some(tables) = item.as_array_of_tables() {
            for (index, table) in tables.iter().enumerate() {
                let path = format!("{path}[{index}]");
                self.record(&path, table.span());
                self.table(&path, table);
            }
        } else if let Some(value) = item.as_value() {
            self.value(path, value);
        }
    }

    fn value(&mut self, path: &str, value: &Value) {
        for (index, element) in value.as_array().into_iter().flatten().enumerate() {
            let path = format!("{path}[{index}]");
            self.record(&path, element.span());
            match element.as_inline_table() {
                Some(table) => self.table(&path, table),
                None => self.value(&path, element),
            }
        }
    }

    fn record(&mut self, path: &str, span: Option<std::ops::Range<usize>>) {
        if let Some(span) = span {
            self.lines.insert(path.to_owned(), line_at(self.text, span.start));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_line() {
        let text = "\n[server]\nlimits.headers_max = 5\n\n[[keys]]\nid = 'a'\nallow = [\n  { bucket = 'x' },\n  { bucket = 'y' },\n]\n[[keys]]\nid = 'b'\n";
        let lines = index(text).unwrap();
        for (path, line) in [
            ("server", 2),
            ("server.limits.headers_max", 3),
            ("keys[0]", 5),
            ("keys[0].id", 6),
            ("keys[0].allow", 7),
            ("keys[0].allow[1].bucket", 9),
            ("keys[1]", 11),
            ("keys[1].id", 12),
        ] {
            assert_eq!(lines.get(path), Some(&line), "{path}");
        }
    }

    #[test]
    fn a_syntax_error_has_its_line_and_shows_nothing_of_the_text() {
        let (line, message) = index("[[keys]]\nid = 'a'\nsecret = hunter2\n").unwrap_err();
        assert_eq!(line, 3);
        assert!(!message.contains("hunter"), "{message}");
    }
}
