-- Until when a message may wait for a busy agent; null for as long as it takes.
ALTER TABLE queue ADD COLUMN expires_at INTEGER;

-- Where in a workspace's log a time is.
CREATE INDEX activity_time ON activity (workspace_id, created_at);
