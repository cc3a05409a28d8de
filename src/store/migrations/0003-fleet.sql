-- Every change begins as a row here and ends in the transaction of the change itself. `ended` is NULL while it runs: found at
-- start-up it was cut off. `noted` says that its end is in the audit chain. The serial is the epoch that its records are sealed for.
CREATE TABLE operation (
    serial INTEGER NOT NULL PRIMARY KEY,
    network INTEGER NOT NULL, -- 0: none
    kind VARCHAR(32) NOT NULL,
    actor VARCHAR(64) NOT NULL,
    source VARCHAR(128) NOT NULL,
    began BIGINT NOT NULL,
    ended BIGINT,
    outcome INTEGER,          -- enum err
    summary VARCHAR(160) NOT NULL,
    noted INTEGER NOT NULL
);
CREATE INDEX operation_noted ON operation (noted, serial);

-- id is that of its domain
CREATE TABLE network (
    id INTEGER NOT NULL PRIMARY KEY,
    name VARCHAR(63) NOT NULL UNIQUE,
    realm VARCHAR(128) NOT NULL UNIQUE,
    id_bits INTEGER NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE network_key (
    network INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    version INTEGER NOT NULL,
    retired INTEGER NOT NULL, -- 0 in use, 1 retired, 2 destroyed
    created BIGINT NOT NULL,
    activates BIGINT NOT NULL,
    epoch INTEGER NOT NULL,
    fingerprint VARBINARY(8) NOT NULL,
    sealed VARBINARY(128) NOT NULL,
    PRIMARY KEY (network, kind, version)
);

-- only the newest version has its sealed keys; the salts of those before it stay, to tell why an old file is refused
CREATE TABLE network_passphrase (
    network INTEGER NOT NULL,
    version INTEGER NOT NULL,
    salt VARBINARY(16) NOT NULL,
    passes INTEGER NOT NULL,
    memory_kib INTEGER NOT NULL,
    lanes INTEGER NOT NULL,
    created BIGINT NOT NULL,
    epoch INTEGER NOT NULL,
    fingerprint VARBINARY(8) NOT NULL,
    sealed VARBINARY(128) NOT NULL,
    pwdh_fingerprint VARBINARY(8) NOT NULL,
    pwdh VARBINARY(128) NOT NULL,
    PRIMARY KEY (network, version)
);

-- ids of 64 bits are stored with their highest bit flipped, so that the order of the database is that of the ids
CREATE TABLE node (
    network INTEGER NOT NULL,
    node_id BIGINT NOT NULL,
    state INTEGER NOT NULL,
    batch BIGINT NOT NULL,
    reprovisioned BIGINT NOT NULL,
    epoch INTEGER NOT NULL,
    fingerprint VARBINARY(8) NOT NULL,
    sealed VARBINARY(47) NOT NULL,
    PRIMARY KEY (network, node_id)
) WITHOUT ROWID;
-- a file's nodes are merged in the order of their ids, so a batch grows at its end
CREATE INDEX node_batch ON node (network, batch, node_id);

CREATE TABLE node_history (
    network INTEGER NOT NULL,
    node_id BIGINT NOT NULL,
    epoch INTEGER NOT NULL,
    batch BIGINT NOT NULL,
    reprovisioned BIGINT NOT NULL,
    replaced BIGINT NOT NULL,
    fingerprint VARBINARY(8) NOT NULL,
    sealed VARBINARY(47) NOT NULL,
    PRIMARY KEY (network, node_id, epoch)
) WITHOUT ROWID;

CREATE TABLE batch (
    network INTEGER NOT NULL,
    batch BIGINT NOT NULL,
    operation INTEGER NOT NULL,
    PRIMARY KEY (network, batch)
) WITHOUT ROWID;

CREATE TABLE peer (
    id INTEGER NOT NULL PRIMARY KEY,
    host VARCHAR(255) NOT NULL UNIQUE,
    realm VARCHAR(128) NOT NULL,
    enabled INTEGER NOT NULL,
    require_tls INTEGER NOT NULL,
    certificate VARBINARY(32),
    domain INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    secret VARBINARY(128), -- sealed
    created BIGINT NOT NULL
);
CREATE TABLE peer_network (
    peer INTEGER NOT NULL,
    network INTEGER NOT NULL,
    PRIMARY KEY (peer, network)
);
