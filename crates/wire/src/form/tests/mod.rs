//! Tests of whole forms.

mod body;
mod made;
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

#[test]
fn what_a_form_says_is_not_shown() {
    let shown = format!("{:?}", form(&[("x-amz-signature", "0123abcd")], "a.png"));
    assert!(shown.contains("x-amz-signature") && !shown.contains("0123abcd"), "{shown}");
}
