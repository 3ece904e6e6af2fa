// The stream of what is shown. One at a time; it comes back by itself, and says whether it lives.

import { $, say, setNow } from "./dom.js";

/** Without a sign of life for so long, what is shown may be old. */
const SILENT = 8000;
/** Pause after a refusal, which a browser does not repeat by itself. */
const AGAIN = 5000;

const words = { connecting: "Connecting", live: "Live", lost: "Connection lost, trying again", paused: "Paused" };
let source, timer, path, handlers, heard = 0, paused = false;

function state(word) {
  const at = $("state");
  at.dataset.state = word;
  say(at, words[word]);
}

function close() {
  clearTimeout(timer);
  if (source) source.close();
  source = undefined;
}

function open() {
  close();
  const stream = source = new EventSource(path);
  const on = (name, then) => stream.addEventListener(name, event => {
    if (stream !== source) return;
    heard = Date.now();
    state("live");
    then(JSON.parse(event.data));
  });
  on("beat", setNow);
  for (const name of Object.keys(handlers)) on(name, handlers[name]);
  stream.onerror = () => {
    // A stream that has ended is opened again by the browser; one that was refused is not.
    if (stream === source && stream.readyState === EventSource.CLOSED) {
      state("lost");
      timer = setTimeout(open, AGAIN);
    }
  };
}

/** Shows another stream: its parts go to the functions of their names. */
export function follow(newPath, newHandlers) {
  [path, handlers] = [newPath, newHandlers];
  heard = Date.now();
  if (paused) pause(false);
  else open();
}

/** Stops and goes on. */
export function pause(on) {
  paused = on;
  $("pause").setAttribute("aria-pressed", String(on));
  if (on) {
    close();
    state("paused");
  } else {
    heard = Date.now();
    state("connecting");
    open();
  }
}

export const isPaused = () => paused;

/** Looks whether the stream has fallen silent. */
export function check() {
  if (!paused && source && Date.now() - heard > SILENT) state("lost");
}
