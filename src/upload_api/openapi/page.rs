//! The page: the document as HTML, for a person. It is made once and has no script, so nothing has to be trusted to show it.

use std::{collections::BTreeMap, fmt::Write};

use schemars::Schema;
use serde_json::Value;

use super::{
    document::{Document, OperationItem},
    reply,
};
use crate::error::Code;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2733}\
    code{font:14px/1.4 ui-monospace,monospace;background:#f1f4f7;padding:.1em .3em;border-radius:3px}\
    details{border:1px solid #d5dde5;border-radius:6px;margin:.5rem 0;padding:.5rem 1rem}summary{cursor:pointer}\
    .method{display:inline-block;min-width:4.5em;font-weight:600;color:#0a5c8a}\
    table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0}\
    td:first-child{white-space:nowrap}h2{margin-top:2rem}";

/// How deep a reply's fields are shown.
const DEPTH_MAX: usize = 4;

/// The page of `document`.
pub(super) fn render(document: &Document) -> String {
    let mut page = Page(String::with_capacity(64 * 1024));
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    page.text(document.info.title);
    page.raw("</title><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>");
    page.raw(STYLE);
    page.raw("</style></head><body><h1>");
    page.text(document.info.title);
    page.raw("</h1><p>");
    page.text(document.info.description);
    page.raw("</p><p>The same for machines: <a href=\"openapi.json\">openapi.json</a></p><h2>Keys</h2><ul>");
    for description in
        ["A key, in x-api-key or as Authorization: Bearer KEY, or a token of the app (JWT).", super::SIGNED]
    {
        page.element("li", description);
    }
    page.raw("</ul><h2>Operations</h2>");
    for (path, methods) in &document.paths {
        for (method, item) in methods {
            page.operation(document, (path, method), item);
        }
    }
    page.raw(
        "<h2>Errors</h2><p>Every failure has the same shape; <code>error</code> is one of these.</p><table>",
    );
    for (status, codes) in reply::statuses() {
        let names: Vec<&str> = codes.iter().map(|code: &Code| code.as_str()).collect();
        page.row(&status.to_string(), &names.join(", "));
    }
    page.raw("</table></body></html>\n");
    page.0
}

/// The page so far. Nothing but [`Page::raw`] writes what is not escaped, and that only what stands in this file.
struct Page(String);

impl Page {
    fn raw(&mut self, html: &'static str) {
        self.0.push_str(html);
    }

    fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                other => self.0.push(other),
            }
        }
    }

    fn element(&mut self, name: &'static str, text: &str) {
        // Writing to a String does not fail.
        let _ = write!(self.0, "<{name}>");
        self.text(text);
        let _ = write!(self.0, "</{name}>");
    }

    fn row(&mut self, name: &str, says: &str) {
        self.raw("<tr><td><code>");
        self.text(name);
        self.raw("</code></td><td>");
        self.text(says);
        self.raw("</td></tr>");
    }

    fn operation(&mut self, document: &Document, (path, method): (&str, &str), item: &OperationItem) {
        self.raw("<details><summary><span class=\"method\">");
        self.text(&method.to_uppercase());
        self.raw("</span><code>");
        self.text(path);
        self.raw("</code> ");
        self.text(&item.summary);
        self.raw("</summary>");
        if let Some(description) = &item.description {
            self.element("p", description);
        }
        let name = |part: &str| document.components.schemas.get(&[&item.operation, part].concat());
        self.fields("Request", name("_request"));
        self.fields("Reply", name("_reply"));
        self.raw("</details>");
    }

    fn fields(&mut self, heading: &str, schema: Option<&Schema>) {
        let mut rows = BTreeMap::new();
        if let Some(schema) = schema {
            collect(schema.as_value(), "", 0, &mut rows);
        }
        if rows.is_empty() {
            return;
        }
        self.element("h4", heading);
        self.raw("<table>");
        for (name, says) in rows {
            self.row(&name, &says);
        }
        self.raw("</table>");
    }
}

/// The fields of a schema, each by its whole name, with its type and what is said of it.
fn collect(schema: &Value, name: &str, depth: usize, rows: &mut BTreeMap<String, String>) {
    if depth > DEPTH_MAX {
        return;
    }
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (field, value) in properties {
        let whole = if name.is_empty() { field.clone() } else { [name, ".", field].concat() };
        rows.insert(whole.clone(), described(value));
        collect(value, &whole, depth + 1, rows);
    }
    if let Some(items) = schema.get("items") {
        collect(items, &[name, "[]"].concat(), depth + 1, rows);
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
            collect(part, name, depth + 1, rows);
        }
    }
}

fn described(schema: &Value) -> String {
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "one of several".to_owned(),
    };
    match schema.get("description").and_then(Value::as_str) {
        Some(says) => format!("{kind}. {says}"),
        None => kind,
    }
}
