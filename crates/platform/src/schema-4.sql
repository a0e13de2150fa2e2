-- What an agent keeps under keys of its own.
CREATE TABLE memory (
    workspace_id TEXT NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    key          TEXT NOT NULL,
    value        TEXT NOT NULL,
    version      INTEGER NOT NULL,         -- from 1 on, one more with each write
    expires_at   INTEGER,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX memory_expiry ON memory (expires_at) WHERE expires_at IS NOT NULL;

-- What an agent remembers in words, for itself or for others.
CREATE TABLE recollection (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    workspace_id TEXT NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    content      TEXT NOT NULL,
    scope        TEXT NOT NULL,            -- LOCAL, TEAM, GLOBAL
    namespace    TEXT NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX recollection_workspace ON recollection (workspace_id, seq);
CREATE INDEX recollection_scope ON recollection (scope, seq) WHERE scope <> 'LOCAL';

-- How far an agent got with a piece of work.
CREATE TABLE checkpoint (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT, -- of the last write: which one is the latest
    id           TEXT NOT NULL UNIQUE,
    workspace_id TEXT NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    workflow_id  TEXT NOT NULL,
    step_name    TEXT NOT NULL,
    step_index   INTEGER NOT NULL,
    payload      TEXT,
    created_at   INTEGER NOT NULL,
    UNIQUE (workspace_id, workflow_id, step_name)
) STRICT;
CREATE INDEX checkpoint_workspace ON checkpoint (workspace_id, seq);

-- What an agent asks a person for.
CREATE TABLE approval (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    workspace_id TEXT NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    task_id      TEXT,
    action       TEXT NOT NULL,
    reason       TEXT,
    context      TEXT,
    status       TEXT NOT NULL,            -- pending, approved, denied
    decided_by   TEXT,
    decided_at   INTEGER,
    created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX approval_workspace ON approval (workspace_id, seq);
CREATE INDEX approval_pending ON approval (seq) WHERE status = 'pending';

-- Prompts that are sent as if the user had typed them, when it is time.
CREATE TABLE schedule (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    cron_expr    TEXT NOT NULL,
    timezone     TEXT NOT NULL,
    prompt       TEXT NOT NULL,
    enabled      INTEGER NOT NULL,
    next_run_at  INTEGER,                  -- null where it is not enabled, or has no further turn
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX schedule_workspace ON schedule (workspace_id);
CREATE INDEX schedule_due ON schedule (next_run_at) WHERE enabled;

CREATE TABLE schedule_run (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    schedule_id  TEXT NOT NULL REFERENCES schedule (id) ON DELETE CASCADE,
    status       TEXT NOT NULL,            -- running, ok, error
    error        TEXT,
    started_at   INTEGER NOT NULL,
    duration_ms  INTEGER
) STRICT;
CREATE INDEX schedule_run_schedule ON schedule_run (schedule_id, seq);
CREATE INDEX schedule_run_age ON schedule_run (started_at);

-- Files for agents that poll, until they have fetched them.
CREATE TABLE upload (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspace (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    mime_type    TEXT NOT NULL,
    content      BLOB,                     -- null: acknowledged
    created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX upload_age ON upload (created_at);
CREATE INDEX upload_workspace ON upload (workspace_id);

ALTER TABLE workspace ADD COLUMN model TEXT NOT NULL DEFAULT '';

-- Tokens of the whole organisation, for operators' programs.
CREATE TABLE org_token (
    id         TEXT PRIMARY KEY,
    name       TEXT,
    hash       BLOB NOT NULL UNIQUE,       -- SHA-256; the token itself is not kept
    prefix     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX org_token_age ON org_token (created_at);
