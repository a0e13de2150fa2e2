-- What the page begins with, over all workspaces: messages between agents, and effects that were judged.
CREATE INDEX activity_between ON activity (seq) WHERE activity_type = 'a2a_receive' AND source_id IS NOT NULL;
CREATE INDEX activity_judged ON activity (seq) WHERE activity_type = 'agent_log' AND method = 'gate';
