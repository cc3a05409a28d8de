-- Objects that are destroyed here and may still be in the token: found without reading the others. The record that says where they
-- are goes once they are not there any more.
CREATE INDEX object_token_left ON object (id) WHERE placement = 2 AND state >= 5 AND length(sealed) > 0;
