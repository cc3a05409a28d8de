-- Numbers that were given out, or may have been: none of them is given again.
CREATE TABLE serial (
    kind VARCHAR(32) NOT NULL PRIMARY KEY,
    reserved BIGINT NOT NULL
);
INSERT INTO serial (kind, reserved) VALUES ('object', 0);
INSERT INTO serial (kind, reserved) VALUES ('client', 0);
INSERT INTO serial (kind, reserved) VALUES ('group', 0);

-- Managed objects. Dates are seconds since 1970-01-01 UTC, NULL where there is none. `entries` are its rows of object_key, so that
-- they are found again when it changes. What is long comes last: reading the columns before it does not touch it.
CREATE TABLE object (
    id INTEGER NOT NULL PRIMARY KEY,
    uid VARCHAR(128) NOT NULL UNIQUE, -- of version 7 where it is ours, so the index grows at its end
    type INTEGER NOT NULL,
    state INTEGER NOT NULL,
    grp INTEGER NOT NULL,
    owner BIGINT NOT NULL,
    placement INTEGER NOT NULL,
    alg INTEGER NOT NULL,
    bits INTEGER NOT NULL,
    mask INTEGER NOT NULL,
    domain INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    version INTEGER NOT NULL, -- changes of this row
    archived INTEGER NOT NULL,
    initial BIGINT,
    activation BIGINT,
    process_start BIGINT,
    protect_stop BIGINT,
    deactivation BIGINT,
    destroyed BIGINT,
    compromised BIGINT,
    compromise_occurred BIGINT,
    archive_date BIGINT,
    last_change BIGINT,
    original_created BIGINT,
    usage_total BIGINT NOT NULL, -- -1: no limit
    usage_unit INTEGER NOT NULL,
    entries BLOB NOT NULL,
    sealed BLOB NOT NULL,
    value BLOB NOT NULL,
    attributes BLOB NOT NULL
);

-- What finds them: newest first is the end of a range.
CREATE TABLE object_key (
    grp INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    value VARBINARY(64) NOT NULL,
    object BIGINT NOT NULL,
    PRIMARY KEY (grp, attribute, value, object)
) WITHOUT ROWID;

-- When the next date of an object changes its state.
CREATE TABLE object_due (
    due BIGINT NOT NULL,
    object BIGINT NOT NULL,
    PRIMARY KEY (due, object)
) WITHOUT ROWID;

-- What is left of usage limits, apart from the object because it changes with every use.
CREATE TABLE object_usage (
    object INTEGER NOT NULL PRIMARY KEY,
    remaining BIGINT NOT NULL
);

-- Which objects were given out at least once: bit n of chunk c is that of object 65,536 c + n.
CREATE TABLE object_served (
    chunk INTEGER NOT NULL PRIMARY KEY,
    bits BLOB NOT NULL
);

-- Blobs of the protocol's: what Set Defaults and Set Constraints leave behind.
CREATE TABLE object_default (
    grp INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    type INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (grp, kind, type)
);

-- Asynchronous operations, from their correlation value to the moment their result was fetched.
CREATE TABLE pending (
    correlation VARBINARY(32) NOT NULL PRIMARY KEY,
    client BIGINT NOT NULL,
    grp INTEGER NOT NULL,
    operation INTEGER NOT NULL,
    status INTEGER NOT NULL,
    began BIGINT NOT NULL,
    ended BIGINT,
    request BLOB NOT NULL,
    result BLOB NOT NULL
);
CREATE INDEX pending_ended ON pending (ended);

CREATE TABLE grp (
    id INTEGER NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL UNIQUE
);

CREATE TABLE client (
    id INTEGER NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    may INTEGER NOT NULL,
    placement INTEGER NOT NULL,
    certificate VARBINARY(32) UNIQUE, -- SHA-256 of its DER
    password VARCHAR(255),            -- verifier
    notify VARCHAR(255) NOT NULL,
    wants_put INTEGER NOT NULL,
    created BIGINT NOT NULL,
    disabled BIGINT
);
-- the group at place 0 is that of its new objects
CREATE TABLE client_group (
    client INTEGER NOT NULL,
    place INTEGER NOT NULL,
    grp INTEGER NOT NULL,
    PRIMARY KEY (client, place)
);
