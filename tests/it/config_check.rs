//! `wharf check`, as a person reads it.

use std::{fs, process::ExitCode};

use wharf::{cli::check, config::Environment};

fn checked(text: &str) -> (ExitCode, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wharf.toml");
    fs::write(&file, text).unwrap();
    let mut out = Vec::new();
    let code = check::run(Some(&file), &Environment::default(), &mut out).unwrap();
    let out = String::from_utf8(out).unwrap().replace(&format!("{}/", directory.path().display()), "");
    (code, out)
}

#[test]
fn a_good_configuration_is_summed_up() {
    let (code, out) = checked("");
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(
        out,
        "ok: wharf.toml: 0 providers, 0 buckets, no keys (this machine alone); serves the API on http://127.0.0.1:8080, health and metrics on http://127.0.0.1:9090\n"
    );
    let key = "[[keys]]\nid = '0123456789abcdef'\nsecret = '0123456789abcdef'\n";
    let (_, out) = checked(&format!("{key}[server]\napi_listen = '[::]:80'\ns3_listen = '127.0.0.1:9000'\n"));
    assert!(out.contains(", 1 key; serves the API on http://[::]:80, S3 on http://127.0.0.1:9000,"), "{out}");
}

#[test]
fn a_bad_one_is_listed_problem_by_problem() {
    let (code, out) = checked("[server]\napi_lisen = 'x'\n\n[log]\naccess = 'yes'\n");
    assert_eq!(code, ExitCode::FAILURE);
    assert_eq!(
        out,
        "the configuration has 2 problems:\n  server.api_lisen (wharf.toml, line 2): this version has no such setting\n    → did you mean `api_listen`?\n  log.access (wharf.toml, line 5): is a text\n    → write true or false\n"
    );
}
