"use strict";
// The keyboard.

/** Seconds by which an arrow moves, and with Shift. */
const SKIP_S = 5;
const SKIP_SHORT_S = 1;

/** Returns whether the focused element has its own use for the key. */
function isTaken(event) {
  const { target, key } = event;
  if (target.matches?.("input[type=range]")) return /^(Arrow|Home|End|Page)/.test(key);
  // A button that was clicked keeps the focus unseen: Space still plays.
  return (key === " " || key === "Enter") && target.matches?.("button:focus-visible, summary");
}

/** Lets the loop begin at `frame`, and end where it does or with the song. */
function loopFrom(player, frame) {
  const end = player.loop?.end ?? 0;
  player.setLoop(frame, end > frame ? end : player.frames);
}

/** Lets the loop end at `frame`, and begin where it does or with the song. */
function loopTo(player, frame) {
  const start = player.loop?.start ?? player.frames;
  player.setLoop(start < frame ? start : 0, frame);
}

/** Lets keys control the player, the mix, and by `switchView` the pictures. */
function listenToKeys(player, mix, switchView) {
  const keys = {
    " ": () => player.toggle(),
    ArrowLeft: ({ shiftKey }) => player.skip(shiftKey ? -SKIP_SHORT_S : -SKIP_S),
    ArrowRight: ({ shiftKey }) => player.skip(shiftKey ? SKIP_SHORT_S : SKIP_S),
    Home: () => player.seek(0),
    End: () => player.seek(player.frames),
    Escape: () => player.clearLoop(),
    l: () => player.toggleLoop(),
    i: () => loopFrom(player, player.position()),
    o: () => loopTo(player, player.position()),
    v: switchView,
    0: () => mix.clear(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || isTaken(event)) return;

    // With Shift a digit's key gives another letter; its place on the keyboard stays.
    const digit = Number(/^(?:Digit|Numpad)([1-6])$/.exec(event.code)?.[1]);
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (digit && digit <= mix.stems.length) {
      if (event.repeat) return;
      if (event.shiftKey) mix.toggleSolo(digit - 1);
      else mix.toggleMute(digit - 1);
    } else if (Object.hasOwn(keys, name)) {
      if (event.repeat && !name.startsWith("Arrow")) return;
      keys[name](event);
    } else {
      return;
    }
    event.preventDefault();
  });
}
