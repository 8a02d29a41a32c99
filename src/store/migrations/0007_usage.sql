-- Who used what: what one caller did in one day (counted in days from 1970, UTC), by provider and event.
CREATE TABLE usage_counts (
    caller TEXT NOT NULL,
    day BIGINT NOT NULL,
    provider TEXT NOT NULL,
    event TEXT NOT NULL,
    times BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (caller, day, provider, event)
);
CREATE INDEX usage_counts_day ON usage_counts (day);
