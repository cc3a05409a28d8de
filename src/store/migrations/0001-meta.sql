-- What every store has: facts about itself, and the migrations it went through.
CREATE TABLE meta (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
);
CREATE TABLE migration (
    number INTEGER NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    applied BIGINT NOT NULL -- seconds since 1970-01-01 UTC
);
