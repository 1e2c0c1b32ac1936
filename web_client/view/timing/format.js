/** Times in words. */

/** @param {number} ms */
export function formatSeconds(ms) {
  return `${(ms / 1000).toFixed(2)} s`;
}

/** @param {number[]} values at least one */
export function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
