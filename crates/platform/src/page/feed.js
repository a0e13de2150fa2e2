// The one stream of all that happens. It begins with the whole picture, so a stream that broke is just begun again.

import { open } from "./api.js";

/** The platform gives a sign of life every 15 s. */
const SILENCE = 40_000;
const FIRST_DELAY = 500;
const LONGEST_DELAY = 10_000;

/**
 * Follows the stream for ever. `onPicture(picture, first)` gets each picture, `first` being true for the one that a
 * stream begins with; `onBroken(error)` hears why it ended, and what it returns is waited for.
 */
export async function follow(onPicture, onBroken) {
  let delay = FIRST_DELAY;
  for (;;) {
    let first = true;
    const error = await read((picture) => {
      onPicture(picture, first);
      first = false;
      delay = FIRST_DELAY;
    }).catch((error) => error);
    await onBroken(error);
    await new Promise((done) => setTimeout(done, delay));
    delay = Math.min(delay * 2, LONGEST_DELAY);
  }
}

/** Reads one stream to its end. `EventSource` would be less work, but cannot show a token. */
async function read(onPicture) {
  const broken = new AbortController();
  let watch;
  const hearing = () => {
    clearTimeout(watch);
    watch = setTimeout(() => broken.abort(), SILENCE);
  };
  try {
    hearing();
    const response = await open("GET", "/events/stream", { signal: broken.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      hearing();
      const frames = (text + value).split("\n\n");
      text = frames.pop();
      for (const frame of frames) {
        // Others are comments: signs of life.
        if (frame.startsWith("data:")) onPicture(JSON.parse(frame.slice(5)));
      }
    }
  } finally {
    clearTimeout(watch);
    broken.abort();
  }
}
