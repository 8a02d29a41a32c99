-- A client's multipart upload at a mirror; upload is the primary's id of it. is_ending: the mirror may have been asked to
-- complete it.
CREATE TABLE tee_uploads (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    upload TEXT NOT NULL,
    mirror TEXT NOT NULL,
    mirror_upload TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    is_ending BIGINT NOT NULL,
    PRIMARY KEY (bucket, key, upload, mirror)
);
CREATE INDEX tee_uploads_begun ON tee_uploads (begun_at);

-- One of its parts, as the primary and the mirror call it.
CREATE TABLE tee_parts (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    upload TEXT NOT NULL,
    mirror TEXT NOT NULL,
    number BIGINT NOT NULL,
    primary_etag TEXT NOT NULL,
    mirror_etag TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (bucket, key, upload, mirror, number)
);
