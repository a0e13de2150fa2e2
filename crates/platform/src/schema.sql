-- Times are microseconds since the Unix epoch. JSON is kept as its text.

CREATE TABLE workspace (
    id                   TEXT PRIMARY KEY,
    name                 TEXT NOT NULL,
    role                 TEXT,
    tier                 INTEGER NOT NULL,
    status               TEXT NOT NULL,
    url                  TEXT NOT NULL DEFAULT '',
    parent_id            TEXT REFERENCES workspace (id) ON DELETE SET NULL,
    runtime              TEXT NOT NULL,
    delivery_mode        TEXT,             -- null: never said
    agent_card           TEXT,
    max_concurrent_tasks INTEGER NOT NULL DEFAULT 1,
    budget_limit         INTEGER,          -- cents; null: none
    x                    REAL NOT NULL DEFAULT 0,
    y                    REAL NOT NULL DEFAULT 0,
    collapsed            INTEGER NOT NULL DEFAULT 0,
    instructions         TEXT NOT NULL DEFAULT '',
    inbound_secret       TEXT,             -- shown by the platform to the host; minted by the first register

    -- What the last heartbeat said.
    active_tasks         INTEGER NOT NULL DEFAULT 0,
    error_rate           REAL NOT NULL DEFAULT 0,
    sample_error         TEXT NOT NULL DEFAULT '',
    uptime_seconds       INTEGER NOT NULL DEFAULT 0,
    current_task         TEXT NOT NULL DEFAULT '',
    monthly_spend        INTEGER NOT NULL DEFAULT 0,
    runtime_state        TEXT NOT NULL DEFAULT '',
    runtime_metadata     TEXT,
    last_heartbeat_at    INTEGER,
    liveness_until       INTEGER,          -- set by register only, extended by heartbeats

    last_outbound_at     INTEGER,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    removed_at           INTEGER
) STRICT;
CREATE INDEX workspace_parent ON workspace (parent_id);
CREATE INDEX workspace_status ON workspace (status);

CREATE TABLE token (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    hash         BLOB NOT NULL UNIQUE,     -- SHA-256; the token itself is not kept
    prefix       TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX token_workspace ON token (workspace_id) WHERE revoked_at IS NULL;

CREATE TABLE secret (
    workspace_id TEXT NOT NULL,            -- empty: of the whole platform
    key          TEXT NOT NULL,
    value        TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE activity (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT, -- what "after this row" means; never created_at, which may repeat
    id              TEXT NOT NULL UNIQUE,
    workspace_id    TEXT NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    activity_type   TEXT NOT NULL,
    source_id       TEXT,
    target_id       TEXT,
    method          TEXT,
    summary         TEXT,
    duration_ms     INTEGER,
    status          TEXT NOT NULL,
    error_detail    TEXT,
    created_at      INTEGER NOT NULL,
    request_body    TEXT,
    response_body   TEXT,
    tool_trace      TEXT,
    delegation_id   TEXT,
    idempotency_key TEXT,
    by_platform     INTEGER NOT NULL DEFAULT 0  -- of a delegation: the platform dispatches it
) STRICT;
CREATE INDEX activity_of_type ON activity (workspace_id, activity_type, seq);
CREATE INDEX activity_workspace ON activity (workspace_id, seq);
CREATE INDEX activity_age ON activity (created_at);
CREATE INDEX activity_delegation ON activity (workspace_id, delegation_id) WHERE delegation_id IS NOT NULL;
CREATE UNIQUE INDEX activity_key ON activity (workspace_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Messages for busy agents in push mode.
CREATE TABLE queue (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    workspace_id TEXT NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    source_id    TEXT,
    message_id   TEXT,
    method       TEXT NOT NULL,
    body         TEXT NOT NULL,
    status       TEXT NOT NULL,            -- queued, dispatched, completed, failed
    attempts     INTEGER NOT NULL DEFAULT 0,
    error        TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX queue_message ON queue (workspace_id, message_id) WHERE status IN ('queued', 'dispatched');
CREATE INDEX queue_waiting ON queue (workspace_id, seq) WHERE status = 'queued';
CREATE INDEX queue_age ON queue (updated_at);
