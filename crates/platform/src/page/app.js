// Brings the parts of the page together: one stream feeds them all.

import { ask, at, takeToken } from "./api.js";
import { Builds } from "./builds.js";
import { Chat } from "./chat.js";
import { askForToken, remove, Secrets } from "./dialogs.js";
import { ago, mark, pageOf, show, spoken, the } from "./dom.js";
import { follow } from "./feed.js";
import { WorkspaceList } from "./list.js";
import { Passing } from "./passing.js";
import { chatEntries } from "./rows.js";

/** All workspaces by id, as the stream tells of them. */
const workspaces = new Map();
/** The id of the one that is open, or is to be once it is known. */
let openId;
/** The platform's clock minus this machine's. */
let skew = 0;

const now = () => Date.now() + skew;
const opened = () => workspaces.get(openId);

const list = new WorkspaceList(open);
const chat = new Chat(tell);
const passing = new Passing((id) => workspaces.get(id)?.name);
const builds = new Builds((id) => workspaces.get(id)?.name);
const secrets = new Secrets();

/** Shows what went wrong, until something else works. */
function tell(text = "") {
  the("problem").hidden = text === "";
  the("problem").textContent = text;
}

/** Opens a workspace, and says so in the address. */
function open(id) {
  if (id !== openId) history.pushState(null, "", pageOf(id));
  visit(id);
  the("text").focus();
}

/** Shows a workspace, or that there is none to show. */
function visit(id) {
  openId = id;
  tell();
  list.open(id);
  const workspace = opened();
  the("workspace").hidden = !workspace;
  the("nobody").hidden = Boolean(workspace);
  if (workspace) {
    chat.open(workspace);
    passing.open(workspace);
    builds.open(id);
    head();
  } else {
    chat.close();
    passing.open();
    builds.open();
    nobody();
  }
}

/** What stands above the chat. */
function head() {
  const workspace = opened();
  if (!workspace) return;
  show(the("name"), workspace.name);
  show(the("status"), spoken(workspace.status));
  mark(the("status"), "data-status", workspace.status);
  show(the("heard"), ago(workspace.last_heartbeat_at, now()));
  show(the("task"), workspace.current_task || (workspace.active_tasks > 0 ? "at work" : "none"));
  show(the("id"), workspace.id);
  show(the("trouble"), workspace.sample_error);
  the("trouble").hidden = workspace.sample_error === "";
  show(the("pause"), workspace.status === "paused" ? "Resume" : "Pause");
  mark(the("text"), "placeholder", `Write to ${workspace.name}`);
  document.title = `${workspace.name} · Molecule AI`;
}

/** What stands where no chat is. */
function nobody() {
  const none = workspaces.size === 0;
  const [title, text] = the("nobody").children;
  show(title, none ? "No workspace yet" : openId ? "This workspace is not there" : "Choose a workspace");
  show(text, none ? "An agent brings its own:" : openId ? "It was deleted, or never was." : "Its chat will be here.");
  the("nobody").querySelector("pre").hidden = !none;
  document.title = "Molecule AI, local platform";
}

/** Takes in what the stream tells. */
function take(picture, first) {
  mark(the("live"), "data-state", "live");
  show(the("live"), "live");
  skew = picture.now - Date.now();
  const gone = new Set(picture.gone);
  if (picture.whole) {
    const there = new Set(picture.workspaces.map((workspace) => workspace.id));
    for (const id of workspaces.keys()) if (!there.has(id)) gone.add(id);
  }
  const before = opened();
  for (const workspace of picture.workspaces) workspaces.set(workspace.id, workspace);
  for (const id of gone) workspaces.delete(id);
  if (picture.workspaces.length > 0 || gone.size > 0) list.update(picture.workspaces, gone, now());
  passing.add(picture.rows);
  builds.take(picture.rows, first);
  // The one agent of a developer is the one he wants to see.
  if (!openId && workspaces.size === 1) openId = [...workspaces.keys()][0];
  // After a pause of the stream the log is read again: it has what was missed.
  if (first || Boolean(before) !== Boolean(opened())) {
    if (before && !opened()) the("filter").focus();
    visit(openId);
  } else {
    chat.add(picture.rows);
    head();
    if (!opened()) nobody();
  }
  if (first) return;
  passing.announce(picture.rows);
  builds.announce(picture.rows);
  for (const row of picture.rows) noteUnread(row);
}

/** Marks a workspace whose agent says something while another one is open. */
function noteUnread(row) {
  const says = chatEntries(row).some((entry) => entry.who !== "user");
  if (says && row.workspace_id !== openId) list.unread(row.workspace_id);
}

/** The stream has ended; it is begun again after this. */
async function broken(error) {
  mark(the("live"), "data-state", "broken");
  show(the("live"), error ? `not connected: ${error.message}` : "not connected; trying again");
  if (error?.status === 401) await askForToken();
}

/** Does something to the workspace that is open. */
async function act(what, something) {
  tell();
  const workspace = opened();
  if (!workspace) return;
  try {
    await something(workspace);
  } catch (error) {
    tell(`${what} ${workspace.name} did not work: ${error.message}`);
  }
}

the("pause").addEventListener("click", () => {
  const [what, path] = opened()?.status === "paused" ? ["Resuming", "/resume"] : ["Pausing", "/pause"];
  act(what, (workspace) => ask("POST", at(workspace.id, path)));
});
the("secrets").addEventListener("click", () => act("Opening", (workspace) => secrets.open(workspace)));
the("delete").addEventListener("click", () => {
  act("Deleting", (workspace) => {
    return remove(workspace, below(workspace.id).map((other) => other.name));
  });
});

/** All workspaces below one, at whatever distance. */
function below(id) {
  const children = [...workspaces.values()].filter((other) => other.parent_id === id);
  return children.flatMap((child) => [child, ...below(child.id)]);
}

// Names in the lists of what passes.
document.querySelector("aside").addEventListener("click", (event) => {
  const id = event.target.closest("a")?.dataset.open;
  if (!id || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(id);
});

document.addEventListener("keydown", (event) => {
  // Not a bare letter: who speaks to his computer would press it by accident (WCAG 2.2, 2.1.4).
  if (event.key !== "k" || !(event.ctrlKey || event.metaKey) || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  the("filter").focus();
});

const inAddress = () => new URLSearchParams(location.search).get("w") ?? undefined;
window.addEventListener("popstate", () => visit(inAddress()));
setInterval(() => {
  list.tick(now());
  head();
}, 1000);

takeToken();
openId = inAddress();
follow(take, broken);
