-- Objects in the token, newest first: few among many, for the list that administrators see. An object in the store has no entry.
CREATE INDEX object_in_token ON object (id) WHERE placement = 2;
