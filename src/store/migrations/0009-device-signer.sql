-- Factories whose device_keys.xml is believed: SubjectPublicKeyInfo (DER) and its SHA-256. Network 0: all.
CREATE TABLE device_signer (
    name VARCHAR(63) NOT NULL PRIMARY KEY,
    network INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    fingerprint VARBINARY(32) NOT NULL,
    created BIGINT NOT NULL,
    created_by VARCHAR(64) NOT NULL
);
CREATE INDEX device_signer_network ON device_signer (network, fingerprint);
