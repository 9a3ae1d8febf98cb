"use strict";
// The stems as they lie in the page: base64, in <script> elements of a type that no browser runs.

/** Returns the bytes of stem number `stem`, an encoded file, and takes its text out of the page. */
function takeEncoded(stem) {
  const pieces = [];
  let length = 0;

  for (const element of document.querySelectorAll(`script[data-stem="${stem}"]`)) {
    const text = atob(element.textContent);
    const bytes = new Uint8Array(text.length);
    for (let n = 0; n < text.length; n++) bytes[n] = text.charCodeAt(n);
    pieces.push(bytes);
    length += bytes.length;
    element.remove();
  }

  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
