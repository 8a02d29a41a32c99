//! Secrets: written in the file, taken from the environment, or kept in a file of their own.

use secrecy::SecretString;

use super::raw::{Entry, Table};

/// The two keys under which a secret can be given.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecretKeys {
    /// The secret itself.
    pub(super) inline: &'static str,
    /// A file with it.
    pub(super) file: &'static str,
}

impl SecretKeys {
    /// Takes the secret out of `table`, whichever way it is given.
    pub(super) fn read(self, table: &mut Table<'_>) -> Option<SecretString> {
        let inline = table.entry(self.inline);
        let file = table.entry(self.file);
        match (inline, file) {
            (Some(_), Some(_)) => {
                let message = format!("`{}` is given as well", self.inline);
                table.problem(self.file, message, "leave one of the two out");
                None
            }
            (Some(inline), None) => from_text(inline),
            (None, Some(file)) => from_file(file),
            (None, None) => None,
        }
    }

    /// Like [`Self::read`], for a secret that must be there.
    pub(super) fn required(self, table: &mut Table<'_>) -> Option<SecretString> {
        let is_missing = !table.has(self.inline) && !table.has(self.file);
        let secret = self.read(table);
        if is_missing {
            let hint = format!("write {} = \"${{VARIABLE}}\", or {} = \"…\"", self.inline, self.file);
            table.problem(self.inline, "is missing", &hint);
        }
        secret
    }
}

/// A secret that stands in the config itself.
pub(super) fn from_text(entry: Entry<'_>) -> Option<SecretString> {
    entry.parsed("write the secret, or leave the setting out", |text| not_empty(text.to_owned()))
}

/// A secret in a file of its own. One newline at its end is the editor's, not the secret's.
pub(super) fn from_file(entry: Entry<'_>) -> Option<SecretString> {
    let document = entry.document();
    entry.parsed("name a file that holds the secret and nothing else", |path| {
        let mut text = document.read_file(&document.resolve(path)).map_err(|error| error.to_string())?;
        trim_newline(&mut text);
        not_empty(text).map_err(str::to_owned)
    })
}

fn not_empty(text: String) -> Result<SecretString, &'static str> {
    if text.is_empty() { Err("is empty") } else { Ok(SecretString::from(text)) }
}

fn trim_newline(text: &mut String) {
    let trimmed = text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n'));
    if let Some(length) = trimmed.map(str::len) {
        text.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_goes_and_everything_else_stays() {
        for (written, secret) in [
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            (" a \n", " a "),
            ("a", "a"),
            ("a\r", "a\r"),
            ("\n", ""),
        ] {
            let mut text = written.to_owned();
            trim_newline(&mut text);
            assert_eq!(text, secret, "{written:?}");
        }
    }
}
