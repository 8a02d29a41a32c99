//! `${VAR}` inside the file's texts: the value of an environment variable. `$${` is a plain `${`.

use super::Environment;

/// Why a text could not be expanded. Only what stands between the braces is repeated, never the text around it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExpandError {
    /// The variable is not there.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// `${` without its `}`, or with something between that no variable is called.
    #[error("a `${{` does not go on with a variable's name and `}}`")]
    Malformed,
}

/// Puts the values of variables into `text`. What a variable holds is taken as it is.
pub(super) fn expand(text: &str, environment: &Environment) -> Result<String, ExpandError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(plain) = before.strip_suffix('$') {
            expanded.push_str(plain);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        expanded.push_str(before);
        let (name, after) = after.split_once('}').ok_or(ExpandError::Malformed)?;
        if !is_name(name) {
            return Err(ExpandError::Malformed);
        }
        let value = environment.variable(name).ok_or_else(|| ExpandError::Unset(name.to_owned()))?;
        expanded.push_str(value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, ExpandError> {
        expand(text, &[("A", "one"), ("B_2", "${A}"), ("EMPTY", "")].into_iter().collect())
    }

    #[test]
    fn variables_stand_for_their_values() {
        for (text, value) in [
            ("plain", "plain"),
            ("${A}", "one"),
            ("<${A}-${A}>", "<one-one>"),
            ("${B_2}", "${A}"),
            ("${EMPTY}", ""),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$A $ $$ }{", "$A $ $$ }{"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_set_variable_is_refused() {
        assert_eq!(expanded("${MISSING}"), Err(ExpandError::Unset("MISSING".to_owned())));
        for text in ["${", "x${A", "${}", "${A B}", "${1A}", "${A:-default}"] {
            assert_eq!(expanded(text), Err(ExpandError::Malformed), "{text}");
        }
    }
}
