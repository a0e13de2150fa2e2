// What rows of the activity log say. Their bodies are strangers': anything in them may be missing or of another type.

const text = (value) => (typeof value === "string" ? value : "");
const list = (value) => (Array.isArray(value) ? value : []);

/** The text of a message's parts; of other parts, that they are there. */
function partsText(parts) {
  return list(parts)
    .map((part) => {
      if (typeof part?.text === "string") return part.text;
      if (part?.file) return `[file ${text(part.file.name) || text(part.file.uri)}]`;
      return part?.data === undefined ? "" : JSON.stringify(part.data, null, 2);
    })
    .filter((part) => part !== "")
    .join("\n");
}

/** The message that a row brought to its workspace. */
export function message(row) {
  const params = row.request_body?.params;
  const message = params?.message ?? params ?? {};
  const said = partsText(message.parts) || text(row.summary);
  return { id: text(message.messageId), text: said, isReply: Boolean(text(message.metadata?.in_reply_to)) };
}

/** What the agent answered in the same breath, where messages are pushed to it; empty if nothing. */
export function answer(row) {
  const body = row.response_body;
  const result = body?.result;
  if (body?.error) return text(body.error.message);
  const artifacts = list(result?.artifacts).map((artifact) => partsText(artifact?.parts));
  const said = [partsText(result?.parts), partsText(result?.status?.message?.parts), ...artifacts];
  return said.filter((part) => part !== "").join("\n");
}

/** What a row adds to the chat with its workspace: entries `{who, text, time, messageId?}`, none for most rows. */
export function chatEntries(row) {
  const time = row.created_at;
  if (row.activity_type === "error") {
    const said = [text(row.summary), text(row.error_detail)].filter((part) => part !== "");
    return [{ who: "note", text: said.join("\n") || "an error", time }];
  }
  if (row.activity_type !== "a2a_receive" || row.source_id) return [];
  if (row.method === "notify") {
    const files = list(row.response_body?.parts);
    const said = [text(row.response_body?.result) || text(row.summary), partsText(files)];
    return [{ who: "agent", text: said.filter((part) => part !== "").join("\n"), time }];
  }
  const asked = message(row);
  if (row.method === "chat_upload_receive") asked.text = `[file ${asked.text}]`;
  const entries = [{ who: "user", text: asked.text, time, messageId: asked.id }];
  const answered = answer(row);
  if (answered) entries.push({ who: "agent", text: answered, time });
  if (row.status === "error") entries.push({ who: "note", text: text(row.error_detail) || "not delivered", time });
  return entries;
}

/** A message from one workspace to another, if that is what a row is. */
export function between(row) {
  const { source_id: from, workspace_id: to } = row;
  if (row.activity_type !== "a2a_receive" || !from || from === to) return undefined;
  const { text: said, isReply } = message(row);
  return { id: row.id, from, to, text: said, isReply, answer: answer(row), time: row.created_at };
}

/** How the build of an agent's newest source went, if that is what a row is. */
export function build(row) {
  if (row.activity_type !== "agent_log" || row.method !== "build") return undefined;
  return {
    id: row.id,
    workspace: row.workspace_id,
    failed: row.status === "error",
    summary: text(row.summary) || "The newest source does not build",
    detail: text(row.error_detail),
  };
}

/** An effect that was judged, if that is what a row is. */
export function judged(row) {
  if (row.activity_type !== "agent_log" || row.method !== "gate") return undefined;
  const body = row.request_body ?? {};
  return {
    id: row.id,
    workspace: row.workspace_id,
    denied: row.status === "denied",
    what: [text(body.effect), text(body.target)].filter((part) => part !== "").join(" ") || text(row.summary),
    summary: text(row.summary),
    rule: text(body.rule),
    grant: text(body.grant),
    time: row.created_at,
  };
}
