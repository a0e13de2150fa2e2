-- The state of workspaces. Times are milliseconds since the Unix epoch; nothing is ordered by them.

CREATE TABLE workspace (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    fence      INTEGER NOT NULL,
    -- Where inbound stands.
    cursor     TEXT,
    fetched_at INTEGER
) STRICT;

-- One row: the newest number given out, over all workspaces: to a message as its key, to a send that was begun.
CREATE TABLE sequence (last INTEGER NOT NULL) STRICT;
INSERT INTO sequence VALUES (0);

-- What was taken, so that it is taken once. A message is in `inbox`, then here alone, unless it becomes a
-- `dead_letter`: that it was handled is known from its absence elsewhere.
CREATE TABLE seen (
    workspace  INTEGER NOT NULL REFERENCES workspace,
    key        INTEGER NOT NULL,
    row        TEXT NOT NULL,
    -- Of the first copy only, so that a later one does not keep them alive; both or neither.
    sender     TEXT,
    message_id TEXT,
    fate       TEXT NOT NULL CHECK (fate IN ('skipped', 'message', 'discarded')),
    at         INTEGER NOT NULL,
    PRIMARY KEY (workspace, key),
    CHECK ((sender IS NULL) = (message_id IS NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX seen_row ON seen (workspace, row);
CREATE UNIQUE INDEX seen_message ON seen (workspace, sender, message_id) WHERE message_id IS NOT NULL;

-- Messages that wait or are claimed.
CREATE TABLE inbox (
    key           INTEGER PRIMARY KEY,
    workspace     INTEGER NOT NULL REFERENCES workspace,
    sender        TEXT NOT NULL,
    body          TEXT NOT NULL,
    bytes         INTEGER NOT NULL,
    claimed       INTEGER NOT NULL DEFAULT FALSE,
    deliveries    INTEGER NOT NULL DEFAULT 0,
    faults        INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    -- Of the newest fault; for whoever looks into the file.
    fault_reason  TEXT
) STRICT;
-- Claims take its first entry; the backlog is counted from it alone.
CREATE INDEX inbox_queue ON inbox (workspace, claimed, key, bytes);

CREATE TABLE dead_letter (
    -- The order in which they were given up.
    position      INTEGER PRIMARY KEY,
    key           INTEGER NOT NULL UNIQUE,
    workspace     INTEGER NOT NULL REFERENCES workspace,
    sender        TEXT NOT NULL,
    body          TEXT NOT NULL,
    reason        TEXT NOT NULL,
    notice        TEXT,
    deliveries    INTEGER NOT NULL,
    faults        INTEGER NOT NULL,
    interruptions INTEGER NOT NULL,
    at            INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letter_workspace ON dead_letter (workspace, position);

CREATE TABLE send (
    -- The order in which they were made.
    position   INTEGER PRIMARY KEY,
    workspace  INTEGER NOT NULL REFERENCES workspace,
    id         TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    digest     TEXT,
    -- Empty once settled.
    body       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('ready', 'doubt', 'landed', 'abandoned')),
    -- Of the newest attempt.
    until      INTEGER,
    -- Grows with every attempt of any send.
    begun      INTEGER,
    attempts   INTEGER NOT NULL DEFAULT 0,
    once       INTEGER NOT NULL,
    echoed     INTEGER NOT NULL DEFAULT FALSE,
    settled_at INTEGER,
    -- Why it was abandoned.
    reason     TEXT,
    UNIQUE (workspace, id),
    CHECK ((settled_at IS NOT NULL) = (state IN ('landed', 'abandoned'))),
    CHECK (begun IS NOT NULL OR state IN ('ready', 'abandoned'))
) STRICT;
CREATE INDEX send_unsettled ON send (workspace, state, digest IS NULL, position) WHERE settled_at IS NULL;
CREATE INDEX send_settled ON send (workspace, settled_at) WHERE settled_at IS NOT NULL;
-- Sends that an echo may confirm.
CREATE INDEX send_echo ON send (workspace, digest, begun)
    WHERE digest IS NOT NULL AND echoed = FALSE AND state IN ('doubt', 'landed');
