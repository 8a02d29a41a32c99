//! `config.toml` at the root is the reference of all settings. These tests keep it one.

use std::{collections::BTreeMap, fs, path::Path};

use figment::{
    Figment,
    providers::{Format, Toml},
};

use super::{
    Environment, from_toml_text, lines,
    load::{config, read_sources},
    problem::Origins,
    raw::{Bounds, Document},
};

fn text() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml")).unwrap()
}

/// The file with its examples switched on: `#region = …` counts, `# prose` does not.
fn switched_on(text: &str) -> String {
    let example = |line: &'_ str| {
        line.strip_prefix('#')
            .is_some_and(|rest| rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()))
    };
    text.lines().map(|line| if example(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

fn environment() -> Environment {
    ["AWS_ACCESS_KEY_ID", "R2_ACCESS_KEY_ID", "MINIO_ROOT_USER"]
        .map(|name| (name, "AKIAIOSFODNN7EXAMPLE"))
        .into_iter()
        .chain(
            [
                "AWS_SECRET_ACCESS_KEY",
                "AWS_SESSION_TOKEN",
                "R2_SECRET_ACCESS_KEY",
                "MINIO_ROOT_PASSWORD",
                "APP_SECRET",
                "JWT_SECRET",
                "PHOTOS_EVENTS_TOKEN",
            ]
            .map(|name| (name, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")),
        )
        .chain([("DATABASE_URL", "postgres://wharf:wJalrXUtnFEMI@127.0.0.1/wharf")])
        .collect()
}

/// The files that the examples name.
fn write_files(directory: &Path) {
    for folder in ["tls", "keys"] {
        fs::create_dir(directory.join(folder)).unwrap();
    }
    for door in ["api", "s3", "admin"] {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(directory.join(format!("tls/{door}.crt")), made.cert.pem()).unwrap();
        fs::write(directory.join(format!("tls/{door}.key")), made.signing_key.serialize_pem()).unwrap();
    }
    fs::write(directory.join("keys/cdn.pem"), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
}

/// Every setting that the sections ask for when all examples are switched on, with its bounds.
fn known_settings() -> BTreeMap<String, Option<Bounds>> {
    let environment = environment();
    let document = Document::new(&environment, "".into(), Origins::default());
    let figment = Figment::from(Toml::string(&switched_on(&text())));
    config(&mut document.root(figment.find_value("").unwrap().into_dict().unwrap()));
    document.known.take()
}

#[test]
fn as_it_is_it_says_what_is_the_default_anyway() {
    let written = from_toml_text(&text(), &Environment::default()).unwrap();
    let default = from_toml_text("", &Environment::default()).unwrap();
    assert_eq!(format!("{written:#?}"), format!("{default:#?}"));
}

#[test]
fn its_examples_work_all_at_once() {
    let directory = tempfile::tempdir().unwrap();
    write_files(directory.path());
    let file = directory.path().join("config.toml");
    fs::write(&file, switched_on(&text())).unwrap();
    let config = read_sources(Some(&file), &environment()).config.unwrap();
    assert_eq!((config.providers.len(), config.buckets.len(), config.keys.len()), (3, 1, 1));
    assert!(config.jwt.is_some() && config.server.api.tls.is_some() && config.server.admin.tls.is_some());
    assert!(config.buckets["photos"].cdn.as_ref().unwrap().signer.is_some());
}

#[test]
fn every_setting_is_in_it() {
    let text = text();
    let written = lines::index(&switched_on(&text)).unwrap();
    // One example of a named table is enough for all: `providers.main.region` stands for `providers.*.region`.
    let general = |path: &str| match path.split_once('.') {
        Some((table @ ("providers" | "buckets"), rest)) => {
            // A mirror's encryption is written as its bucket's.
            let setting = rest
                .split_once('.')
                .map_or("", |(_, rest)| rest)
                .replace("mirrors[0].encryption", "encryption");
            format!("{table}.*.{setting}")
        }
        _ => path.to_owned(),
    };
    let written: Vec<_> = written.keys().map(|path| general(path)).collect();
    for setting in known_settings().keys().filter(|setting| !written.contains(&general(setting))) {
        // The other way to give a secret stands in the comment.
        let name = setting.rsplit('.').next().unwrap();
        let sentence = format!("Or {name} = ");
        let also = format!("or {name} = ");
        assert!(name.ends_with("_file"), "{setting} is not in config.toml");
        assert!(text.contains(&sentence) || text.contains(&also), "{setting} is not in config.toml");
    }
}

#[test]
fn every_bound_is_in_it() {
    let text = text();
    let bounded = known_settings().into_iter().filter_map(|(path, bounds)| Some((path, bounds?)));
    for (path, bounds) in bounded {
        let name = path.rsplit('.').next().unwrap();
        let phrase = format!("{} to {}", bounds.start(), bounds.end());
        let lines: Vec<_> = text.lines().collect();
        let own_line =
            lines.iter().position(|line| line.trim_start_matches('#').starts_with(&format!("{name} =")));
        // A setting with a line of its own has its bounds right above; those of inline tables are explained once.
        let explanation = match own_line {
            Some(line) => {
                let comment = lines[..line].rsplit(|line| !line.starts_with("# ")).next().unwrap();
                comment.join(" ")
            }
            None => text.clone(),
        };
        assert!(explanation.replace("# ", "").contains(&phrase), "{path}: {phrase}");
    }
}
