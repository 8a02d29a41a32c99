//! The query of a request, as browsers write forms: `filename=a+b.png&metadata[caption]=…`.

use std::borrow::Cow;

use crate::{
    error::{Code, Error},
    upload_api::percent_decode,
};

/// What stands before and behind the name of a metadata field.
const METADATA: (&str, &str) = ("metadata[", "]");

/// Names and values, decoded. Some may be there twice.
pub(super) struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Query<'q> {
    pub(super) fn parse(query: &'q str) -> Result<Self, Error> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        });
        let pairs = decoded.collect::<Option<_>>();
        pairs.map(Self).ok_or_else(|| Error::new(Code::InvalidField, "The query is not UTF-8 text."))
    }

    /// The value of `name`, which may be there once.
    pub(super) fn value(&self, name: &str) -> Result<Option<&str>, Error> {
        let mut values = self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_ref());
        let value = values.next();
        if values.next().is_some() {
            return Err(Error::new(Code::InvalidField, format!("`{name}` is there more than once.")));
        }
        Ok(value)
    }

    /// The fields `metadata[NAME]`, in their order.
    pub(super) fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(METADATA.0)?.strip_suffix(METADATA.1)?;
            Some((name, value.as_ref()))
        })
    }
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return percent_decode(text);
    }
    percent_decode(&text.replace('+', "%20")).map(|decoded| Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_url_search_params_writes_is_read() {
        let query = Query::parse(
            "filename=a+b%2B%C3%BC.png&type=image%2Fpng&metadata%5Bname%5D=x%26y%3Dz&metadata[empty]=&metadata[a]b=c&flag",
        )
        .unwrap();
        assert_eq!(query.value("filename").unwrap(), Some("a b+ü.png"));
        assert_eq!(query.value("type").unwrap(), Some("image/png"));
        assert_eq!((query.value("flag").unwrap(), query.value("key").unwrap()), (Some(""), None));
        assert_eq!(query.metadata().collect::<Vec<_>>(), [("name", "x&y=z"), ("empty", "")]);
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        let code =
            |query| Query::parse(query).and_then(|it| it.value("a").map(drop)).map_err(|error| error.code);
        assert_eq!(code("a=1&b=2"), Ok(()));
        for query in ["a=1&a=2", "a=1&%61=1", "a=%ff", "a=%", "a=%4", "a=%zz"] {
            assert_eq!(code(query), Err(Code::InvalidField), "{query}");
        }
    }
}
