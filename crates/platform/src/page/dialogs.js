// The dialogs: delete, secrets, the admin token.

import { ask, at, keepToken } from "./api.js";
import { make, the } from "./dom.js";

/** Opens a dialog; true if it was closed by the button of that value. */
function answered(dialog, value) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === value), { once: true });
  });
}

/** Asks whether to delete a workspace and those below it. */
function askToDelete(workspace, below) {
  the("delete-title").textContent = `Delete ${workspace.name}?`;
  const others = below.length > 0 ? " The workspaces below it go, too:" : "";
  the("delete-text").textContent = `Its agent stops and its tokens end. It cannot be brought back.${others}`;
  the("delete-below").replaceChildren(...below.map((name) => make("li", {}, name)));
  return answered(the("delete-dialog"), "delete");
}

/** Deletes a workspace if that is what a person wants. `below` has the names of those that would go with it. */
export async function remove(workspace, below) {
  if (!(await askToDelete(workspace, below))) return false;
  // Only what was shown was agreed to: without `confirm` the platform refuses where there are others.
  const confirm = below.length > 0 ? "?confirm=true" : "";
  await ask("DELETE", at(workspace.id, confirm));
  return true;
}

/** Lets a person set and remove the secrets of a workspace. */
export class Secrets {
  #dialog = the("secrets-dialog");
  #names = the("secrets-names");
  #problem = the("secrets-problem");
  #workspace;

  constructor() {
    the("secrets-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => the("secrets-form").reset());
    the("secrets-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#try(async () => {
        const body = { key: the("secret-name").value.trim(), value: the("secret-value").value };
        await ask("POST", at(this.#workspace.id, "/secrets"), { body });
        the("secrets-form").reset();
        the("secret-name").focus();
      });
    });
  }

  open(workspace) {
    this.#workspace = workspace;
    the("secrets-title").textContent = `Secrets of ${workspace.name}`;
    this.#names.replaceChildren();
    this.#dialog.showModal();
    this.#try(async () => {});
  }

  /** Does something and shows what is there then, or what went wrong. */
  async #try(something) {
    this.#problem.hidden = true;
    try {
      await something();
      const secrets = await ask("GET", at(this.#workspace.id, "/secrets"));
      this.#names.replaceChildren(...secrets.map((secret) => this.#element(secret)));
    } catch (error) {
      this.#problem.textContent = error.message;
      this.#problem.hidden = false;
    }
  }

  #element({ key, scope }) {
    const element = make("li", {}, make("code", {}, key));
    if (scope === "global") {
      element.append(" (of all workspaces)");
      return element;
    }
    const remove = make("button", { type: "button", "aria-label": `Remove ${key}` }, "Remove");
    remove.addEventListener("click", () => {
      const path = at(this.#workspace.id, `/secrets/${encodeURIComponent(key)}`);
      this.#try(() => ask("DELETE", path));
    });
    element.append(remove);
    return element;
  }
}

/** Asks for the admin's token. Who closes the dialog without giving one is asked again, as nothing goes without. */
export async function askForToken() {
  if (await answered(the("token-dialog"), "go")) keepToken(the("token").value);
  the("token-form").reset();
}
