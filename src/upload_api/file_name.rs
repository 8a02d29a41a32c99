//! From the name that a file has at the client to one that can stand in an object's key.
//!
//! Letters and marks of any script stay. Nothing stays that a path, a header, a terminal or a reader could take for
//! something else: separators, control characters, invisible ones, text that reorders text, signs that look like a
//! slash or a dot, and ASCII punctuation beyond what every store and shell takes as plain.

/// Bytes of a name: with an upload's id in front it still fits into one file name, where a download will put it, and
/// stores that keep objects as files, some of them in an encoding that takes more room.
const NAME_BYTES_MAX: usize = 100;

/// Bytes of an extension that is worth keeping when a name is cut.
const EXTENSION_BYTES_MAX: usize = 24;

/// What a file is called when nothing of its name can stay.
const NAMELESS: &str = "file";

/// A name of 1 to `bytes_max` bytes (and never more than fits into a file name), without path, for a key.
pub(super) fn sanitise(name: &str, bytes_max: usize) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or_default();
    let mut clean = String::with_capacity(last.len().min(NAME_BYTES_MAX));
    for character in last.chars() {
        match Fate::of(character) {
            // A dot in front would hide the file, and two in a row would climb.
            Fate::Keep if character == '.' && (clean.is_empty() || clean.ends_with('.')) => {}
            Fate::Keep => clean.push(character),
            Fate::Replace if clean.ends_with('_') => {}
            Fate::Replace => clean.push('_'),
            Fate::Drop => {}
        }
    }
    clean.truncate(clean.trim_end_matches('.').len());
    shorten(&mut clean, bytes_max.min(NAME_BYTES_MAX));
    if clean.is_empty() { NAMELESS.to_owned() } else { clean }
}

/// Cuts the stem, so that `name` has at most `bytes_max` bytes and keeps its extension.
fn shorten(name: &mut String, bytes_max: usize) {
    if name.len() <= bytes_max {
        return;
    }
    let extension = match name.rfind('.') {
        Some(dot) if name.len() - dot <= EXTENSION_BYTES_MAX.min(bytes_max) => name.split_off(dot),
        Some(_) | None => String::new(),
    };
    let stem_bytes = name.floor_char_boundary(bytes_max - extension.len());
    name.truncate(stem_bytes);
    name.truncate(name.trim_end_matches('.').len());
    name.push_str(if name.is_empty() { extension.trim_start_matches('.') } else { &extension });
}

/// What becomes of a character.
enum Fate {
    Keep,
    Replace,
    Drop,
}

impl Fate {
    fn of(character: char) -> Self {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | '(' | ')' => Self::Keep,
            _ if character.is_control() || is_invisible(character) => Self::Drop,
            _ if character.is_ascii() || character.is_whitespace() || is_deceptive(character) => {
                Self::Replace
            }
            _ => Self::Keep,
        }
    }
}

/// Characters that show nothing, or change how their neighbours show (Unicode 16, categories Cf, Co and Zl, and the
/// fillers and selectors among the letters and marks).
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}'
    )
}

/// Characters that people, or systems that fold Unicode forms, take for a slash, a backslash, a dot or a colon.
const fn is_deceptive(character: char) -> bool {
    matches!(
        character,
        '\u{2024}'..='\u{2026}' | '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{2236}' | '\u{29f5}' | '\u{29f8}'
            | '\u{29f9}' | '\u{fe52}' | '\u{fe55}' | '\u{fe68}' | '\u{ff01}'..='\u{ff0f}'
            | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_people_give_stay_readable() {
        for (name, clean) in [
            ("photo.jpg", "photo.jpg"),
            ("my photo (1).jpg", "my_photo_(1).jpg"),
            ("résumé 日本.pdf", "résumé_日本.pdf"),
            ("Grüße.txt", "Grüße.txt"),
            ("हिन्दी.txt", "हिन्दी.txt"),
            ("תמונה.png", "תמונה.png"),
            ("🌊.png", "🌊.png"),
            ("README", "README"),
            ("archive.tar.gz", "archive.tar.gz"),
            ("a__b.txt", "a__b.txt"),
            ("100% & more?.txt", "100_more_.txt"),
        ] {
            assert_eq!(sanitise(name, 1000), clean, "{name}");
        }
    }

    #[test]
    fn nothing_of_a_path_or_a_trick_stays() {
        for (name, clean) in [
            ("../../etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("C:\\fakepath\\photo.jpg", "photo.jpg"),
            ("folder/", "folder"),
            ("..", "file"),
            (".", "file"),
            ("", "file"),
            ("///", "file"),
            ("\r\n\0\u{7f}", "file"),
            (".htaccess", "htaccess"),
            ("...a...b...", "a.b"),
            ("a\r\nx-amz-acl: public-read", "ax-amz-acl_public-read"),
            ("a\u{202e}gpj.exe", "agpj.exe"),
            ("a\u{200b}.\u{200b}.b", "a.b"),
            ("\u{feff}a", "a"),
            ("a\u{2044}b\u{ff0f}c\u{2215}d", "a_b_c_d"),
            ("\u{2025}\u{ff0f}x", "_x"),
            ("<script>.js", "_script_.js"),
            ("a\u{e0041}\u{fe0f}b", "ab"),
        ] {
            assert_eq!(sanitise(name, 1000), clean, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let long = "x".repeat(5000);
        let name = sanitise(&format!("{long}.jpeg"), 1000);
        assert_eq!(name.len(), NAME_BYTES_MAX);
        assert_eq!(name.strip_suffix(".jpeg"), long.get(..NAME_BYTES_MAX - 5));
        assert_eq!(sanitise(&long, 10), "x".repeat(10));
        assert_eq!(sanitise(&format!("a.{long}"), 10), "a.xxxxxxxx");
        assert_eq!(sanitise("日本日本.jpg", 12), "日本.jpg");
        assert_eq!(sanitise("aaa.bbb.jpg", 8), "aaa.jpg");
        assert_eq!(sanitise("日.jpg", 5), "jpg");
    }

    proptest! {
        #[test]
        fn whatever_comes_a_safe_name_leaves(name in "\\PC{0,40}|(?s).{0,300}", bytes_max in 5_usize..300) {
            let clean = sanitise(&name, bytes_max);
            prop_assert!(!clean.is_empty() && clean.len() <= bytes_max.min(NAME_BYTES_MAX));
            prop_assert!(!clean.contains(['/', '\\', ':', '"', '<', '>', '|', '?', '*', '%', '#', '&', ' ']));
            prop_assert!(!clean.starts_with('.') && !clean.ends_with('.') && !clean.contains(".."));
            prop_assert!(!clean.chars().any(|it| it.is_control() || it.is_whitespace() || is_invisible(it)));
            prop_assert_eq!(sanitise(&clean, bytes_max), clean);
        }
    }
}
