-- Whom to tell. An 'upload' waits for one object: bucket is where (see Place in the code), prefix its key; once it was told of
-- it is 'fired'. A 'subscription' is told of all that happens to keys with its prefix; events are names between commas.
-- sealed holds the address and the secret. due is when an upload is looked for next, or 0.
CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    bucket TEXT NOT NULL,
    prefix TEXT NOT NULL,
    events TEXT NOT NULL,
    receiver TEXT NOT NULL,
    sealed TEXT NOT NULL,
    is_fired BIGINT NOT NULL,
    looks BIGINT NOT NULL,
    due BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);
CREATE INDEX webhooks_owner ON webhooks (owner, id);
CREATE INDEX webhooks_subscriptions ON webhooks (id) WHERE kind = 'subscription';
CREATE INDEX webhooks_uploads ON webhooks (bucket, prefix) WHERE kind = 'upload';
CREATE INDEX webhooks_due ON webhooks (due) WHERE due > 0;
CREATE INDEX webhooks_ended ON webhooks (ends_at) WHERE kind = 'upload';

-- What is to be told, or was: it goes with its webhook. ready is the later one of due and leased_until. An empty error is
-- none, and so are an attempted_at, an ended_at and a status of 0.
CREATE TABLE webhook_deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    webhook TEXT NOT NULL,
    receiver TEXT NOT NULL,
    event TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    status BIGINT NOT NULL,
    error TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    attempted_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    due BIGINT NOT NULL,
    lease BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    ready BIGINT NOT NULL
);
CREATE INDEX webhook_deliveries_of ON webhook_deliveries (webhook, id);
CREATE INDEX webhook_deliveries_ready ON webhook_deliveries (ready) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_oldest ON webhook_deliveries (created_at) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (webhook, id) WHERE state = 'dead';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE state <> 'waiting';
