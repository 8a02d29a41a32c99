-- Access tokens that were taken back before their end. A row goes when its token would have ended.
CREATE TABLE revoked_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    ends_at BIGINT NOT NULL
);
