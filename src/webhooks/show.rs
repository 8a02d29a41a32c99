//! What its owner sees of a webhook, and can do with it.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{Upload, Webhooks, owner::Owner, register::not_found, sealed::Sealed, unavailable};
use crate::{
    error::Error,
    request::authenticate::Identity,
    seal::Sealer,
    store::{Delivery, DeliveryState, JournalError, Webhook},
};

/// What an id names.
#[derive(Debug)]
pub enum Shown {
    /// A webhook.
    Webhook(Webhook),
    /// A delivery to one.
    Delivery(Delivery),
}

impl Webhooks {
    /// The caller's webhook or delivery `id`.
    pub async fn show(&self, identity: &Identity, id: &str) -> Result<Shown, Error> {
        let (rows, owner) = (self.rows()?, Owner::of(identity)?);
        if let Some(webhook) = told(rows.find(id, owner.as_str()).await)? {
            return Ok(Shown::Webhook(webhook));
        }
        let delivery = told(rows.find_delivery(id, owner.as_str()).await)?;
        delivery.map(Shown::Delivery).ok_or_else(not_found)
    }

    /// The caller's webhooks, the newest first: up to `count_max` that are older than `before`.
    pub async fn list(
        &self,
        identity: &Identity,
        before: Option<&str>,
        count_max: u32,
    ) -> Result<Vec<Webhook>, Error> {
        told(self.rows()?.list(Owner::of(identity)?.as_str(), before, count_max).await)
    }

    /// Deliveries to a webhook that the caller was shown, the newest first: up to `count_max` that are older than `before`.
    pub async fn deliveries(
        &self,
        webhook: &str,
        state: Option<DeliveryState>,
        before: Option<&str>,
        count_max: u32,
    ) -> Result<Vec<Delivery>, Error> {
        told(self.rows()?.deliveries(webhook, state, before, count_max).await)
    }

    /// How many dead letters each of some webhooks has; those with none are left out.
    pub async fn dead_letters(&self, webhooks: &[&str]) -> Result<BTreeMap<String, u64>, Error> {
        told(self.rows()?.dead_letters(webhooks).await)
    }

    /// The address of a webhook, and what it waits for, as its owner said it.
    pub fn open(&self, webhook: &Webhook, sealer: &Sealer) -> Option<(Zeroizing<String>, Option<Upload>)> {
        let Sealed { url, upload, .. } = Sealed::open(&webhook.sealed, sealer).ok()?;
        Some((url, upload))
    }

    /// Makes dead letters due again: those of a webhook, or a single one. How many.
    pub async fn retry(&self, identity: &Identity, id: &str) -> Result<u64, Error> {
        let (rows, owner) = (self.rows()?, Owner::of(identity)?);
        self.show(identity, id).await?;
        told(rows.retry(id, owner.as_str()).await)
    }

    /// Deletes a webhook, and what is to be delivered to it.
    pub async fn delete(&self, identity: &Identity, id: &str) -> Result<(), Error> {
        let (rows, owner) = (self.rows()?, Owner::of(identity)?);
        let is_deleted = told(rows.remove(id, owner.as_str()).await)?;
        self.refresh(rows).await?;
        if is_deleted { Ok(()) } else { Err(not_found()) }
    }
}

fn told<T>(answer: Result<T, JournalError>) -> Result<T, Error> {
    answer.map_err(|error| unavailable(&error))
}
