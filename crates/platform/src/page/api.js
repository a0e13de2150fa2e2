// Requests to the platform, as its operator.

const TOKEN = "molecule-admin-token";

/** The platform said no. */
export class Refusal extends Error {
  constructor(status, text, body = {}) {
    super(text);
    this.status = status;
    this.body = body;
  }
}

/** Takes the token out of the address, where everybody who looks at the screen could read it. */
export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  keepToken(token);
  history.replaceState(history.state, "", location.pathname + location.search);
}

/** Keeps a token until the tab is closed. */
export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token.trim());
}

/** Sends a request and gives back the response, which is a good one. */
export async function open(method, path, { body, signal } = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const request = { method, headers, signal, cache: "no-store", credentials: "omit" };
  if (body !== undefined) request.body = JSON.stringify(body);
  const response = await fetch(path, request).catch((error) => {
    if (signal?.aborted) throw error;
    throw new Refusal(0, "the platform does not answer; is it still running?");
  });
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  const text = [said.error ?? `the platform answered ${response.status}`, said.detail, said.hint];
  throw new Refusal(response.status, text.filter((part) => typeof part === "string").join("; "), said);
}

/** Sends a request and reads the JSON of its answer. */
export async function ask(method, path, options) {
  return (await open(method, path, options)).json();
}

/** A path of a workspace. */
export const at = (id, rest = "") => `/workspaces/${encodeURIComponent(id)}${rest}`;

/** An id for a message. `crypto.randomUUID` is not there when the page comes over plain HTTP from another machine. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
