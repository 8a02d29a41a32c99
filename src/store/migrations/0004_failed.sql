-- What a mirror waits for: its rows whose last try failed.
CREATE INDEX dirty_failed ON dirty (bucket, mirror, due) WHERE state = 'waiting' AND class <> '';
