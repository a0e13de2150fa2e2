-- Tasks given to other workspaces, in the order in which they were made.
CREATE TABLE delegation (
    position  INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL REFERENCES workspace,
    slot      TEXT NOT NULL,
    key       TEXT NOT NULL,
    target    TEXT NOT NULL,
    task      TEXT NOT NULL,
    at        INTEGER NOT NULL,
    -- The platform's name for it.
    id        TEXT,
    state     TEXT NOT NULL CHECK (state IN ('open', 'queued', 'refused', 'completed', 'failed')),
    -- The answer, or why there is none.
    result    TEXT,
    ended_at  INTEGER,
    UNIQUE (workspace, slot),
    CHECK ((ended_at IS NOT NULL) = (state IN ('refused', 'completed', 'failed'))),
    CHECK ((result IS NOT NULL) = (ended_at IS NOT NULL))
) STRICT;
CREATE INDEX delegation_newest ON delegation (workspace, position);
CREATE INDEX delegation_id ON delegation (workspace, id) WHERE id IS NOT NULL;
CREATE INDEX delegation_open ON delegation (workspace, position) WHERE ended_at IS NULL;
CREATE INDEX delegation_ended ON delegation (workspace, ended_at) WHERE ended_at IS NOT NULL;
