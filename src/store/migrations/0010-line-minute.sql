-- Runs that have ended, counted as they end: the last day of a busy line is a million of them. `minute` is that of the daemon's clock
-- since 1970, `last` the newest end in seconds. It takes the place of the index that was read for it.
CREATE TABLE line_minute (
    minute BIGINT NOT NULL,
    station VARCHAR(64) NOT NULL,
    batch BIGINT NOT NULL,
    return_code INTEGER NOT NULL,
    runs BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (minute, station, batch, return_code)
) WITHOUT ROWID;
INSERT INTO line_minute (minute, station, batch, return_code, runs, last)
    SELECT ended / 60, station, batch, return_code, count(*), max(ended) FROM factory_run WHERE ended IS NOT NULL
    GROUP BY ended / 60, station, batch, return_code;
DROP INDEX factory_run_ended;

-- Lists of devices that few or none may be in.
CREATE INDEX device_sent ON device (node_id) WHERE exported <> 0;
CREATE INDEX device_pretested ON device (node_id) WHERE state = 0;
