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

/// Behind the name comes the end of the string or a key, whose slash some write with a backslash.
fn ends_a_name(after: &[u8]) -> bool {
    matches!(after.first(), Some(b'"' | b'/' | b'\\'))
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

    proptest! {
        #[test]
        fn what_was_renamed_can_be_renamed_back(policy in "(:s3:::|photos|\"|/|[a-z:]){0,12}") {
            let there = rename_in_policy(policy.as_bytes(), "photos", "STORED");
            prop_assert_eq!(rename_in_policy(&there, "STORED", "photos"), policy.into_bytes());
        }
    }
}
