//! Uploads signed by the hundred.

use serde_json::json;

use super::{CONFIG, api, parameter};
use crate::error::Code;

#[test]
fn a_batch_answers_for_each_file() {
    let api = api(CONFIG);
    let reply = api.ask(
        "films/batch/signed-urls",
        r#"{"files":[
            {"filename":"a.mp4","contentType":"video/mp4","fileSize":1},
            {"filename":"b.mp4","contentType":"video/mp4","fileSize":2000},
            {"filename":"c.mp4","fileSize":1},
            {"filename":"d.mp4","contentType":"video/mp4","fileSize":5}
        ],"expiresIn":600,"webhook":{}}"#,
    );
    assert_eq!(reply["success"], true);
    assert_eq!(reply["summary"], json!({"total": 4, "successful": 2, "failed": 2}));
    let results = reply["results"].as_array().unwrap();
    for (index, name) in [(0, "a.mp4"), (3, "d.mp4")] {
        let file = &results[index];
        assert_eq!((&file["success"], &file["index"]), (&json!(true), &json!(index)));
        assert_eq!(file["originalFilename"], name);
        assert_eq!(file["key"], file["uploadFilename"]);
        assert!(file["uploadUrl"].as_str().unwrap().contains(file["key"].as_str().unwrap()));
        assert_eq!(parameter(&file["uploadUrl"], "X-Amz-Expires"), Some("600"));
        for field in [
            "publicUrl",
            "cdnUrl",
            "contentType",
            "fileSize",
            "expiresAt",
            "storageClass",
            "encryption",
            "smartExpiry",
        ] {
            assert!(file.get(field).is_some(), "{field}");
        }
    }
    for (index, code) in [(1, "FILE_TOO_LARGE"), (2, "MISSING_FIELDS")] {
        assert_eq!((&results[index]["success"], &results[index]["error"]), (&json!(false), &json!(code)));
        assert_eq!(results[index]["index"], index);
        assert!(!results[index]["message"].as_str().unwrap().is_empty());
    }
    assert!(reply["hint"].as_str().unwrap().contains("No webhook"));
}

#[test]
fn a_batch_is_a_list_of_1_to_100_files() {
    let api = api(CONFIG);
    let files = |count: usize| {
        let file = r#"{"filename":"a.txt","contentType":"text/plain"}"#;
        format!(r#"{{"files":[{}]}}"#, vec![file; count].join(","))
    };
    let full = api.ask("photos/batch-signed-url", &files(100));
    let keys: std::collections::HashSet<&str> =
        full["results"].as_array().unwrap().iter().map(|file| file["key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 100);
    for (body, code) in [
        (files(101), Code::BatchTooLarge),
        (files(0), Code::InvalidFilesArray),
        ("{}".to_owned(), Code::InvalidFilesArray),
        (r#"{"files":null}"#.to_owned(), Code::InvalidFilesArray),
        (r#"{"files":"a.txt"}"#.to_owned(), Code::InvalidFilesArray),
        (r#"{"files":["a.txt"]}"#.to_owned(), Code::InvalidFilesArray),
        (r#"{"files":[{"filename":7}]}"#.to_owned(), Code::InvalidFilesArray),
        (r#"{"files":{"0":{}}}"#.to_owned(), Code::InvalidFilesArray),
    ] {
        assert_eq!(api.refusal("photos/batch-signed-url", &body).code, code, "{body}");
    }
}

#[test]
fn the_last_url_of_a_batch_outlives_the_uploads_before_it() {
    let api = api(CONFIG);
    let file = r#"{"filename":"a.bin","contentType":"a/b","fileSize":1000000000}"#;
    let expiry = |count: usize| {
        let files = vec![file; count].join(",");
        let body = format!(r#"{{"files":[{files}],"networkInfo":{{"effectiveType":"4g"}}}}"#);
        let reply = api.ask("photos/batch-signed-url", &body);
        let last = reply["results"].as_array().unwrap().last().unwrap();
        assert_eq!(last["smartExpiry"]["applied"], true);
        last["expiresIn"].as_u64().unwrap()
    };
    assert_eq!(expiry(10), expiry(1) * 10);
}
