-- Domain keys, wrapped by the token's root key; one row per version. Rows of destroyed domains stay, without their key, so that
-- no id is used twice.
CREATE TABLE domain (
    id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    name VARCHAR(80) NOT NULL,
    state INTEGER NOT NULL,  -- enum vault_state
    created BIGINT NOT NULL, -- seconds since 1970-01-01 UTC
    wrapped BLOB NOT NULL,
    PRIMARY KEY (id, version)
);
