// The list of workspaces. It is never drawn anew: a change touches the items that changed, of however many.

import { ago, make, mark, pageOf, show, spoken, the } from "./dom.js";

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

export class WorkspaceList {
  #list = the("workspaces");
  #filter = the("filter");
  /** By id: `{workspace, row, link, name, state, task, heard, unread}`. */
  #items = new Map();
  /** The same, in the order of the list. */
  #order = [];
  #open;
  /** The one item that Tab stops at; arrow keys move it. */
  #stop;

  /** `onOpen(id)` hears which workspace a person wants to see. */
  constructor(onOpen) {
    this.#filter.addEventListener("input", () => this.#sift());
    this.#filter.addEventListener("keydown", (event) => {
      const first = this.#shown()[0];
      if (event.key === "ArrowDown" && first) this.#focus(first);
      else if (event.key === "Enter" && first) onOpen(first.workspace.id);
      else return;
      event.preventDefault();
    });
    this.#list.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      // A click that wants another tab is the browser's.
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      onOpen(link.dataset.id);
    });
    this.#list.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Shows how workspaces are now, and drops those that are gone. */
  update(workspaces, gone, now) {
    for (const id of gone) this.#drop(id);
    for (const workspace of workspaces) this.#put(workspace, now);
    this.#sift();
  }

  /** Marks the workspace that is open. */
  open(id) {
    this.#items.get(this.#open)?.link.removeAttribute("aria-current");
    this.#open = id;
    const item = this.#items.get(id);
    if (!item) return;
    item.unread.hidden = true;
    this.#openItem(item);
  }

  /** Marks that an agent has said something nobody looks at. */
  unread(id) {
    const item = this.#items.get(id);
    if (item) item.unread.hidden = false;
  }

  /** Lets the times run. */
  tick(now) {
    for (const item of this.#order) {
      if (!item.row.hidden) show(item.heard, ago(item.workspace.last_heartbeat_at, now));
    }
  }

  #put(workspace, now) {
    let item = this.#items.get(workspace.id);
    if (item && item.workspace.name !== workspace.name) {
      this.#drop(workspace.id);
      item = undefined;
    }
    item ??= this.#add(workspace);
    item.workspace = workspace;
    mark(item.link, "data-status", workspace.status);
    show(item.state, spoken(workspace.status));
    show(item.task, workspace.current_task);
    show(item.heard, ago(workspace.last_heartbeat_at, now));
  }

  #add(workspace) {
    const item = {
      workspace,
      name: make("span", { class: "name" }, workspace.name),
      unread: make("span", { class: "unread", hidden: true }, make("span", { class: "unseen" }, "new message")),
      heard: make("span", { class: "heard" }),
      state: make("span", { class: "state" }),
      task: make("span", { class: "task" }),
    };
    const attributes = { href: pageOf(workspace.id), "data-id": workspace.id, tabindex: "-1" };
    const below = make("span", { class: "below" }, item.state, item.task);
    item.link = make("a", attributes, item.name, item.unread, item.heard, below);
    item.row = make("li", {}, item.link);
    this.#items.set(workspace.id, item);
    const place = this.#place(workspace);
    this.#list.insertBefore(item.row, this.#order[place]?.row ?? null);
    this.#order.splice(place, 0, item);
    if (workspace.id === this.#open) this.#openItem(item);
    return item;
  }

  #openItem(item) {
    item.link.setAttribute("aria-current", "page");
    this.#stopAt(item);
    item.row.scrollIntoView({ block: "nearest" });
  }

  /** Where a workspace belongs, found by halves. */
  #place({ name, id }) {
    let [from, to] = [0, this.#order.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const other = this.#order[middle].workspace;
      const order = byName.compare(other.name, name) || (other.id < id ? -1 : 1);
      if (order < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #drop(id) {
    const item = this.#items.get(id);
    if (!item) return;
    const place = this.#order.indexOf(item);
    this.#order.splice(place, 1);
    this.#items.delete(id);
    if (item.link === document.activeElement) this.#filter.focus();
    if (this.#stop === item) this.#stop = undefined;
    item.row.remove();
  }

  #sift() {
    const wanted = this.#filter.value.trim().toLowerCase();
    let shown = 0;
    for (const { workspace, row } of this.#order) {
      const { name, status, current_task: task, id } = workspace;
      const hidden = wanted !== "" && ![name, spoken(status), task, id].some((it) => it.toLowerCase().includes(wanted));
      if (row.hidden !== hidden) row.hidden = hidden;
      if (!hidden) shown += 1;
    }
    const all = this.#order.length;
    show(the("count"), wanted === "" ? String(all) : `${shown} of ${all}`);
    if (!this.#stop || this.#stop.row.hidden) this.#stopAt(this.#shown()[0]);
  }

  #shown() {
    return this.#order.filter((item) => !item.row.hidden);
  }

  #stopAt(item) {
    if (this.#stop) this.#stop.link.tabIndex = -1;
    this.#stop = item;
    if (item) item.link.tabIndex = 0;
  }

  #focus(item) {
    this.#stopAt(item);
    item.link.focus();
  }

  #move(event) {
    const shown = this.#shown();
    const at = shown.findIndex((item) => item.link === event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    if (to < 0) this.#filter.focus();
    else if (to < shown.length) this.#focus(shown[to]);
  }
}
