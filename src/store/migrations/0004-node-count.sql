-- How many nodes of each network are in each state; kept by every change of nodes inside its own transaction, because counting ten
-- million rows takes seconds.
CREATE TABLE node_count (
    network INTEGER NOT NULL,
    state INTEGER NOT NULL,
    nodes BIGINT NOT NULL,
    PRIMARY KEY (network, state)
);
INSERT INTO node_count (network, state, nodes) SELECT network, state, count(*) FROM node GROUP BY network, state;
