//! Webhooks and deliveries, as one transaction changes them.

use std::{mem, time::Duration};

use wharf_wire::date::Timestamp;

use crate::store::{
    command::Asked,
    error::JournalError,
    rows::shown,
    sql::{Columns, ROWS_MAX},
    webhooks::{
        ClaimedDelivery, DeliveryClaiming, DeliveryEnd, DeliveryState, NewDelivery, WEBHOOK_COLUMNS,
        WEBHOOK_ROWS_MAX, Webhook, WebhookKind, WebhookWrite, claimed, webhook,
    },
};

use super::{
    batch::{answer_each, push, questions, refuse_each},
    work::Work,
};

/// All that is stored of a delivery but for what comes from its webhook.
const NEW_COLUMNS: &str = "id, webhook, receiver, event, key, body, state, attempts, status, error, created_at, \
    attempted_at, ended_at, due, lease, leased_until, ready";

/// An upload is looked for this long after the last time, doubling up to [`LOOK_PAUSE_MAX`].
const LOOK_PAUSE: Duration = Duration::from_secs(5);
const LOOK_PAUSE_MAX: Duration = Duration::from_mins(10);

/// What one transaction is to do for webhooks.
#[derive(Default)]
pub(super) struct WebhookBatch {
    writes: Vec<Asked<WebhookWrite, u64>>,
    claims: Vec<Asked<DeliveryClaiming, Vec<ClaimedDelivery>>>,
    looks: Vec<Asked<u32, Vec<Webhook>>>,
}

/// What it answers.
#[derive(Default)]
pub(super) struct WebhookAnswers {
    writes: Vec<u64>,
    claims: Vec<Vec<ClaimedDelivery>>,
    looks: Vec<Vec<Webhook>>,
    /// Whether there is something to deliver, or to look for.
    pub(super) has_work: bool,
}

impl WebhookBatch {
    pub(super) fn write(&mut self, asked: Asked<WebhookWrite, u64>) {
        push(&mut self.writes, asked);
    }

    pub(super) fn claim(&mut self, asked: Asked<DeliveryClaiming, Vec<ClaimedDelivery>>) {
        push(&mut self.claims, asked);
    }

    pub(super) fn look(&mut self, asked: Asked<u32, Vec<Webhook>>) {
        push(&mut self.looks, asked);
    }

    /// Does all of it.
    pub(super) async fn apply(
        &self,
        work: &mut Work<'_>,
        mut token: impl FnMut() -> u64,
    ) -> Result<WebhookAnswers, sqlx::Error> {
        let mut answers = WebhookAnswers::default();
        for write in questions(&self.writes) {
            answers.has_work |= write.makes_work();
            answers.writes.push(work.webhook_write(write).await?);
        }
        for claiming in questions(&self.claims) {
            answers.claims.push(work.claim_deliveries(claiming, token()).await?);
        }
        for count_max in questions(&self.looks) {
            answers.looks.push(work.claim_looks(*count_max).await?);
        }
        Ok(answers)
    }

    /// Tells everybody what came of it.
    pub(super) fn answer(&mut self, answers: WebhookAnswers) {
        answer_each(mem::take(&mut self.writes), answers.writes);
        answer_each(mem::take(&mut self.claims), answers.claims);
        answer_each(mem::take(&mut self.looks), answers.looks);
    }

    /// Tells everybody that nothing was done.
    pub(super) fn refuse(&mut self, error: &JournalError) {
        refuse_each(mem::take(&mut self.writes), error);
        refuse_each(mem::take(&mut self.claims), error);
        refuse_each(mem::take(&mut self.looks), error);
    }
}

impl WebhookWrite {
    /// How many rows it is about.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Record(deliveries) => deliveries.len(),
            Self::Retry { .. } | Self::Remove { .. } | Self::Prune(_) => ROWS_MAX,
            Self::Register(..) | Self::Fire(_) | Self::End { .. } => 1,
        }
    }

    /// Whether somebody is to be woken for what it leaves.
    fn makes_work(&self) -> bool {
        match self {
            Self::Fire(_) | Self::Record(_) | Self::Retry { .. } => true,
            Self::Register(webhook, _) => webhook.due.is_some(),
            Self::End { .. } | Self::Remove { .. } | Self::Prune(_) => false,
        }
    }
}

impl Work<'_> {
    /// How many rows it touched.
    async fn webhook_write(&mut self, write: &WebhookWrite) -> Result<u64, sqlx::Error> {
        match write {
            WebhookWrite::Register(webhook, subscriptions_max) => {
                self.register_webhook(webhook, *subscriptions_max).await
            }
            WebhookWrite::Fire(delivery) => self.fire(delivery).await,
            WebhookWrite::Record(deliveries) => self.record_deliveries(deliveries).await,
            WebhookWrite::End { id, lease, end } => self.end_delivery(id, *lease, end).await,
            WebhookWrite::Retry { id, owner } => self.retry_deliveries(id, owner).await,
            WebhookWrite::Remove { id, owner } => self.remove_webhook(id, owner).await,
            WebhookWrite::Prune(before) => self.prune_webhooks(*before).await,
        }
    }

    async fn register_webhook(
        &mut self,
        webhook: &Webhook,
        subscriptions_max: u64,
    ) -> Result<u64, sqlx::Error> {
        if webhook.kind == WebhookKind::Subscription {
            let count = self.sql("SELECT COUNT(*) AS total FROM webhooks WHERE kind = 'subscription'");
            let rows = self.fetch(&count).await?;
            if rows.first().ok_or(sqlx::Error::RowNotFound)?.unsigned("total")? >= subscriptions_max {
                return Ok(0);
            }
        }
        let mut sql = self.sql("INSERT INTO webhooks (");
        sql.push(WEBHOOK_COLUMNS).push(") VALUES (").webhook(webhook).push(") ON CONFLICT (id) DO NOTHING");
        self.execute(&sql).await
    }

    async fn fire(&mut self, delivery: &NewDelivery) -> Result<u64, sqlx::Error> {
        let mut sql = self.sql("UPDATE webhooks SET is_fired = 1, due = 0 WHERE is_fired = 0 AND id = ");
        sql.key(&delivery.webhook);
        if self.execute(&sql).await? == 0 {
            return Ok(0);
        }
        self.record_deliveries(std::slice::from_ref(delivery)).await
    }

    /// What is to be delivered goes to where its webhook says. One that is gone gets nothing.
    async fn record_deliveries(&mut self, deliveries: &[NewDelivery]) -> Result<u64, sqlx::Error> {
        let mut count = 0;
        for chunk in deliveries.chunks(ROWS_MAX) {
            let now = self.now();
            let mut sql = self.sql("INSERT INTO webhook_deliveries (");
            sql.push(NEW_COLUMNS)
                .push(") SELECT column1, webhooks.id, receiver, column3, column4, column5, ");
            sql.push("'waiting', 0, 0, '', ").time(now).push(", 0, 0, ").time(now).push(", 0, 0, ").time(now);
            sql.push(" FROM (VALUES ").rows(chunk, |sql, delivery| {
                sql.key(&delivery.id).push(", ").key(&delivery.webhook).push(", ").text(&delivery.event);
                sql.push(", ").key(&delivery.key).push(", ").text(&delivery.body);
            });
            sql.push(
                ") AS given JOIN webhooks ON webhooks.id = column2 WHERE 1 = 1 ON CONFLICT (id) DO NOTHING",
            );
            count += self.execute(&sql).await?;
        }
        Ok(count)
    }

    /// Gives out deliveries that are ready, under the lease's `token`.
    async fn claim_deliveries(
        &mut self,
        claiming: &DeliveryClaiming,
        token: u64,
    ) -> Result<Vec<ClaimedDelivery>, sqlx::Error> {
        let mut sql = self.sql("SELECT id, webhook, receiver, event, body, attempts, ");
        // On another node, a webhook may have gone while something was recorded for it.
        sql.push("COALESCE((SELECT sealed FROM webhooks WHERE webhooks.id = webhook), '') AS sealed");
        sql.push(" FROM webhook_deliveries WHERE state = 'waiting' AND ready <= ").time(self.now());
        sql.without(&claiming.without).push(" ORDER BY ready LIMIT ").number(claiming.count_max.into());
        sql.push(self.dialect.for_update_skip_locked());
        let rows = self.fetch(&sql).await?;
        let found: Vec<_> = rows.iter().map(|row| claimed(row, token)).collect::<Result<_, _>>()?;
        if found.is_empty() {
            return Ok(found);
        }
        let until = Timestamp::from_unix_millis(
            self.now()
                .unix_millis()
                .saturating_add(u64::try_from(claiming.lease.as_millis()).unwrap_or(u64::MAX)),
        );
        let mut sql = self.sql("UPDATE webhook_deliveries SET lease = ");
        sql.unsigned(token).push(", leased_until = ").time(until).push(", ready = ").time(until);
        sql.push(" WHERE id IN (VALUES ").rows(&found, |sql, delivery| {
            sql.key(&delivery.id);
        });
        sql.push(")");
        self.execute(&sql).await?;
        Ok(found)
    }

    async fn end_delivery(&mut self, id: &str, lease: u64, end: &DeliveryEnd) -> Result<u64, sqlx::Error> {
        let now = self.now();
        let mut sql = self.sql("UPDATE webhook_deliveries SET attempts = attempts + 1, state = ");
        sql.text(end.state.as_str()).push(", status = ").number(end.status.unwrap_or_default().into());
        sql.push(", error = ").text(&shown(&end.error)).push(", attempted_at = ").time(now);
        if end.state != DeliveryState::Waiting {
            sql.push(", ended_at = ").time(now);
        }
        sql.push(", due = ").time(end.due).push(", ready = ").time(end.due);
        sql.push(", lease = 0, leased_until = 0 WHERE id = ").key(id).push(" AND lease = ").unsigned(lease);
        self.execute(&sql).await
    }

    async fn retry_deliveries(&mut self, id: &str, owner: &str) -> Result<u64, sqlx::Error> {
        let now = self.now();
        let mut sql =
            self.sql("UPDATE webhook_deliveries SET state = 'waiting', attempts = 0, ended_at = 0, due = ");
        sql.time(now).push(", ready = ").time(now);
        sql.push(" WHERE id IN (SELECT id FROM webhook_deliveries WHERE state = 'dead' AND (id = ").key(id);
        sql.push(" OR webhook = ").key(id).push(") AND webhook IN (SELECT id FROM webhooks WHERE owner = ");
        sql.key(owner).push(") LIMIT ").unsigned(WEBHOOK_ROWS_MAX).push(")");
        self.execute(&sql).await
    }

    async fn remove_webhook(&mut self, id: &str, owner: &str) -> Result<u64, sqlx::Error> {
        let mut sql =
            self.sql("DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries");
        sql.push(" WHERE webhook IN (SELECT id FROM webhooks WHERE id = ").key(id).push(" AND owner = ");
        sql.key(owner).push(") LIMIT ").unsigned(WEBHOOK_ROWS_MAX).push(")");
        let count = self.execute(&sql).await?;
        if count == WEBHOOK_ROWS_MAX {
            return Ok(count);
        }
        let mut sql = self.sql("DELETE FROM webhooks WHERE id = ");
        sql.key(id).push(" AND owner = ").key(owner);
        Ok(count + self.execute(&sql).await?)
    }

    async fn prune_webhooks(&mut self, before: Timestamp) -> Result<u64, sqlx::Error> {
        let mut sql =
            self.sql("DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries");
        sql.push(" WHERE state <> 'waiting' AND ended_at < ").time(before);
        sql.push(" LIMIT ").unsigned(WEBHOOK_ROWS_MAX).push(")");
        let deliveries = self.execute(&sql).await?;
        let mut sql =
            self.sql("DELETE FROM webhooks WHERE id IN (SELECT id FROM webhooks WHERE kind = 'upload'");
        sql.push(" AND ends_at < ").time(before).push(" AND NOT EXISTS (SELECT 1 FROM webhook_deliveries");
        sql.push(" WHERE webhook = webhooks.id) LIMIT ").unsigned(WEBHOOK_ROWS_MAX).push(")");
        Ok(deliveries + self.execute(&sql).await?)
    }

    /// Gives out webhooks whose uploads are to be looked for. The next look is put off at once: it is also what holds them.
    async fn claim_looks(&mut self, count_max: u32) -> Result<Vec<Webhook>, sqlx::Error> {
        let now = self.now();
        let mut sql = self.sql("SELECT ");
        sql.push(WEBHOOK_COLUMNS).push(" FROM webhooks WHERE due > 0 AND due <= ").time(now);
        sql.push(" ORDER BY due LIMIT ").number(count_max.into()).push(self.dialect.for_update_skip_locked());
        let rows = self.fetch(&sql).await?;
        let found: Vec<_> = rows.iter().map(webhook).collect::<Result<_, _>>()?;
        for webhook in &found {
            let mut sql = self.sql("UPDATE webhooks SET looks = looks + 1, due = ");
            let next = now.plus_seconds(look_pause(webhook.looks).as_secs());
            sql.number(if next > webhook.ends_at { 0 } else { crate::store::sql::millis(next) });
            sql.push(" WHERE id = ").key(&webhook.id);
            self.execute(&sql).await?;
        }
        Ok(found)
    }

    /// Ends the leases of those who delivered and are gone, when this process starts; as for mirrors' workers.
    pub(super) async fn end_lost_deliveries(&mut self) -> Result<(), sqlx::Error> {
        let sql =
            self.sql("UPDATE webhook_deliveries SET leased_until = 0, ready = due WHERE leased_until > 0");
        self.execute(&sql).await?;
        Ok(())
    }
}

fn look_pause(looks: u32) -> Duration {
    LOOK_PAUSE.saturating_mul(1 << looks.min(16)).min(LOOK_PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_looked_for_less_and_less_often() {
        assert_eq!([0, 1, 2, 6, 7, 99].map(|looks| look_pause(looks).as_secs()), [5, 10, 20, 320, 600, 600]);
    }
}
