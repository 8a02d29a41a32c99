-- Where the two sides of a mirror are: what copies and syncs say is about these places.
CREATE TABLE places (
    bucket TEXT NOT NULL,
    mirror TEXT NOT NULL,
    primary_place TEXT NOT NULL,
    mirror_place TEXT NOT NULL,
    PRIMARY KEY (bucket, mirror)
);
