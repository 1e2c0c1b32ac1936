/** The elements of one caption. */

/** @typedef {import("../call/entries.js").Entry} Entry */

/** @type {Record<string, string>} */
const NAMES = { user: "You", agent: "Antiphon" };
const SVG = "http://www.w3.org/2000/svg";
/** A triangle, and the square that replaces it while a recording plays. */
const REPLAY_ICON = { play: "M8 5.5v13l10.5-6.5z", stop: "M7 7h10v10H7z" };

/**
 * @param {Entry} entry
 * @param {{replay: () => void, select: () => void}} actions
 */
export function captionElement(entry, { replay, select }) {
  const element = document.createElement("li");
  if (entry.role === "tool") {
    element.append(toolElement(entry));
    return element;
  }
  const head = element.appendChild(document.createElement("div"));
  head.className = "head";
  const name = head.appendChild(document.createElement("span"));
  name.className = "name";
  name.textContent = NAMES[entry.role];
  const replayButton = head.appendChild(button("replay", replay));
  for (const [state, path] of Object.entries(REPLAY_ICON)) replayButton.append(icon(state, path));
  head.append(button("duration", select));
  if (entry.role === "agent") element.append(thoughtsElement());
  element.append(document.createElement("p"));
  return element;
}

function thoughtsElement() {
  const details = document.createElement("details");
  details.className = "thoughts";
  details.open = true;
  details.hidden = true;
  details.appendChild(document.createElement("summary")).textContent = "Thoughts";
  const text = details.appendChild(document.createElement("div"));
  text.tabIndex = 0; // it scrolls
  return details;
}

/** @param {import("../call/entries.js").ToolEntry} entry */
function toolElement({ name, input, output }) {
  const details = document.createElement("details");
  details.appendChild(document.createElement("summary")).textContent = `Used ${name.replaceAll("_", " ")}`;
  details.appendChild(document.createElement("code")).textContent = `${name}(${input})`;
  details.appendChild(document.createElement("code")).textContent = output;
  return details;
}

/**
 * @param {string} className
 * @param {() => void} onClick
 */
function button(className, onClick) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = className;
  element.hidden = true;
  element.onclick = onClick;
  return element;
}

/**
 * @param {string} className
 * @param {string} path
 */
function icon(className, path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", className);
  svg.appendChild(document.createElementNS(SVG, "path")).setAttribute("d", path);
  return svg;
}
