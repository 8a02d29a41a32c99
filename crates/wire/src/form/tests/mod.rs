//! Tests of whole forms.

mod body;
mod signed;

use super::*;

/// A form of these fields, as if it had been read.
fn form(fields: &[(&str, &str)], file_name: &str) -> Form {
    let mut form = Form::default();
    for (name, value) in fields {
        form.add(name, value).unwrap();
    }
    form.begin_file(file_name, None);
    form
}
