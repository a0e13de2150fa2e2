// Elements and times. Whatever an agent wrote reaches the page through `make` and `show`, as text.

/** The element of that id. */
export const the = (id) => document.getElementById(id);

/** An element. Its children are elements or texts; a text never becomes markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** Puts a text into an element that does not have it yet: what does not change is not drawn again. */
export function show(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The same for an attribute. */
export function mark(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Says the last few texts to who hears the page instead of seeing it. */
export function announce(texts) {
  if (texts.length > 0) the("announced").replaceChildren(...texts.slice(-3).map((text) => make("p", {}, text)));
}

/** How long ago that was, in one short word or two. */
export function ago(then, now) {
  if (!then) return "never";
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** A time of day, with the date where it is another day's. */
export function clock(text) {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return make("time");
  const today = time.toDateString() === new Date().toDateString();
  const short = today ? { timeStyle: "short" } : { dateStyle: "short", timeStyle: "short" };
  return make("time", { datetime: text, title: time.toLocaleString() }, time.toLocaleString([], short));
}

/** A status as people say it. */
export const spoken = (status) => status.replaceAll("_", " ");

/** The address of the page with that workspace open. */
export const pageOf = (id) => `/?w=${encodeURIComponent(id)}`;
