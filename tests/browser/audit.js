// Checks WCAG 2.2: contrast of text (1.4.3), size of targets (2.5.8), reflow (1.4.10). Returns a list of complaints.

(() => {
  const complaints = [];
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  /**
   * Any CSS colour as red, green, blue and opacity, 0 to 1.
   * @returns {number[]}
   */
  function rgba(colour) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((value) => value / 255);
  }

  function over(/** @type {number[]} */ [r, g, b, a], below) {
    return [r, g, b].map((value, at) => value * a + below[at] * (1 - a));
  }

  function background(element) {
    if (!element) return rgba("canvas").slice(0, 3);
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, background(element.parentElement));
  }

  function opacity(element) {
    return element ? Number(getComputedStyle(element).opacity) * opacity(element.parentElement) : 1;
  }

  function luminance(colour) {
    const [r, g, b] = colour.map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  function checkContrast(element, text, { color, fontSize, fontWeight }) {
    const backdrop = background(element);
    const [r, g, b, a] = rgba(color);
    const [light, dark] = [luminance(over([r, g, b, a * opacity(element)], backdrop)), luminance(backdrop)].sort(
      (x, y) => y - x,
    );
    const ratio = (light + 0.05) / (dark + 0.05);
    const isLarge = parseFloat(fontSize) >= (fontWeight >= 700 ? 18.66 : 24);
    if (ratio < (isLarge ? 3 : 4.5)) complaints.push(`contrast ${ratio.toFixed(2)}: ${text.trim()}`);
  }

  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { textContent: text, parentElement: element } = texts.currentNode;
    const isSeen = text.trim() && element.checkVisibility({ visibilityProperty: true }) && !element.closest(".unseen");
    if (isSeen && !element.closest("[aria-disabled=true]")) checkContrast(element, text, getComputedStyle(element));
  }
  /** @type {NodeListOf<HTMLInputElement>} */
  const fields = document.querySelectorAll("[placeholder]:placeholder-shown");
  for (const field of fields) {
    if (field.checkVisibility()) checkContrast(field, field.placeholder, getComputedStyle(field, "::placeholder"));
  }

  for (const control of document.querySelectorAll("button, select, input, textarea, summary")) {
    if (!control.checkVisibility()) continue;
    const { width, height } = (control.closest("label") ?? control).getBoundingClientRect();
    if (Math.min(width, height) < 24) complaints.push(`${width} × ${height} px: ${control.id || control.textContent}`);
  }

  if (document.documentElement.scrollWidth > innerWidth) complaints.push("wider than the screen");
  return complaints;
})();
