-- Both databases read this: BIGINT and TEXT alone, times in milliseconds since the Unix epoch, 0 and 1 for no and yes.

CREATE TABLE runs (
    run TEXT NOT NULL PRIMARY KEY,
    node TEXT NOT NULL,
    lease_until BIGINT NOT NULL
);

-- taken_by is the mirror that takes the change in the primary's place, or empty; mirrors are names between commas.
CREATE TABLE intents (
    run TEXT NOT NULL,
    id BIGINT NOT NULL,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    may_delete BIGINT NOT NULL,
    taken_by TEXT NOT NULL,
    mirrors TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    PRIMARY KEY (run, id)
);
CREATE INDEX intents_key ON intents (bucket, key);

-- ready is the later one of due and leased_until, so that whoever looks for work never walks over what others hold.
CREATE TABLE dirty (
    bucket TEXT NOT NULL,
    mirror TEXT NOT NULL,
    key TEXT NOT NULL,
    generation BIGINT NOT NULL,
    delete_generation BIGINT NOT NULL,
    delete_until BIGINT NOT NULL,
    since BIGINT NOT NULL,
    unsure_until BIGINT NOT NULL,
    truth TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due BIGINT NOT NULL,
    state TEXT NOT NULL,
    class TEXT NOT NULL,
    error TEXT NOT NULL,
    lease BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    ready BIGINT NOT NULL,
    PRIMARY KEY (bucket, mirror, key)
);
CREATE INDEX dirty_ready ON dirty (bucket, mirror, ready) WHERE state <> 'dead';
CREATE INDEX dirty_since ON dirty (bucket, mirror, since) WHERE state = 'waiting';
CREATE INDEX dirty_dead ON dirty (bucket, mirror, key) WHERE state = 'dead';
CREATE INDEX dirty_ahead ON dirty (bucket, key) WHERE truth = 'mirror';

-- How many rows wait ('waiting'), are held ('held') or are dead (their class): the sum over all nodes. Each node counts on
-- rows of its own, so that nodes do not wait for each other.
CREATE TABLE backlogs (
    node TEXT NOT NULL,
    bucket TEXT NOT NULL,
    mirror TEXT NOT NULL,
    kind TEXT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (node, bucket, mirror, kind)
);

-- An empty text is none, and so is a last_modified of 0.
CREATE TABLE copies (
    bucket TEXT NOT NULL,
    mirror TEXT NOT NULL,
    key TEXT NOT NULL,
    primary_etag TEXT NOT NULL,
    mirror_etag TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    checksum TEXT NOT NULL,
    last_modified BIGINT NOT NULL,
    metadata_digest TEXT NOT NULL,
    PRIMARY KEY (bucket, mirror, key)
);

-- completed_at is 0 until a walk came to its end.
CREATE TABLE syncs (
    bucket TEXT NOT NULL,
    mirror TEXT NOT NULL,
    cursor TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    completed_at BIGINT NOT NULL,
    PRIMARY KEY (bucket, mirror)
);
