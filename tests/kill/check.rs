//! After the drain: what the stores hold, against each other and against what was acknowledged.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};

use super::{
    arguments::Arguments,
    client::Bucket,
    content,
    history::{History, State},
};

/// Holds the stores to account. What the primary lacks may still be where the bucket was before: `wharf` says it.
pub(crate) async fn stores(arguments: &Arguments, wharf: &Bucket, history: &History) -> Result<(), String> {
    let primary = Bucket::new(&arguments.primary);
    let keys = primary.keys().await?;
    let possible = history.possible();
    let mut problems = Vec::new();
    for key in &keys {
        if !possible.contains_key(key) {
            problems.push(format!("{key} is there, and nobody sent it"));
        }
    }
    let mut tags_compared = 0;
    for mirror in &arguments.mirrors {
        let (name, mirror) = (&mirror.bucket, Bucket::new(mirror));
        let copied = mirror.keys().await?;
        if copied != keys {
            problems.push(format!("{name} has the keys {copied:?}, and the primary {keys:?}"));
        }
        for key in keys.iter().filter(|key| copied.contains(key)) {
            tags_compared += compare(&primary, &mirror, (name, key), &mut problems).await?;
        }
    }
    // Last, since who reads has objects move.
    for (key, states) in &possible {
        let holder = if keys.contains(key) { &primary } else { wharf };
        if let Err(problem) = check_state(holder, key, states).await? {
            problems.push(problem);
        }
    }
    let (acknowledged, unknown) = history.counts();
    println!(
        "{acknowledged} writes acknowledged, {unknown} of which nobody knows; {} keys compared, {tags_compared} with tags",
        keys.len()
    );
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// The key is as one of the writes left it that nothing acknowledged came after; else what is wrong.
async fn check_state(holder: &Bucket, key: &str, states: &[State]) -> Result<Result<(), String>, String> {
    let found = match holder.ask(Method::GET, Some(key), &[], Bytes::new()).await {
        Ok(answer) if answer.status == StatusCode::NOT_FOUND => State::Absent,
        Ok(answer) if answer.status.is_success() => match content::write_of(&answer.body) {
            Some(write) => State::Written(write),
            None => return Ok(Err(format!("{key} holds {} bytes that nobody sent", answer.body.len()))),
        },
        other => return Err(format!("{key} cannot be read: {other:?}")),
    };
    let is_possible = states.contains(&found);
    Ok(if is_possible { Ok(()) } else { Err(format!("{key} is {found:?}, and should be one of {states:?}")) })
}

/// Compares one object; how many had tags to compare.
async fn compare(
    primary: &Bucket,
    mirror: &Bucket,
    (name, key): (&str, &str),
    problems: &mut Vec<String>,
) -> Result<usize, String> {
    let ours = primary.expect(Method::GET, Some(key), &[]).await?;
    let theirs = mirror.expect(Method::GET, Some(key), &[]).await?;
    if ours.body != theirs.body {
        let [ours, theirs] = [&ours.body, &theirs.body].map(|body| (content::write_of(body), body.len()));
        problems.push(format!("{key} differs at {name}: {ours:?} and {theirs:?}"));
    }
    if content_type(&ours.headers) != content_type(&theirs.headers) {
        problems.push(format!("the type of {key} differs at {name}"));
    }
    let (ours, theirs) = (tags(primary, key).await, tags(mirror, key).await);
    if ours.is_some() && theirs.is_some() && ours != theirs {
        problems.push(format!("the tags of {key} differ at {name}: {ours:?} and {theirs:?}"));
    }
    Ok(usize::from(ours.is_some() && theirs.is_some()))
}

fn content_type(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(header::CONTENT_TYPE).map(header::HeaderValue::as_bytes)
}

/// The values of an object's tags, in order; none where the store keeps no tags. Some of those answer with the object.
async fn tags(bucket: &Bucket, key: &str) -> Option<Vec<String>> {
    let answer = bucket.ask(Method::GET, Some(key), &[("tagging", "")], Bytes::new()).await.ok()?;
    let text = String::from_utf8(answer.body.to_vec()).ok()?;
    let is_document = answer.status.is_success() && text.contains("<Tagging");
    let values = text.split("<Value>").skip(1);
    let values = values.filter_map(|rest| Some(rest.split_once("</Value>")?.0.to_owned()));
    is_document.then(|| values.collect())
}
