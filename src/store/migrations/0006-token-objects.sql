-- Objects that are destroyed here and may still be in the token: found without reading the others. The record that says where they
-- are goes once they are not there any more.
CREATE INDEX object_token_left ON object (id) WHERE placement = 2 AND state >= 5 AND length(sealed) > 0;

-- Keys that may be in the token and belong to no object: written before the key is made, and gone with the commit of its object.
-- What is here after a crash is destroyed at the next start. doomed 1: destroyed as soon as may be, for an object has another key by now.
CREATE TABLE token_promise (
    id BIGINT NOT NULL PRIMARY KEY,
    object BIGINT NOT NULL,
    domain INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    doomed INTEGER NOT NULL,
    uid VARCHAR(128) NOT NULL,
    sealed BLOB NOT NULL
);
INSERT INTO serial (kind, reserved) VALUES ('promise', 0);
