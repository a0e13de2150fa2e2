// What passes: effects that were judged, and messages between agents; newest first, of one workspace or of all.

import { ask, at } from "./api.js";
import { announce, clock, make, pageOf, the } from "./dom.js";
import { between, judged } from "./rows.js";

/** Things of a kind that are kept, and shown. */
const MOST = 300;
/** Rows fetched of a workspace that is opened. */
const PAGE = 100;
/** Characters of a text that are shown unasked. */
const GLANCE = 240;

export class Passing {
  #everybody = the("everybody");
  #workspace;
  #nameOf;
  #kinds;

  /** `nameOf(id)` gives the name of a workspace, or `undefined`. */
  constructor(nameOf) {
    this.#nameOf = nameOf;
    this.#kinds = [
      new Kind(the("judged"), judged, {
        empty: "Nothing has asked for anything yet.",
        concerns: (it, id) => it.workspace === id,
        key: (it) => [it.workspace, it.denied, it.what, it.grant].join("\n"),
        element: (it) => this.#judgedElement(it),
      }),
      new Kind(the("between"), between, {
        empty: "No agent has written to another yet.",
        concerns: (it, id) => it.from === id || it.to === id,
        key: (it) => it.id,
        element: (it) => this.#betweenElement(it),
      }),
    ];
    this.#everybody.addEventListener("change", () => this.#draw());
  }

  /** Shows what concerns a workspace; `undefined` is all of them. */
  async open(workspace) {
    this.#workspace = workspace;
    this.#everybody.disabled = !workspace;
    this.#draw();
    if (!workspace) return;
    // What came before the stream. If that cannot be had, the chat's own request says why.
    const get = (query) => ask("GET", at(workspace.id, `/activity?limit=${PAGE}&${query}`)).catch(() => []);
    const rows = await Promise.all([get("type=agent_log"), get("type=a2a_receive&source=agent")]);
    this.#kinds.forEach((kind) => kind.merge(rows.flat()));
    this.#draw();
  }

  /** Adds what has just happened; oldest first. */
  add(rows) {
    this.#kinds.forEach((kind) => kind.add(rows, this.#scope));
  }

  /** Says aloud what has just been denied to the workspace that is open. */
  announce(rows) {
    const denied = rows.map(judged).filter((it) => it?.denied && it.workspace === this.#workspace?.id);
    announce(denied.map((it) => `Denied: ${it.what}. ${it.grant ? `Allow it with ${it.grant}` : it.rule}`));
  }

  /** Draws all of it: the names of workspaces have changed, or what is to be seen. */
  #draw() {
    this.#kinds.forEach((kind) => kind.draw(this.#scope));
  }

  get #scope() {
    return this.#everybody.checked ? undefined : this.#workspace?.id;
  }

  #link(id) {
    return make("a", { href: pageOf(id), class: "name", "data-open": id }, this.#nameOf(id) ?? `${id.slice(0, 8)}…`);
  }

  #judgedElement(it) {
    const word = it.denied ? "denied" : "granted";
    const head = make("p", { class: "route" }, make("span", { class: `chip ${word}` }, word), " ");
    head.append(make("span", { class: "what" }, it.what), clock(it.time));
    const below = make("p", { class: "rule" }, this.#link(it.workspace));
    if (it.denied && it.rule) below.append(make("span", { class: "why" }, it.rule));
    const element = make("li", {}, head, below);
    if (it.denied && it.grant) element.append(grant(it.grant));
    return element;
  }

  #betweenElement(it) {
    const arrow = make("span", { role: "img", "aria-label": it.isReply ? "answers" : "to" }, it.isReply ? "↩" : "→");
    const head = make("p", { class: "route" }, this.#link(it.from), " ", arrow, " ", this.#link(it.to));
    head.append(clock(it.time));
    const element = make("li", {}, head, ...glance(it.text));
    if (it.answer) element.append(make("p", { class: "rule" }, "answered:"), ...glance(it.answer));
    return element;
  }
}

/** One list, and what is known for it. */
class Kind {
  #list;
  #read;
  #how;
  /** Newest first. */
  #known = [];
  #ids = new Set();
  /** What is on top of the list, for what comes again and again. */
  #top;

  constructor(list, read, how) {
    this.#list = list;
    this.#read = read;
    this.#how = how;
    this.draw();
  }

  add(rows, scope) {
    for (const it of this.#fresh(rows)) {
      this.#known.unshift(it);
      if (!scope || this.#how.concerns(it, scope)) this.#prepend(it);
    }
    this.#forget();
  }

  merge(rows) {
    this.#known.push(...this.#fresh(rows));
    this.#known.sort((a, b) => (a.time > b.time ? -1 : a.time < b.time ? 1 : 0));
    this.#forget();
  }

  draw(scope) {
    this.#top = undefined;
    this.#list.replaceChildren(make("li", { class: "empty" }, this.#how.empty));
    const shown = this.#known.filter((it) => !scope || this.#how.concerns(it, scope));
    shown.reverse().forEach((it) => this.#prepend(it));
  }

  #fresh(rows) {
    return rows
      .filter((row) => !this.#ids.has(row.id))
      .map(this.#read)
      .filter((it) => it !== undefined)
      .map((it) => {
        this.#ids.add(it.id);
        return it;
      });
  }

  #forget() {
    for (const it of this.#known.splice(MOST)) this.#ids.delete(it.id);
    while (this.#list.children.length > MOST) this.#list.lastElementChild.remove();
  }

  #prepend(it) {
    const key = this.#how.key(it);
    if (this.#top?.key === key) {
      this.#top.times += 1;
      const count = make("span", { class: "times" }, `×${this.#top.times}`);
      this.#top.element.querySelector("time").replaceWith(clock(it.time));
      this.#top.element.querySelector(".times")?.remove();
      this.#top.element.querySelector("time").before(count);
      return;
    }
    this.#list.querySelector(".empty")?.remove();
    const element = this.#how.element(it);
    this.#list.prepend(element);
    this.#top = { key, element, times: 1 };
  }
}

/** A text, or its beginning and the rest for who wants it. */
function glance(text) {
  if (text.length <= GLANCE) return [make("p", { class: "said" }, text)];
  const beginning = make("summary", {}, `${text.slice(0, GLANCE)}… `);
  return [make("details", { class: "said" }, beginning, text)];
}

/** The grant that would allow it, to be copied where the browser lets a page do that. */
function grant(flag) {
  const element = make("p", { class: "grant" }, "Allow it with ", make("code", {}, flag));
  if (navigator.clipboard) {
    const copy = make("button", { type: "button", "aria-label": `Copy ${flag}` }, "Copy");
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(flag);
      copy.textContent = "Copied";
    });
    element.append(" ", copy);
  }
  return element;
}
