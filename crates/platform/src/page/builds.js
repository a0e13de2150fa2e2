// Whether the newest source of an agent runs: what does not build is shown above its chat until it builds again.

import { announce, show, the } from "./dom.js";
import { build } from "./rows.js";

export class Builds {
  /** By workspace: the build that has failed, and none has worked since. */
  #failed = new Map();
  /** Ids of those that a person has seen enough of. */
  #dismissed = new Set();
  #open;
  #nameOf;

  /** `nameOf(id)` gives the name of a workspace, or `undefined`. */
  constructor(nameOf) {
    this.#nameOf = nameOf;
    the("build-dismiss").addEventListener("click", () => {
      this.#dismissed.add(this.#failed.get(this.#open)?.id);
      this.#draw();
      the("text").focus();
    });
  }

  /** Shows how it is with a workspace, or with none. */
  open(id) {
    this.#open = id;
    this.#draw();
  }

  /** Takes in rows, oldest first; `first` where they are the beginning of a stream, which has all that still fails. */
  take(rows, first) {
    if (first) this.#failed.clear();
    for (const it of rows.map(build)) {
      if (it?.failed) this.#failed.set(it.workspace, it);
      else if (it) this.#failed.delete(it.workspace);
    }
    this.#draw();
  }

  /** Says aloud what has just become of the workspace that is open. */
  announce(rows) {
    const news = rows.map(build).filter((it) => it?.workspace === this.#open);
    announce(news.map((it) => `${this.#nameOf(it.workspace)}: ${it.failed ? it.summary : "builds again"}`));
  }

  #draw() {
    const failed = this.#failed.get(this.#open);
    the("build").hidden = !failed || this.#dismissed.has(failed.id);
    if (!failed) return;
    show(the("build-title"), failed.summary);
    show(the("build-detail").firstElementChild, failed.detail);
    the("build-detail").hidden = failed.detail === "";
  }
}
