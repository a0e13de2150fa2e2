-- What the page begins with for each workspace: whether the newest source of its agent runs.
CREATE INDEX activity_build ON activity (workspace_id, seq) WHERE activity_type = 'agent_log' AND method = 'build';
