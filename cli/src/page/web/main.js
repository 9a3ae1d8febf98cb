"use strict";
// Puts the page together: decodes the stems, then joins player, mix, pictures and controls.

const facts = JSON.parse(document.getElementById("facts").textContent);
const byId = (id) => document.getElementById(id);
const mix = new Mix(facts.stems.length);
const lanes = facts.stems.map((name, number) => new Lane(name, number, mix));
const view = { scale: 1, loudest: 1, isSpectrum: false };
/** The player, once all stems are decoded. */
let player = null;

function say(text, isFailure = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("failed", isFailure);
}

/** Lets the browser draw and answer. */
function breathe() {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Decodes all stems, one after the other, and draws each. */
async function decodeAll() {
  const decoder = new OfflineAudioContext(1, 1, facts.rate_hz);
  const buffers = [];
  for (const lane of lanes) {
    const name = facts.stems[lane.number];
    say(`Decoding ${name} (${lane.number + 1} of ${lanes.length})`);
    await breathe();
    try {
      const encoded = takeEncoded(lane.number);
      const buffer = alignStem(await decoder.decodeAudioData(encoded.buffer), facts);
      lane.peaks = measurePeaks(buffer);
      buffers.push(buffer);
    } catch (error) {
      throw new Error(`This browser cannot decode ${name}: ${error.message || error.name}`);
    }
    view.scale = Math.max(...lanes.map(({ peaks }) => (peaks ? loudest(peaks) : 0)), 1e-3);
    drawLanes();
  }
  return buffers;
}

function drawLanes() {
  for (const lane of lanes) lane.draw(view);
}

function drawAll() {
  drawLanes();
  const ruler = byId("ruler");
  drawRuler(ruler.querySelector("canvas"), facts.frames / facts.rate_hz, colourOf(ruler, "--weak"));
}

/** Shows waveforms or spectrograms. The latter are computed when they are first asked for. */
async function switchView() {
  view.isSpectrum = !view.isSpectrum;
  byId("view-wave").ariaPressed = String(!view.isSpectrum);
  byId("view-spectrum").ariaPressed = String(view.isSpectrum);
  drawLanes();
  if (!view.isSpectrum || !player) return;

  for (const lane of lanes) {
    if (lane.spectrum) continue;
    const spectrum = await measureSpectrum(player.buffers[lane.number]);
    if (lane.spectrum) continue;
    lane.spectrum = spectrum;
    view.loudest = spectrum.reduce((most, power) => Math.max(most, power), view.loudest);
    drawLanes();
  }
}

/** Shows the time while it passes; draws nothing else. */
function showTime(timeline) {
  timeline.showPosition();
  const [now_s, all_s] = [player.position(), player.frames].map((frame) => frame / player.rate);
  byId("clock").replaceChildren(
    clockText(now_s, 1), make("small", { textContent: ` / ${clockText(all_s, 1)}` }),
  );
}

/** Shows the state of the player. */
function showPlayer(timeline) {
  document.body.classList.toggle("playing", player.playing);
  byId("play").ariaLabel = player.playing ? "Pause" : "Play";
  byId("loop").ariaPressed = String(player.looping);
  timeline.showLoop();
  showTime(timeline);

  const now_s = player.position() / player.rate;
  const ruler = byId("ruler");
  ruler.setAttribute("aria-valuenow", now_s.toFixed(1));
  const all_s = player.frames / player.rate;
  ruler.setAttribute("aria-valuetext", `${clockText(now_s, 1)} of ${clockText(all_s, 1)}`);
}

/** Makes the controls work. */
function connect() {
  const timeline = new Timeline(byId("stage"), player);
  timeline.listen(byId("ruler"), true);
  for (const lane of lanes) timeline.listen(lane.track, false);

  byId("play").disabled = false;
  byId("play").addEventListener("click", () => player.toggle());
  byId("to-start").addEventListener("click", () => player.seek(0));
  byId("loop").addEventListener("click", () => player.toggleLoop());
  byId("ruler").setAttribute("aria-valuemax", (player.frames / player.rate).toFixed(1));
  listenToKeys(player, mix, switchView);

  let isDrawing = false;
  const follow = () => {
    showTime(timeline);
    isDrawing = player.playing;
    if (isDrawing) requestAnimationFrame(follow);
  };
  player.addEventListener("change", () => {
    showPlayer(timeline);
    if (player.playing && !isDrawing) follow();
  });
  showPlayer(timeline);
}

async function main() {
  byId("lanes").append(...lanes.map((lane) => lane.element));
  mix.addEventListener("change", () => {
    for (const lane of lanes) lane.show();
    byId("volume").value = mix.masterDb;
    byId("volume").setAttribute("aria-valuetext", gainText(mix.masterDb));
  });
  byId("volume").addEventListener("input", (event) => mix.setMaster(event.target.valueAsNumber));
  byId("volume").addEventListener("dblclick", () => mix.setMaster(0));
  byId("view-wave").addEventListener("click", () => view.isSpectrum && switchView());
  byId("view-spectrum").addEventListener("click", () => view.isSpectrum || switchView());
  new ResizeObserver(drawAll).observe(byId("stage"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

  try {
    player = new Player(await decodeAll(), mix);
    connect();
    say("");
    if (view.isSpectrum) {
      view.isSpectrum = false;
      switchView();
    }
  } catch (error) {
    say(error.message, true);
  }
}

main();
