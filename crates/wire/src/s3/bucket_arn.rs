//! The names of buckets in policies, which are JSON: `arn:aws:s3:::BUCKET`, and `arn:aws:s3:::BUCKET/KEY`.

/// What stands before a bucket's name in every partition.
const START: &[u8] = b":s3:::";

/// `policy` with the bucket `to` wherever it has `from` as a whole name. The rest of it stays, byte for byte: JSON says the
/// same in many ways, and what Wharf does not know is none of its business.
pub fn rename_in_policy(policy: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut renamed = Vec::with_capacity(policy.len());
    let mut rest = policy;
    while let Some((before, name)) = split_behind(rest, START) {
        renamed.extend_from_slice(before);
        rest = match name.strip_prefix(from.as_bytes()) {
            Some(after) if ends_a_name(after) => {
                renamed.extend_from_slice(to.as_bytes());
                after
            }
            Some(_) | None => name,
        };
    }
    renamed.extend_from_slice(rest);
    renamed
}

/// Whether `policy` has a wildcard right behind `name`. That is the beginning of many names, and renaming it would change
/// which.
pub fn begins_names_in_policy(policy: &[u8], name: &str) -> bool {
    let mut rest = policy;
    while let Some((_, named)) = split_behind(rest, START) {
        if matches!(named.strip_prefix(name.as_bytes()), Some([b'*' | b'?', ..])) {
            return true;
        }
        rest = named;
    }
    false
}

/// Behind the name comes the end of the string or a key, whose slash some escape. Any other escape is more of the name.
fn ends_a_name(after: &[u8]) -> bool {
    [b"\"".as_slice(), b"/", b"\\/", b"\\u002f", b"\\u002F"].iter().any(|end| after.starts_with(end))
}

fn split_behind<'a>(bytes: &'a [u8], needle: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = bytes.windows(needle.len()).position(|window| window == needle)?;
    bytes.split_at_checked(start + needle.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_names_in_resources_are_renamed() {
        for (policy, renamed) in [
            (r#"{"Resource":"arn:aws:s3:::photos"}"#, r#"{"Resource":"arn:aws:s3:::stored"}"#),
            (
                r#"["arn:aws-cn:s3:::photos/*","arn:aws:s3:::photos"]"#,
                r#"["arn:aws-cn:s3:::stored/*","arn:aws:s3:::stored"]"#,
            ),
            (r#""arn:aws:s3:::photos\/a""#, r#""arn:aws:s3:::stored\/a""#),
            (r#""arn:aws:s3:::photos\u002fa""#, r#""arn:aws:s3:::stored\u002fa""#),
            (r#""arn:aws:s3:::photos\u002F*""#, r#""arn:aws:s3:::stored\u002F*""#),
            (r#""arn:aws:s3:::photos\u002dold""#, r#""arn:aws:s3:::photos\u002dold""#),
            (r#""arn:aws:s3:::photos*""#, r#""arn:aws:s3:::photos*""#),
            (r#""arn:aws:s3:::photos-old/*""#, r#""arn:aws:s3:::photos-old/*""#),
            (r#""arn:aws:s3:::my-photos/*""#, r#""arn:aws:s3:::my-photos/*""#),
            (r#"{"Sid":"photos","Principal":"photos"}"#, r#"{"Sid":"photos","Principal":"photos"}"#),
            (r#""arn:aws:s3:::photos"#, r#""arn:aws:s3:::photos"#),
            ("", ""),
        ] {
            let found = rename_in_policy(policy.as_bytes(), "photos", "stored");
            assert_eq!(String::from_utf8(found).unwrap(), renamed);
        }
    }

    #[test]
    fn a_wildcard_behind_the_name_is_found() {
        let begins = |resource: &str| {
            let policy = format!(r#"["arn:aws:s3:::other*","arn:aws:s3:::{resource}"]"#);
            begins_names_in_policy(policy.as_bytes(), "photos")
        };
        assert!(["photos*", "photos?", "photos*/a"].into_iter().all(begins));
        assert!(!["photos", "photos/*", "photos-old*", "my-photos*", "*"].into_iter().any(begins));
    }

    proptest! {
        #[test]
        fn what_was_renamed_can_be_renamed_back(policy in "(:s3:::|photos|\"|/|[a-z:]){0,12}") {
            let there = rename_in_policy(policy.as_bytes(), "photos", "STORED");
            prop_assert_eq!(rename_in_policy(&there, "STORED", "photos"), policy.into_bytes());
        }
    }
}
