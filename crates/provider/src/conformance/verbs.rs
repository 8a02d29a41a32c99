//! Checks of presigned URLs and public addresses.

use crate::{
    Encryption, FormError, GetOptions, PresignError, Presigned, Profile, Provider, PutOptions, Settings,
    Step, StorageClass, Unsupported, Verb,
};

use super::{Outcome, are_distinct, ensure, sample};

/// A class that no provider has.
static FOREIGN: StorageClass = StorageClass::named("NO_SUCH_CLASS");

/// S3's own names for classes whose objects are read only after a restore.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// Every class is found under each of its names, and asked for in the query under its own. What S3 calls an archive is one,
/// and what an object is stored in unasked, the first, is none.
pub(super) fn storage_classes(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    let classes = profile.storage_classes;
    let all: Vec<&str> = classes.iter().flat_map(names).collect();
    ensure(are_distinct(&all) && !all.is_empty(), "a class is there twice, or none")?;
    ensure(classes.first().is_some_and(|class| !class.is_archive), "the first class is an archive")?;
    for class in classes {
        let is_archive = class.is_archive || !ARCHIVES.contains(&class.name);
        ensure(is_archive, format!("{} is an archive at S3 and none here", class.name))?;
        for name in names(class) {
            ensure(profile.storage_class(name) == Ok(class), format!("{name} is not {}", class.name))?;
        }
        let put = PutOptions { storage_class: Some(class), ..PutOptions::default() };
        let url = signed(provider, Verb::Put(put))?;
        let asked = format!("x-amz-storage-class={}", class.name);
        ensure(
            query(url.url.expose()).contains(&asked.as_str()),
            format!("{} is not asked for", class.name),
        )?;
    }
    let put = PutOptions { storage_class: Some(&FOREIGN), ..PutOptions::default() };
    refuses(provider, Verb::Put(put), FOREIGN.name)
}

fn names(class: &'static StorageClass) -> impl Iterator<Item = &'static str> {
    std::iter::once(class.name).chain(class.aliases.iter().copied())
}

/// What is not stored in is refused with the classes that are, and with a reason where there is one.
pub(super) fn refused_storage_classes(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    let known: Vec<&str> = profile.storage_classes.iter().map(|class| class.name).collect();
    let reasons = profile.refused_storage_classes.iter().map(|refused| (refused.name, refused.reason));
    for (name, reason) in reasons.chain([(FOREIGN.name, "no such")]) {
        let Err(problem) = profile.storage_class(name) else { return Err(format!("{name} is taken")) };
        ensure(problem.valid_options == known, "the known classes are not shown")?;
        ensure(
            !reason.is_empty() && problem.message.contains(reason),
            format!("{name} is refused without a reason"),
        )?;
    }
    Ok(())
}

/// What is claimed is asked for with signed headers, unless it happens unasked; what is not is refused.
pub(super) fn encryption(provider: &dyn Provider) -> Outcome {
    let profile = provider.profile();
    let unasked = profile.encrypts_unasked;
    ensure(
        !unasked || profile.encryption.contains(&Encryption::SseS3),
        "it encrypts unasked with no key of its own",
    )?;
    let of_its_own = PutOptions { sse_s3: true, ..PutOptions::default() };
    let own_headers: &[_] = if unasked { &[] } else { &[("x-amz-server-side-encryption", "AES256")] };
    asks_for(provider, of_its_own, Encryption::SseS3, own_headers)?;
    let by_default = PutOptions { kms_key_id: Some(""), ..PutOptions::default() };
    let kms = ("x-amz-server-side-encryption", "aws:kms");
    asks_for(provider, by_default, Encryption::SseKms, &[kms])?;
    let by_key = PutOptions { kms_key_id: Some("key/1"), ..PutOptions::default() };
    let named = ("x-amz-server-side-encryption-aws-kms-key-id", "key/1");
    asks_for(provider, by_key, Encryption::SseKms, &[kms, named])
}

fn asks_for(
    provider: &dyn Provider,
    put: PutOptions<'_>,
    kind: Encryption,
    headers: &[(&str, &str)],
) -> Outcome {
    if !provider.profile().encryption.contains(&kind) {
        return refuses(provider, Verb::Put(put), kind.name());
    }
    let presigned = signed(provider, Verb::Put(put))?;
    let required = presigned.required_headers.iter().map(|(name, value)| (*name, value.as_str()));
    ensure(required.eq(headers.iter().copied()), format!("{} needs other headers", kind.name()))?;
    signs_headers(&presigned)
}

/// `host` and the headers that the holder is told to send, and no others.
fn signs_headers(presigned: &Presigned) -> Outcome {
    let mut names: Vec<&str> = presigned.required_headers.iter().map(|(name, _)| *name).collect();
    names.push("host");
    names.sort_unstable();
    let expected = format!("X-Amz-SignedHeaders={}", names.join("%3B"));
    ensure(
        query(presigned.url.expose()).contains(&expected.as_str()),
        "other headers are signed than are required",
    )
}

/// URLs live as long as the profile says and no longer.
pub(super) fn expiry(provider: &dyn Provider) -> Outcome {
    let account = sample::bind(provider, sample::settings(provider.profile())?)?;
    let longest = provider.profile().limits.presign_seconds_max;
    let expires = |seconds| sample::presign(provider, &account, Verb::Get(GetOptions::default()), seconds);
    for seconds in [1, longest] {
        let url = expires(seconds)?.map_err(|error| error.to_string())?.url;
        ensure(query(url.expose()).contains(&format!("X-Amz-Expires={seconds}").as_str()), "another expiry")?;
    }
    ensure(expires(0)?.is_err(), "a URL that is dead at once is signed")?;
    ensure(expires(longest.saturating_add(1))?.is_err(), "a URL that lives too long is signed")
}

/// A plain client can use it: it signs `host` alone, asks for no checksum, and carries metadata in the query.
pub(super) fn presigned_uploads(provider: &dyn Provider) -> Outcome {
    let metadata = [("colour".to_owned(), "sea green".to_owned())];
    let put = PutOptions { metadata: &metadata, ..PutOptions::default() };
    let presigned = signed(provider, Verb::Put(put))?;
    ensure(presigned.required_headers.is_empty(), "a plain upload needs headers")?;
    signs_headers(&presigned)?;
    let url = presigned.url.expose();
    is_at_the_object(provider, url)?;
    ensure(query(url).contains(&"x-amz-meta-colour=sea%20green"), "the metadata is not in the query")?;
    ensure(!query(url).iter().any(|part| part.starts_with("x-amz-checksum")), "a checksum is signed")
}

/// The answer's headers and the version are in the query.
pub(super) fn presigned_downloads(provider: &dyn Provider) -> Outcome {
    let get = GetOptions {
        version_id: Some("v1"),
        response_content_type: Some("text/plain"),
        response_content_disposition: Some("attachment"),
    };
    let presigned = signed(provider, Verb::Get(get))?;
    ensure(presigned.required_headers.is_empty(), "a download needs headers")?;
    let url = presigned.url.expose();
    is_at_the_object(provider, url)?;
    let expected =
        ["versionId=v1", "response-content-type=text%2Fplain", "response-content-disposition=attachment"];
    ensure(expected.iter().all(|part| query(url).contains(part)), "an option is not in the query")
}

/// Each step is at the object, with its own parameters in the query, and needs no headers.
pub(super) fn uploads_in_parts(provider: &dyn Provider) -> Outcome {
    let upload_id = "up+load";
    let steps = [
        (Step::Create(PutOptions::default()), "uploads="),
        (Step::Part { upload_id, number: 7 }, "partNumber=7"),
        (Step::Part { upload_id, number: 7 }, "uploadId=up%2Bload"),
        (Step::List(upload_id), "uploadId=up%2Bload"),
        (Step::Complete(upload_id), "uploadId=up%2Bload"),
        (Step::Abort(upload_id), "uploadId=up%2Bload"),
    ];
    for (step, expected) in steps {
        let presigned = signed(provider, Verb::Multipart(step))?;
        let url = presigned.url.expose();
        is_at_the_object(provider, url)?;
        ensure(presigned.required_headers.is_empty(), "a step needs headers")?;
        ensure(query(url).contains(&expected), format!("{expected} is not in the query of a step"))?;
    }
    Ok(())
}

/// A form is posted to the bucket, and has what a presigned upload has in its query; where forms are not claimed, none is
/// signed.
pub(super) fn forms(provider: &dyn Provider) -> Outcome {
    let metadata = [("colour".to_owned(), "sea green".to_owned())];
    let class = provider.profile().storage_classes.first();
    let options = PutOptions { metadata: &metadata, storage_class: class, ..PutOptions::default() };
    let form = match sample::form(provider, options)? {
        Ok(form) if provider.profile().features.forms => form,
        Ok(_) => return Err("a form is signed that is not claimed".to_owned()),
        Err(FormError::Unsupported(_)) if !provider.profile().features.forms => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let account = sample::bind(provider, sample::settings(provider.profile())?)?;
    let location = account.location(Some(&sample::bucket()?), None).map_err(|error| error.to_string())?;
    ensure(form.url == location.url(), "the form is not posted to the bucket")?;
    let class = class.map_or("", |class| class.name);
    let expected = [
        ("key", sample::KEY),
        ("content-type", sample::CONTENT_TYPE),
        ("x-amz-meta-colour", "sea green"),
        ("x-amz-storage-class", class),
    ];
    let fields = form.fields.expose();
    let has = |(name, value)| fields.iter().any(|(field, text)| field == name && text == value);
    ensure(expected.into_iter().all(has), "a field is missing from the form")
}

/// A plain client can send a part with it: upload and number are in the query, and `host` alone is signed.
pub(super) fn presigned_parts(provider: &dyn Provider) -> Outcome {
    let account = sample::bind(provider, sample::settings(provider.profile())?)?;
    let sign = |expires_seconds| sample::presign_parts(provider, &account, expires_seconds);
    let parts = sign(lifetime(provider.profile()))?.map_err(|error| error.to_string())?;
    for number in [1, u32::from(provider.profile().limits.parts_max)] {
        let url = parts.url(number);
        is_at_the_object(provider, url.expose())?;
        let expected =
            [&*format!("partNumber={number}"), "uploadId=an%20id%2F7%3D", "X-Amz-SignedHeaders=host"];
        let query = query(url.expose());
        ensure(expected.iter().all(|part| query.contains(part)), "the part is not in the query")?;
    }
    ensure(sign(0)?.is_err(), "URLs of parts that are dead at once are signed")?;
    let longer = provider.profile().limits.presign_seconds_max.saturating_add(1);
    ensure(sign(longer)?.is_err(), "URLs of parts that live too long are signed")
}

/// Below the operator's public address where there is one, else where the object is; in no case signed.
pub(super) fn public_addresses(provider: &dyn Provider) -> Outcome {
    let (bucket, key) = (sample::bucket()?, sample::key()?);
    let settings = sample::settings(provider.profile())?;
    let account = sample::bind(provider, settings.clone())?;
    ensure(
        provider.public_url(&account, &bucket, &key) == object_url(provider)?,
        "it is not where the object is",
    )?;
    let elsewhere = Settings { public_url: Some("https://cdn.example.com/".to_owned()), ..settings };
    let account = sample::bind(provider, elsewhere)?;
    let expected = "https://cdn.example.com/2026/a%20b%2B%C3%BC.txt";
    ensure(provider.public_url(&account, &bucket, &key) == expected, "it is not below the public address")
}

fn is_at_the_object(provider: &dyn Provider, url: &str) -> Outcome {
    let address = url.split_once('?').map(|(address, _)| address);
    ensure(address == Some(&object_url(provider)?), "the URL is not where the object is")
}

fn object_url(provider: &dyn Provider) -> Result<String, String> {
    let account = sample::bind(provider, sample::settings(provider.profile())?)?;
    let location = account.location(Some(&sample::bucket()?), Some(&sample::key()?));
    location.map(|location| location.url()).map_err(|error| error.to_string())
}

fn query(url: &str) -> Vec<&str> {
    url.split_once('?').map(|(_, query)| query.split('&').collect()).unwrap_or_default()
}

fn signed(provider: &dyn Provider, verb: Verb<'_>) -> Result<Presigned, String> {
    let account = sample::bind(provider, sample::settings(provider.profile())?)?;
    let seconds = lifetime(provider.profile());
    sample::presign(provider, &account, verb, seconds)?.map_err(|error| error.to_string())
}

fn refuses(provider: &dyn Provider, verb: Verb<'_>, feature: &str) -> Outcome {
    let account = sample::bind(provider, sample::settings(provider.profile())?)?;
    match sample::presign(provider, &account, verb, lifetime(provider.profile()))? {
        Err(PresignError::Unsupported(Unsupported { feature: named, .. })) => {
            ensure(named.contains(feature), format!("{feature} is refused as {named}"))
        }
        Err(PresignError::Signing(error)) => Err(error.to_string()),
        Ok(_) => Err(format!("{feature} is signed")),
    }
}

/// A lifetime that every provider grants.
fn lifetime(profile: &Profile) -> u32 {
    profile.limits.presign_seconds_max.min(60)
}
