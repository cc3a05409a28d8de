-- People who log in over HTTPS. Dates are seconds since 1970-01-01 UTC, NULL where there is none.
CREATE TABLE person (
    name VARCHAR(48) NOT NULL PRIMARY KEY,
    role VARCHAR(16) NOT NULL,
    verifier VARCHAR(255) NOT NULL, -- Argon2id
    must_change INTEGER NOT NULL,   -- the password, before anything else
    created BIGINT NOT NULL,
    disabled BIGINT,
    last_login BIGINT
);
