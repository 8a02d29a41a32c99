-- A key of a bucket that is read where it was before. is_deleted: nothing of it comes from there any more. until: until then
-- whoever has the token may still write what it has read there; 0 if nobody has one.
CREATE TABLE backfills (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    is_deleted BIGINT NOT NULL,
    token BIGINT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (bucket, key)
);
