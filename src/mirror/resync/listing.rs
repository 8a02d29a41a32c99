//! The pages of one side's listing, under the caller's keys.
//!
//! Asked for is `ListObjectsV2` with URL-encoded keys, since XML cannot hold every key. Stores differ in how much of that
//! they do, and each difference would lose keys in silence:
//!
//! - some know the older `ListObjects` alone, which goes on behind a key and not by a token;
//! - some say that keys are encoded and write them as they are. `a+b` is then either of two keys, so the store is asked
//!   which one it has, once.

use http::{HeaderMap, Method};
use wharf_wire::xml::{self, DOCUMENT_BYTES_MAX, ListPage, ListedKey, ListedObject, Written};

use crate::{
    backend::{Outgoing, Payload},
    transfer::{Answer, Side, TransferError},
};

use super::{
    Listed,
    pace::Pace,
    place::{Place, look},
};

/// Keys of a page. S3 gives no more.
const PAGE_KEYS: &str = "1000";

/// Keys of a page that a store is asked about at most, when it does not get clear how it writes them.
const QUESTIONS_MAX: usize = 3;

/// Which of S3's two ways of listing a store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A listing that is being read.
#[derive(Debug)]
pub struct Listing<'a> {
    side: Side,
    place: &'a Place,
    pace: &'a Pace,
    /// What the keys begin with, as the provider knows them.
    prefix: String,
    version: Version,
    /// The provider's key behind which it goes on.
    behind: Option<String>,
    token: Option<String>,
    /// Whether keys are encoded, once the store has been asked.
    is_encoded: Option<bool>,
}

/// A page under the caller's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its objects, in the store's order.
    pub listed: Vec<Listed>,
    /// Whether nothing follows.
    pub is_last: bool,
}

impl<'a> Listing<'a> {
    /// The caller's keys below `prefix`, behind `behind`.
    pub fn new(side: Side, place: &'a Place, prefix: &str, behind: Option<&str>, pacing: &'a Pace) -> Self {
        let below = |key: &str| [place.key_prefix.as_str(), key].concat();
        Self {
            side,
            place,
            pace: pacing,
            prefix: below(prefix),
            version: Version::Two,
            behind: behind.map(below),
            token: None,
            is_encoded: None,
        }
    }

    /// The next page.
    pub async fn page(&mut self) -> Result<Page, TransferError> {
        let page = match self.ask().await {
            Err(error) if self.version == Version::Two && error.is_not_implemented() => {
                self.version = Version::One;
                self.ask().await?
            }
            asked => asked?,
        };
        let is_encoded = self.has_encoded(&page).await?;
        let keys = page.objects.iter().map(|object| self.whole_key(object, is_encoded));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let last = keys.last().cloned();
        let listed = keys.into_iter().zip(page.objects).filter_map(|(key, object)| self.listed(&key, object));
        let listed = listed.collect();
        self.go_on(page.is_truncated, page.next_token, last)?;
        Ok(Page { listed, is_last: !page.is_truncated })
    }

    async fn ask(&self) -> Result<ListPage, TransferError> {
        self.pace.request().await;
        let query = self.query();
        let outgoing = Outgoing {
            bucket: Some(&self.place.bucket),
            query: &query,
            headers: HeaderMap::new(),
            payload: Payload::Unsigned,
            may_repeat: true,
            ..Outgoing::new(Method::GET)
        };
        let unanswered = |error| TransferError::Unanswered { side: self.side, error };
        let reply = self.place.origin.send(outgoing).await.map_err(unanswered)?;
        if !reply.status().is_success() {
            let answer = Box::new(Answer::read(reply).await);
            return Err(TransferError::Refused { side: self.side, answer });
        }
        let document = reply.into_body().read(DOCUMENT_BYTES_MAX).await.map_err(unanswered)?;
        xml::read_list(&document).map_err(|error| self.senseless(error.to_string()))
    }

    fn query(&self) -> Vec<(&str, &str)> {
        let mut query = vec![("encoding-type", "url"), ("max-keys", PAGE_KEYS)];
        if !self.prefix.is_empty() {
            query.push(("prefix", &self.prefix));
        }
        let behind = self.behind.as_deref();
        match (self.version, self.token.as_deref()) {
            (Version::One, _) => query.extend(behind.map(|key| ("marker", key))),
            (Version::Two, Some(token)) => query.extend([("list-type", "2"), ("continuation-token", token)]),
            (Version::Two, None) => {
                query.push(("list-type", "2"));
                query.extend(behind.map(|key| ("start-after", key)));
            }
        }
        query
    }

    /// Where the next page begins. A store that has no token for it lists in the older way, whatever it was asked.
    fn go_on(
        &mut self,
        is_truncated: bool,
        token: Option<String>,
        last: Option<String>,
    ) -> Result<(), TransferError> {
        let has_token = self.version == Version::Two && token.is_some();
        if is_truncated && !has_token && last.is_none() {
            return Err(
                self.senseless("it has more keys to list, and does not say behind which one".to_owned())
            );
        }
        if is_truncated && !has_token {
            self.version = Version::One;
        }
        self.token = token;
        self.behind = last.or_else(|| self.behind.take());
        Ok(())
    }

    /// Whether the keys of `page` are URL-encoded.
    async fn has_encoded(&mut self, page: &ListPage) -> Result<bool, TransferError> {
        let Written::Encoded { in_doubt } = page.written() else { return Ok(false) };
        for key in in_doubt.into_iter().take(QUESTIONS_MAX) {
            if self.is_encoded.is_some() {
                break;
            }
            self.is_encoded = self.ask_which(key).await?;
        }
        Ok(self.is_encoded.unwrap_or(true))
    }

    /// Whether the store has what `key` stands for if it is encoded, or the other one. With both, or with neither since it
    /// was deleted meanwhile, nothing is known.
    async fn ask_which(&self, key: &ListedKey) -> Result<Option<bool>, TransferError> {
        let has_plain = self.has(key.as_written()).await?;
        let has_decoded = match key.meant(true) {
            Some(key) => self.has(&key).await?,
            None => false,
        };
        Ok((has_plain != has_decoded).then_some(has_decoded))
    }

    async fn has(&self, whole_key: &str) -> Result<bool, TransferError> {
        let Ok(object) = self.place.whole_key(self.side, whole_key) else { return Ok(false) };
        Ok(look(self.side, object, self.pace).await?.is_some())
    }

    fn whole_key(&self, object: &ListedObject, is_encoded: bool) -> Result<String, TransferError> {
        let written = &object.key;
        let no_text = || self.senseless(format!("the key {} is no text", written.as_written()));
        let key = written.meant(is_encoded).ok_or_else(no_text)?;
        if key.starts_with(&self.prefix) {
            return Ok(key.into_owned());
        }
        Err(self.senseless(format!("it lists {key}, which is not below {}", self.prefix)))
    }

    /// `object` under the caller's key. What stands before the keys can itself be one there, and is none of the caller's.
    fn listed(&self, whole_key: &str, object: ListedObject) -> Option<Listed> {
        let ListedObject { etag, bytes, last_modified, .. } = object;
        let key = whole_key.strip_prefix(&self.place.key_prefix).filter(|key| !key.is_empty())?;
        Some(Listed { key: key.to_owned(), etag, bytes, last_modified })
    }

    fn senseless(&self, what: String) -> TransferError {
        TransferError::Senseless { side: self.side, what }
    }
}
