/** The voice-to-voice times of a call as a small line chart. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {SVGSVGElement} svg
 * @param {number[]} times in ms, oldest first
 */
export function renderSparkline(svg, times) {
  const { width, height } = svg.viewBox.baseVal;
  const top = Math.max(...times) * 1.1;
  const x = (/** @type {number} */ at) => 4 + (times.length === 1 ? 0.5 : at / (times.length - 1)) * (width - 8);
  const points = times.map((time, at) => [x(at), height - 3 - (time / top) * (height - 6)]);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.map((point) => point.join()).join(" "));
  // A line of no length with round ends is a dot, even where the chart is stretched.
  const dots = points.map(([x, y]) => {
    const dot = document.createElementNS(SVG, "path");
    dot.setAttribute("d", `M${x} ${y}h0`);
    return dot;
  });
  svg.replaceChildren(line, ...dots);
  const seconds = times.map((time) => (time / 1000).toFixed(2)).join(", ");
  svg.setAttribute("aria-label", `Voice-to-voice time over the call, in seconds: ${seconds}`);
}
