/** Keyboard shortcuts. Single keys can be turned off, as WCAG 2.1.4 demands; Escape always works. */

/**
 * @param {Record<string, () => void>} actions by `KeyboardEvent.key`, in lower case
 * @param {() => boolean} singleKeysEnabled
 */
export function listenForShortcuts(actions, singleKeysEnabled) {
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof Element && event.target.matches("input, textarea, select");
    const isChord = event.ctrlKey || event.altKey || event.metaKey;
    if (document.querySelector("dialog[open]") || isChord || event.repeat) return;
    if (event.key !== "Escape" && (isTyping || !singleKeysEnabled())) return;
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    if (event.key !== "Escape") event.preventDefault(); // the key must not end up in a field that is focused
    action();
  });
}
