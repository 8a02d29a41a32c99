//! The query parameters that Wharf knows, and the values that each may have.

use super::{ErrorCode, Operation, Refusal};

macro_rules! parameters {
    ($($variant:ident $name:literal $rule:ident;)*) => {
        /// A query parameter of S3, except for sub-resources that have no value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are S3's, whose pages explain them")]
        pub enum Parameter { $($variant,)* }

        impl Parameter {
            /// The name as it is sent.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub(super) fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            const fn rule(self) -> Rule {
                match self { $(Self::$variant => Rule::$rule,)* }
            }
        }
    };
}

/// What a value must be.
#[derive(Clone, Copy)]
enum Rule {
    /// Any text.
    Text,
    /// At least one character.
    Token,
    /// `1..=10000`
    PartNumber,
    /// A number from 0; S3 lowers it to its own maximum.
    Count,
    /// `url`, the only encoding that there is.
    Encoding,
    /// `true` or `false`.
    Flag,
    /// What may stand in a header of the reply: the provider writes it into one.
    HeaderValue,
}

parameters! {
    BucketRegion "bucket-region" Text;
    ContinuationToken "continuation-token" Token;
    Delimiter "delimiter" Text;
    EncodingType "encoding-type" Encoding;
    FetchOwner "fetch-owner" Flag;
    KeyMarker "key-marker" Text;
    Marker "marker" Text;
    MaxBuckets "max-buckets" Count;
    MaxKeys "max-keys" Count;
    MaxParts "max-parts" Count;
    MaxUploads "max-uploads" Count;
    PartNumber "partNumber" PartNumber;
    PartNumberMarker "part-number-marker" Count;
    Prefix "prefix" Text;
    ResponseCacheControl "response-cache-control" HeaderValue;
    ResponseContentDisposition "response-content-disposition" HeaderValue;
    ResponseContentEncoding "response-content-encoding" HeaderValue;
    ResponseContentLanguage "response-content-language" HeaderValue;
    ResponseContentType "response-content-type" HeaderValue;
    ResponseExpires "response-expires" HeaderValue;
    SelectType "select-type" Token;
    StartAfter "start-after" Text;
    UploadId "uploadId" Token;
    UploadIdMarker "upload-id-marker" Text;
    VersionId "versionId" Token;
    VersionIdMarker "version-id-marker" Text;
}

/// S3's highest part number.
const PART_NUMBER_MAX: u16 = 10_000;

impl Parameter {
    fn check(self, value: &str) -> Result<(), Refusal> {
        let is_valid = match self.rule() {
            Rule::Text => true,
            Rule::Token => !value.is_empty(),
            Rule::PartNumber => part_number(value).is_some(),
            Rule::Count => is_count(value),
            Rule::Encoding => value == "url",
            Rule::Flag => matches!(value, "true" | "false"),
            Rule::HeaderValue => value.chars().all(|character| character == '\t' || !character.is_control()),
        };
        if is_valid {
            return Ok(());
        }
        Err(Refusal::new(ErrorCode::InvalidArgument, format!("{} {}", self.name(), self.expectation())))
    }

    const fn expectation(self) -> &'static str {
        match self.rule() {
            Rule::Text => "is any text",
            Rule::Token => "is not empty",
            Rule::PartNumber => "is a number from 1 to 10000",
            Rule::Count => "is a number from 0 to 2147483647",
            Rule::Encoding => "is url",
            Rule::Flag => "is true or false",
            Rule::HeaderValue => "has no control characters",
        }
    }
}

fn part_number(value: &str) -> Option<u16> {
    let number = if is_digits(value) { value.parse().ok()? } else { 0 };
    (1..=PART_NUMBER_MAX).contains(&number).then_some(number)
}

/// What S3's own 32-bit integers hold.
fn is_count(value: &str) -> bool {
    is_digits(value) && value.parse::<i32>().is_ok()
}

/// `parse` would take a sign.
fn is_digits(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit())
}

/// The parameters of one request: decoded, known to its operation, checked, and each there once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(Parameter, String)>);

impl Parameters {
    /// The value, if the parameter was sent.
    pub fn get(&self, parameter: Parameter) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == parameter).map(|(_, value)| value.as_str())
    }

    /// Puts `value` in place of the one that was sent.
    pub fn set(&mut self, parameter: Parameter, value: String) {
        self.remove(parameter);
        self.0.push((parameter, value));
    }

    /// Forgets the parameter.
    pub fn remove(&mut self, parameter: Parameter) {
        self.0.retain(|(known, _)| *known != parameter);
    }

    /// All that were sent, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (Parameter, &str)> {
        self.0.iter().map(|(parameter, value)| (*parameter, value.as_str()))
    }

    /// The query of a request for `operation`, decoded: its sub-resource, and the parameters.
    pub fn pairs(&self, operation: Operation) -> impl Iterator<Item = (&str, &str)> {
        operation.flag().into_iter().chain(self.iter().map(|(parameter, value)| (parameter.name(), value)))
    }

    /// `uploadId`
    pub fn upload_id(&self) -> Option<&str> {
        self.get(Parameter::UploadId)
    }

    /// `versionId`
    pub fn version_id(&self) -> Option<&str> {
        self.get(Parameter::VersionId)
    }

    /// `partNumber`
    pub fn part_number(&self) -> Option<u16> {
        self.get(Parameter::PartNumber).and_then(part_number)
    }

    /// `prefix`, which says the same when it is empty and when it is absent.
    pub fn prefix(&self) -> &str {
        self.get(Parameter::Prefix).unwrap_or_default()
    }

    /// Whether the caller chooses headers of the reply. Only who signs may: a link to a public object could make a page
    /// of it.
    pub fn override_reply(&self) -> bool {
        self.0.iter().any(|(parameter, _)| matches!(parameter.rule(), Rule::HeaderValue))
    }

    /// Adds a parameter of `operation`'s, decoded from the query. What means nothing is left out.
    pub(super) fn add(&mut self, operation: Operation, name: &str, value: String) -> Result<(), Refusal> {
        let parameter = Parameter::from_name(name).filter(|known| operation.parameters().contains(known));
        let Some(parameter) = parameter else {
            if means_nothing(operation, name) {
                return Ok(());
            }
            return Err(Refusal::about(
                ErrorCode::NotImplemented,
                "This query parameter is not implemented here",
                name,
            ));
        };
        parameter.check(&value)?;
        self.0.push((parameter, value));
        Ok(())
    }
}

/// Whether S3 passes over the parameter: a link to an object may say anything (`?v=3`, `utm_source`) that is not S3's.
fn means_nothing(operation: Operation, name: &str) -> bool {
    let is_read = matches!(operation, Operation::GetObject | Operation::HeadObject);
    is_read && Parameter::from_name(name).is_none() && !is_sub_resource_in_any_case(name)
}

/// Sub-resources of S3's that are not served. Whoever asks for one does not want the object.
const NOT_SERVED: [&str; 14] = [
    "abac",
    "analytics",
    "annotation",
    "append",
    "intelligent-tiering",
    "inventory",
    "metadata",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "renameObject",
    "session",
];

fn is_sub_resource_in_any_case(name: &str) -> bool {
    let served = Operation::ALL.iter().map(|operation| operation.sub_resource());
    served.filter(|known| !known.is_empty()).chain(NOT_SERVED).any(|known| known.eq_ignore_ascii_case(name))
}
