"use strict";
// The time axis under the pointer: where the song is, and which part is looped.

/** Pixels by which a pointer moves before it drags. */
const DRAG_PX = 6;

/** Pixels around an edge of the loop in which the edge is taken. */
const EDGE_PX = 8;
const EDGE_TOUCH_PX = 16;

/** Gestures on the ruler and on the stems' pictures. */
class Timeline {
  constructor(stage, player) {
    this.stage = stage;
    this.player = player;
  }

  /** Takes gestures on `track`: on the ruler a drag moves, on a stem it marks a loop. */
  listen(track, isRuler) {
    let gesture = null;
    const frameAt = (event) => {
      const { left, width } = track.getBoundingClientRect();
      return Math.min(1, Math.max(0, (event.clientX - left) / width)) * this.player.frames;
    };

    track.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      track.setPointerCapture(event.pointerId);
      const fixed = this.edgeBeside(event, track);
      gesture = { from: frameAt(event), x: event.clientX, fixed, isDrag: false, marks: false };
      if (isRuler && fixed === null) this.player.seek(gesture.from);
    });
    track.addEventListener("pointermove", (event) => {
      if (!gesture) return;
      gesture.isDrag ||= Math.abs(event.clientX - gesture.x) >= DRAG_PX;
      if (!gesture.isDrag) return;
      gesture.marks = gesture.fixed !== null || !isRuler;
      if (gesture.marks) this.drawLoop(gesture.fixed ?? gesture.from, frameAt(event));
      else this.player.seek(frameAt(event));
    });
    track.addEventListener("pointerup", (event) => {
      if (gesture?.marks) this.player.setLoop(gesture.fixed ?? gesture.from, frameAt(event));
      else if (gesture && !isRuler) this.player.seek(frameAt(event));
      gesture = null;
    });
    track.addEventListener("pointercancel", () => {
      gesture = null;
      this.showLoop();
    });
  }

  /** Returns the edge of the loop that stays when the one under the pointer is dragged, or null. */
  edgeBeside(event, track) {
    const { loop, frames } = this.player;
    if (!loop) return null;
    const { left, width } = track.getBoundingClientRect();
    const reach = event.pointerType === "mouse" ? EDGE_PX : EDGE_TOUCH_PX;
    const distance = (frame) => Math.abs(event.clientX - left - (frame / frames) * width);
    if (distance(loop.end) <= reach) return loop.start;
    return distance(loop.start) <= reach ? loop.end : null;
  }

  /** Shows the position. */
  showPosition() {
    const played = this.player.position() / this.player.frames;
    this.stage.style.setProperty("--played", played.toFixed(6));
  }

  /** Shows the loop. */
  showLoop() {
    const { loop, looping } = this.player;
    this.stage.classList.toggle("has-loop", loop !== null);
    this.stage.classList.toggle("loops", looping);
    if (loop) this.drawLoop(loop.start, loop.end);
  }

  /** Draws a loop, whose ends may come in either order. */
  drawLoop(start, end) {
    const { frames } = this.player;
    this.stage.classList.add("has-loop");
    this.stage.style.setProperty("--loop-start", Math.min(start, end) / frames);
    this.stage.style.setProperty("--loop-end", Math.max(start, end) / frames);
  }
}
