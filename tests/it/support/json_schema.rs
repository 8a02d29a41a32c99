//! As much of JSON Schema (2020-12) as the API's document uses. A keyword that it does not know fails the test: it would be
//! passed over in silence otherwise.

use serde_json::Value;

/// Keywords that say nothing of a value.
const REMARKS: [&str; 6] = ["$schema", "title", "description", "format", "default", "deprecated"];

/// What is wrong with `value`, of which `document` says that it is as `schema`; empty if nothing is.
pub(crate) fn problems(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    check(document, schema, value, ("", &mut problems));
    problems
}

fn check(document: &Value, schema: &Value, value: &Value, (at, problems): (&str, &mut Vec<String>)) {
    let Some(keywords) = schema.as_object() else {
        assert!(schema == &Value::Bool(true), "a schema that allows nothing at {at}");
        return;
    };
    for (keyword, says) in keywords {
        let sound = match keyword.as_str() {
            "$ref" => {
                let to = says.as_str().unwrap().trim_start_matches('#');
                let schema = document.pointer(to).unwrap_or_else(|| panic!("{to} is nowhere"));
                check(document, schema, value, (at, problems));
                true
            }
            "type" => types(says).iter().any(|kind| is_of(value, kind)),
            "enum" => says.as_array().unwrap().contains(value),
            "const" => says == value,
            "minimum" => value.as_f64().is_none_or(|number| number >= says.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= says.as_f64().unwrap()),
            "minLength" => value.as_str().is_none_or(|text| text.len() as u64 >= says.as_u64().unwrap()),
            "required" => {
                let names = says.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                value.as_object().is_none_or(|object| names.clone().all(|name| object.contains_key(name)))
            }
            "properties" => {
                for (name, schema) in says.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(document, schema, value, (&format!("{at}/{name}"), problems));
                    }
                }
                true
            }
            "additionalProperties" => {
                let named = schema.get("properties");
                for (name, value) in value.as_object().into_iter().flatten() {
                    if named.is_none_or(|named| named.get(name).is_none()) {
                        check(document, says, value, (&format!("{at}/{name}"), problems));
                    }
                }
                true
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, says, value, (&format!("{at}/{index}"), problems));
                }
                true
            }
            "allOf" => {
                for schema in says.as_array().unwrap() {
                    check(document, schema, value, (at, problems));
                }
                true
            }
            "anyOf" => fitting(document, says, value) > 0,
            "oneOf" => fitting(document, says, value) == 1,
            remark if REMARKS.contains(&remark) => true,
            other => panic!("nobody knows the keyword {other} at {at}"),
        };
        if !sound {
            problems.push(format!("{at}: {value} breaks {keyword} {says}"));
        }
    }
}

fn fitting(document: &Value, schemas: &Value, value: &Value) -> usize {
    schemas.as_array().unwrap().iter().filter(|schema| problems(document, schema, value).is_empty()).count()
}

fn types(says: &Value) -> Vec<&str> {
    let several = says.as_array().map(|kinds| kinds.iter().filter_map(Value::as_str).collect());
    several.unwrap_or_else(|| says.as_str().into_iter().collect())
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type is called {other}"),
    }
}
