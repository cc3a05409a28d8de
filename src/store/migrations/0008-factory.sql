-- Who may sign packages: SubjectPublicKeyInfo (DER) and its SHA-256.
CREATE TABLE packager (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    public_key BLOB NOT NULL,
    fingerprint VARBINARY(32) NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    created_by VARCHAR(64) NOT NULL
);

-- Packages; one row per revision, the newest counts. Ids of 64 bits are stored with their highest bit flipped, so that the order of
-- the database is that of the ids. The gateway keys are sealed for (key_domain, key_epoch).
CREATE TABLE package (
    config_id BIGINT NOT NULL,
    revision INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    label VARCHAR(128) NOT NULL,
    node_type VARCHAR(64) NOT NULL,
    node_version VARCHAR(64) NOT NULL,
    hardware VARCHAR(255) NOT NULL,
    network VARCHAR(128) NOT NULL,
    realm VARCHAR(128) NOT NULL,
    comment VARCHAR(1000) NOT NULL,
    created BIGINT NOT NULL,
    packager VARCHAR(64) NOT NULL,
    sha256 VARBINARY(32) NOT NULL,
    size BIGINT NOT NULL,
    imported BIGINT NOT NULL,
    imported_by VARCHAR(64) NOT NULL,
    kms_file VARCHAR(100) NOT NULL,
    kms_fingerprint VARBINARY(32) NOT NULL,
    kms_bits INTEGER NOT NULL,
    key_domain INTEGER NOT NULL,
    key_epoch INTEGER NOT NULL,
    gateway_version INTEGER NOT NULL,
    gateway_fingerprint VARBINARY(8) NOT NULL,
    gateway_sealed VARBINARY(128) NOT NULL,
    cdld_version INTEGER NOT NULL,
    cdld_fingerprint VARBINARY(8) NOT NULL,
    cdld_sealed VARBINARY(128) NOT NULL,
    description BLOB NOT NULL, -- package.xml as it was signed
    PRIMARY KEY (config_id, revision)
);
CREATE INDEX package_newest ON package (newest, config_id);
CREATE TABLE package_application (
    config_id BIGINT NOT NULL,
    revision INTEGER NOT NULL,
    place INTEGER NOT NULL,
    name VARCHAR(64) NOT NULL,
    version VARCHAR(64) NOT NULL,
    PRIMARY KEY (config_id, revision, place)
);
CREATE TABLE package_alias (
    alias VARCHAR(100) NOT NULL PRIMARY KEY,
    config_id BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    changed_by VARCHAR(64) NOT NULL
);
CREATE INDEX package_alias_config ON package_alias (config_id);

-- Runs of stations. `ended` and what follows are NULL while one is under way; the number of a run is the order in which they began.
CREATE TABLE factory_run (
    id INTEGER NOT NULL PRIMARY KEY,
    run VARBINARY(16) NOT NULL UNIQUE,
    operation INTEGER NOT NULL,
    config_id BIGINT NOT NULL,
    revision INTEGER NOT NULL,
    batch BIGINT NOT NULL,
    station VARCHAR(64) NOT NULL,
    operator VARCHAR(64) NOT NULL,
    port VARCHAR(64) NOT NULL,
    node_id BIGINT,
    begun BIGINT NOT NULL,
    ended BIGINT,
    return_code INTEGER,
    locked INTEGER,
    milliseconds BIGINT,
    node_type VARCHAR(64),
    hardware VARCHAR(64),
    versions_before BLOB,
    versions_after BLOB,
    text VARCHAR(255)
);
CREATE INDEX factory_run_node ON factory_run (node_id, id) WHERE node_id IS NOT NULL;
CREATE INDEX factory_run_batch ON factory_run (batch, id);
CREATE INDEX factory_run_station ON factory_run (station, id);
CREATE INDEX factory_run_ended ON factory_run (ended, station, batch, return_code) WHERE ended IS NOT NULL;
CREATE INDEX factory_run_open ON factory_run (begun, station) WHERE ended IS NULL;
CREATE INDEX factory_run_failed ON factory_run (return_code, id) WHERE return_code > 0;

-- Every key that a station gave a device: kept, the newest of a device counts. `encrypted` is for the KMS key of its package.
CREATE TABLE device_keying (
    id INTEGER NOT NULL PRIMARY KEY,
    node_id BIGINT NOT NULL,
    run VARBINARY(16) NOT NULL,
    config_id BIGINT NOT NULL,
    revision INTEGER NOT NULL,
    batch BIGINT NOT NULL,
    time BIGINT NOT NULL,     -- by the station's clock
    received BIGINT NOT NULL, -- by ours
    station VARCHAR(64) NOT NULL,
    operator VARCHAR(64) NOT NULL,
    kcv VARBINARY(8) NOT NULL,
    encrypted BLOB NOT NULL,
    applications BLOB NOT NULL
);
CREATE INDEX device_keying_node ON device_keying (node_id, id);

-- One row per device, as its newest keying and last run left it. `exported` is the last export of that keying, 0 where there was none.
CREATE TABLE device (
    node_id BIGINT NOT NULL,
    keying BIGINT NOT NULL, -- 0: it never got a key here
    state INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    config_id BIGINT NOT NULL,
    revision INTEGER NOT NULL,
    batch BIGINT NOT NULL,
    time BIGINT NOT NULL,
    station VARCHAR(64) NOT NULL,
    operator VARCHAR(64) NOT NULL,
    return_code INTEGER NOT NULL, -- of the last run, -1 while none has ended
    exported BIGINT NOT NULL,
    PRIMARY KEY (node_id)
) WITHOUT ROWID;
CREATE INDEX device_batch ON device (batch, node_id);
CREATE INDEX device_config ON device (config_id, node_id);
CREATE INDEX device_new ON device (node_id) WHERE exported = 0;
CREATE INDEX device_keyed ON device (node_id) WHERE state = 1;
CREATE INDEX device_failed ON device (return_code, node_id) WHERE return_code <> 0;

-- Exports, and which keying of which device each had. `devices` is NULL while one is being made: found at start-up it is undone,
-- with the help of what `exported` of the device was before.
CREATE TABLE device_export (
    id INTEGER NOT NULL PRIMARY KEY,
    made BIGINT NOT NULL,
    made_by VARCHAR(64) NOT NULL,
    config_id BIGINT,
    batches VARCHAR(1000) NOT NULL,
    nodes VARCHAR(1000) NOT NULL,
    from_time BIGINT,
    to_time BIGINT,
    only_new INTEGER NOT NULL,
    devices BIGINT
);
CREATE TABLE device_exported (
    export INTEGER NOT NULL,
    node_id BIGINT NOT NULL,
    keying BIGINT NOT NULL,
    before BIGINT NOT NULL,
    PRIMARY KEY (export, node_id)
) WITHOUT ROWID;
CREATE INDEX device_exported_node ON device_exported (node_id, export);

-- counted as they change, because counting a million rows takes a while
CREATE TABLE device_count (
    state INTEGER NOT NULL,
    exported INTEGER NOT NULL,
    devices BIGINT NOT NULL,
    PRIMARY KEY (state, exported)
);

-- what the gateway keys of packages are sealed for
INSERT INTO serial (kind, reserved) VALUES ('factory', 0);
