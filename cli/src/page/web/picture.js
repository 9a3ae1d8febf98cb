"use strict";
// Pictures of a stem, drawn to the device's own pixels.

/** Fits a canvas to its place on the screen. Returns its size, or null if it has none. */
function fitCanvas(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (!columns || !rows) return null;
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
  return { columns, rows, ratio };
}

/** Returns the colour of a custom property, as `[red, green, blue]`. */
function colourOf(element, property) {
  const text = getComputedStyle(element).getPropertyValue(property).trim();
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

function css(colour, alpha = 1) {
  return `rgb(${colour.join(" ")} / ${alpha})`;
}

/** Draws extremes, and over them the loudness. `scale` is the sample that fills the height. */
function drawWaveform(canvas, peaks, scale, colour) {
  const size = fitCanvas(canvas);
  if (!size) return;
  const { columns, rows, ratio } = size;
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, columns, rows);

  const middle = rows / 2;
  const reach = (rows / 2 - ratio) / scale;
  const bars = (style, extent) => {
    pen.fillStyle = style;
    for (let column = 0; column < columns; column++) {
      const [top, bottom] = extent(peakOf(peaks, column, columns));
      const from = Math.floor(middle - top * reach);
      const to = Math.ceil(middle - bottom * reach);
      pen.fillRect(column, from, 1, Math.max(1, to - from));
    }
  };
  bars(css(colour, 0.5), ({ low, high }) => [high, low]);
  bars(css(colour), ({ low, high, rms }) => [Math.min(rms, high), Math.max(-rms, low)]);
}

/** Returns colours from the background through the stem's to the ink's, for levels 0 to 255. */
function palette(well, colour, ink) {
  const mix = (a, b, share) => a.map((value, n) => Math.round(value + (b[n] - value) * share));
  return Array.from({ length: 256 }, (_, level) => {
    const x = level / 255;
    return x < 0.7 ? mix(well, colour, x / 0.7) : mix(colour, ink, ((x - 0.7) / 0.3) * 0.75);
  });
}

/** Draws a spectrogram. `loudest` is the power that is drawn in the palette's last colour. */
function drawSpectrum(canvas, spectrum, loudest, colours) {
  const size = fitCanvas(canvas);
  if (!size) return;

  const image = new ImageData(SPECTRUM_COLUMNS, SPECTRUM_ROWS);
  for (let column = 0; column < SPECTRUM_COLUMNS; column++) {
    for (let row = 0; row < SPECTRUM_ROWS; row++) {
      const power = spectrum[column * SPECTRUM_ROWS + row];
      const db = 10 * Math.log10(power / loudest + 1e-12);
      const level = Math.round(255 * Math.min(1, Math.max(0, 1 + db / RANGE_DB)));
      const at = 4 * ((SPECTRUM_ROWS - 1 - row) * SPECTRUM_COLUMNS + column);
      const colour = colours[level];
      image.data[at] = colour[0];
      image.data[at + 1] = colour[1];
      image.data[at + 2] = colour[2];
      image.data[at + 3] = 255;
    }
  }

  const small = new OffscreenCanvas(SPECTRUM_COLUMNS, SPECTRUM_ROWS);
  small.getContext("2d").putImageData(image, 0, 0);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(small, 0, 0, size.columns, size.rows);
}

/** Returns the distance of a ruler's labels, in seconds, for `columns` of `seconds`. */
function rulerStep(seconds, columns, ratio) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600];
  return steps.find((step) => (step / seconds) * columns >= 64 * ratio) ?? 1200;
}

/** Draws the times of a song of `seconds`. */
function drawRuler(canvas, seconds, colour) {
  const size = fitCanvas(canvas);
  if (!size) return;
  const { columns, rows, ratio } = size;
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, columns, rows);
  pen.fillStyle = css(colour);
  pen.font = `${12 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
  pen.textBaseline = "middle";

  const step = rulerStep(seconds, columns, ratio);
  for (let time = 0; time < seconds; time += step) {
    const at = Math.round((time / seconds) * columns);
    pen.fillRect(at, rows - 8 * ratio, Math.max(1, Math.round(ratio)), 8 * ratio);
    const text = clockText(time, 0);
    if (at + 5 * ratio + pen.measureText(text).width < columns) {
      pen.fillText(text, at + 5 * ratio, rows / 2);
    }
  }
  for (let time = 0; time < seconds; time += step / 5) {
    const at = Math.round((time / seconds) * columns);
    pen.fillRect(at, rows - 4 * ratio, Math.max(1, Math.round(ratio)), 4 * ratio);
  }
}

/** Returns a time as minutes and seconds. */
function clockText(seconds, decimals) {
  const unit = 10 ** decimals;
  const whole = Math.floor(seconds * unit + 1e-6);
  const minutes = Math.floor(whole / (60 * unit));
  const rest = ((whole - minutes * 60 * unit) / unit).toFixed(decimals);
  return `${minutes}:${rest.padStart(decimals ? 3 + decimals : 2, "0")}`;
}
