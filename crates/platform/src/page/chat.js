// The chat with one workspace: what its log has, what the stream adds, and what is on its way.

import { ask, at, newId } from "./api.js";
import { announce, clock, make, the } from "./dom.js";
import { chatEntries } from "./rows.js";

/** Rows fetched at a time. */
const PAGE = 50;
/** Rows that are kept while a person looks at the end of the chat. */
const MOST = 400;

export class Chat {
  #log = the("log");
  #earlier = the("earlier");
  #text = the("text");
  #workspace;
  /** Ids of the rows that are shown, of no others. */
  #rows = new Set();
  /** By message id: entries that are sent and have no row yet. */
  #pending = new Map();
  /** The time of the oldest row that is shown. */
  #oldest;
  /** Rows that the stream has brought while the log was being read; `undefined` when it is not. */
  #meanwhile;
  /** By workspace: what was typed and not sent. */
  #drafts = new Map();
  /** Counts what was opened, so that a late answer knows that nobody waits for it. */
  #visit = 0;

  /** `tell(text)` shows a person what went wrong. */
  constructor(tell) {
    this.tell = tell;
    the("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener("keydown", (event) => {
      // While a word is being composed, Enter chooses it.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener("input", () => this.#grow());
    this.#earlier.addEventListener("click", () => this.#showEarlier());
  }

  /** Shows the chat with a workspace, from its log. */
  async open(workspace) {
    const sameAsBefore = this.#workspace?.id === workspace.id;
    if (!sameAsBefore) this.#leave(workspace.id);
    this.#workspace = workspace;
    this.#visit += 1;
    this.#meanwhile ??= [];
    const visit = this.#visit;
    const rows = await this.#fetch(workspace.id).catch((error) => {
      if (visit === this.#visit) this.tell(`The chat cannot be read: ${error.message}`);
    });
    if (visit !== this.#visit) return;
    const meanwhile = this.#meanwhile;
    this.#meanwhile = undefined;
    if (rows) {
      this.#clear(rows.more);
      this.#oldest = rows.oldest;
      this.#append(rows);
      for (const entry of this.#pending.values()) this.#log.append(entry);
      this.#log.scrollTop = this.#log.scrollHeight;
    }
    this.add(meanwhile);
  }

  /** Adds what has just happened. */
  add(rows) {
    const own = rows.filter((row) => row.workspace_id === this.#workspace?.id && !this.#rows.has(row.id));
    if (own.length === 0) return;
    if (this.#meanwhile) {
      this.#meanwhile.push(...own);
      return;
    }
    if (own.some((row) => row.cut && chatEntries(row).length > 0)) {
      // Its body was too long for the stream; the log has it.
      this.open(this.#workspace);
      return;
    }
    const atEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 40;
    this.#append(own);
    if (atEnd) {
      while (this.#rows.size > MOST) this.#dropOldest();
      this.#log.scrollTop = this.#log.scrollHeight;
    }
    const said = own.flatMap(chatEntries).filter((entry) => entry.who !== "user");
    announce(said.map((entry) => `${this.#workspace.name}: ${entry.text}`));
  }

  /** Forgets the workspace. */
  close() {
    this.#leave();
    this.#workspace = undefined;
    this.#visit += 1;
  }

  /** Takes away what belongs to the workspace, and puts what was typed for the next one into the box. */
  #leave(next) {
    if (this.#workspace) this.#drafts.set(this.#workspace.id, this.#text.value);
    this.#text.value = this.#drafts.get(next) ?? "";
    this.#grow();
    this.#pending.clear();
    this.#meanwhile = undefined;
    this.#clear(false);
  }

  #clear(more) {
    this.#rows.clear();
    this.#log.replaceChildren(this.#earlier);
    this.#earlier.hidden = !more;
  }

  /** A page of the log before a time, oldest first, with the errors of that while; `more` is true if it is not all. */
  async #fetch(id, before) {
    const query = `&limit=${PAGE}${before ? `&before_ts=${encodeURIComponent(before)}` : ""}`;
    const chat = ask("GET", at(id, `/activity?type=a2a_receive&source=canvas${query}`));
    const errors = ask("GET", at(id, `/activity?type=error${query}`));
    const [said, wrong] = await Promise.all([chat, errors]);
    const since = said.length === PAGE ? said[PAGE - 1].created_at : "";
    const rows = [...said, ...wrong.filter((row) => row.created_at >= since)];
    rows.sort((a, b) => (a.created_at < b.created_at ? -1 : a.created_at > b.created_at ? 1 : 0));
    rows.oldest = since;
    rows.more = said.length === PAGE;
    return rows;
  }

  async #showEarlier() {
    const [visit, first, height] = [this.#visit, this.#earlier.nextElementSibling, this.#log.scrollHeight];
    const rows = await this.#fetch(this.#workspace.id, this.#oldest).catch((error) => {
      this.tell(`Earlier messages cannot be read: ${error.message}`);
    });
    if (visit !== this.#visit || !rows) return;
    for (const entry of this.#entriesOf(rows)) this.#log.insertBefore(entry, first);
    this.#log.scrollTop += this.#log.scrollHeight - height;
    this.#oldest = rows.oldest;
    this.#earlier.hidden = !rows.more;
    if (!rows.more) this.#log.focus();
  }

  #append(rows) {
    this.#log.append(...this.#entriesOf(rows));
  }

  /** Takes the oldest row away; it can be fetched again. */
  #dropOldest() {
    const [first, ...others] = this.#log.querySelectorAll(".entry[data-row]");
    const { row } = first.dataset;
    const next = others.find((entry) => entry.dataset.row !== row);
    for (const entry of [first, ...others]) if (entry.dataset.row === row) entry.remove();
    this.#rows.delete(row);
    this.#oldest = next.dataset.time;
    this.#earlier.hidden = false;
  }

  /** New elements for the rows that are not shown yet. */
  #entriesOf(rows) {
    const fresh = rows.filter((row) => !this.#rows.has(row.id));
    return fresh.flatMap((row) => {
      const entries = chatEntries(row);
      if (entries.length > 0) this.#rows.add(row.id);
      return entries.map((entry) => {
        this.#pending.get(entry.messageId)?.remove();
        this.#pending.delete(entry.messageId);
        return this.#element(entry, row.id);
      });
    });
  }

  #element({ who, text, time }, row) {
    const author = { user: "You", agent: this.#workspace.name, note: "Trouble" }[who];
    const said = make("p", { class: "said" }, text);
    const name = make("span", { class: "author" }, author);
    const when = time ? clock(time) : make("small", {}, "sending…");
    return make("div", { class: `entry ${who}`, "data-time": time, "data-row": row }, name, said, when);
  }

  async #send() {
    const workspace = this.#workspace;
    const text = this.#text.value;
    if (!workspace || text.trim() === "") return;
    this.#text.value = "";
    this.#grow();
    const messageId = newId();
    const entry = this.#element({ who: "user", text });
    entry.classList.add("pending");
    this.#pending.set(messageId, entry);
    this.#log.append(entry);
    this.#log.scrollTop = this.#log.scrollHeight;
    const message = { role: "user", messageId, kind: "message", parts: [{ kind: "text", text }] };
    const body = { jsonrpc: "2.0", id: newId(), method: "message/send", params: { message } };
    try {
      await ask("POST", at(workspace.id, "/a2a"), { body });
    } catch (error) {
      this.tell(`The message was not sent: ${error.message}`);
      // Into the box again, unless something else is there by now.
      if (this.#pending.delete(messageId) && this.#workspace === workspace && this.#text.value === "") {
        this.#text.value = text;
        this.#grow();
      }
      entry.remove();
    }
  }

  /** Makes the box as high as its text. */
  #grow() {
    const lines = this.#text.value.split("\n").length;
    this.#text.rows = Math.min(8, lines);
  }
}
