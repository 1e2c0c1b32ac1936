/** Where the time of one answer went: a row and a bar for each stage. */

/** @typedef {import("./stages.js").Row} Row */

/**
 * @param {HTMLTableElement} table
 * @param {string} caption
 * @param {Row[]} rows
 */
export function renderWaterfall(table, caption, rows) {
  const total = Math.max(1, ...rows.map(({ toMs }) => toMs));
  const title = table.caption ?? table.createCaption();
  title.textContent = caption;
  const elements = rows.map(({ stage, name, fromMs, toMs }) => {
    const row = document.createElement("tr");
    const header = row.appendChild(document.createElement("th"));
    header.scope = "row";
    header.textContent = name;
    row.insertCell().textContent = `${Math.round(toMs)} ms`;
    const bar = row.insertCell().appendChild(document.createElement("span"));
    bar.className = stage === "played" ? "bar here" : "bar";
    bar.style.setProperty("--from", String(fromMs / total));
    bar.style.setProperty("--to", String(toMs / total));
    return row;
  });
  table.tBodies[0].replaceChildren(...elements);
}
