/** Hands a file to the browser's downloads. */

/**
 * @param {string} name
 * @param {string} content
 * @param {string} type its media type
 */
export function download(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
