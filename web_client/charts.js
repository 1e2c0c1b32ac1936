// Where the time goes: a waterfall of one turn, and the voice-to-voice times of the call.

const SVG = "http://www.w3.org/2000/svg";

const STAGE_NAMES = {
  pause_seen: "pause noticed",
  transcript_ready: "words understood",
  turn_decided: "turn taken for over",
  first_thought: "first thought",
  first_token: "first word written",
  first_clause: "first clause written",
  first_audio: "first sound made",
  first_packet: "first sound sent",
  heard: "first sound heard here",
};

/** @param {HTMLTableElement} table @param {string} caption @param {[string, number][]} stages in order, in ms */
export function drawWaterfall(table, caption, stages) {
  const shown = stages.filter(([stage]) => stage in STAGE_NAMES);
  const longest = Math.max(1, ...shown.map(([, at]) => at));
  table.caption.textContent = caption;
  let before = 0;
  const rows = shown.map(([stage, at]) => {
    const row = document.createElement("tr");
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = STAGE_NAMES[stage];
    const time = row.appendChild(document.createElement("td"));
    time.textContent = `${Math.round(at)} ms`;
    const bar = row.appendChild(document.createElement("td")).appendChild(document.createElement("span"));
    bar.className = stage === "heard" ? "bar here" : "bar";
    bar.style.setProperty("--from", before / longest);
    bar.style.setProperty("--to", at / longest);
    row.prepend(name);
    before = at;
    return row;
  });
  table.tBodies[0].replaceChildren(...rows);
}

/** @param {SVGElement} svg @param {number[]} times in ms, oldest first */
export function drawSparkline(svg, times) {
  const { width, height } = svg.viewBox.baseVal;
  const most = Math.max(...times) * 1.1;
  const across = (at) => 4 + (times.length === 1 ? 0.5 : at / (times.length - 1)) * (width - 8);
  const points = times.map((time, at) => [across(at), height - 3 - (time / most) * (height - 6)]);
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.map((point) => point.join()).join(" "));
  // A line of no length with round ends is a dot, also where the picture is stretched.
  const dots = points.map(([x, y]) => {
    const dot = document.createElementNS(SVG, "path");
    dot.setAttribute("d", `M${x} ${y}h0`);
    return dot;
  });
  svg.replaceChildren(line, ...dots);
  const seconds = times.map((time) => (time / 1000).toFixed(2)).join(", ");
  svg.setAttribute("aria-label", `Voice to voice over the call, in seconds: ${seconds}`);
}

export function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
