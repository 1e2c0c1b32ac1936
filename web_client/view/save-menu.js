/** The menu that saves or copies the conversation. */

import { download } from "../export/download.js";
import { sessionPage } from "../export/session-page.js";
import { transcript } from "../export/transcript.js";
import { find } from "./dom.js";

export class SaveMenu {
  #call;
  #opener;
  #menu;
  #copy;

  /**
   * @param {HTMLElement} opener the button that opens the menu
   * @param {HTMLElement} menu a popover
   * @param {import("../call/call.js").Call} call
   */
  constructor(opener, menu, call) {
    this.#call = call;
    this.#opener = opener;
    this.#menu = menu;
    this.#copy = find(menu, "#copy");
    opener.onclick = () => {
      if (!call.session.entries.length) return;
      this.#copy.textContent = "Copy text";
      menu.togglePopover();
    };
    menu.addEventListener("toggle", ({ newState }) => {
      opener.ariaExpanded = String(newState === "open");
      if (newState === "open") menu.querySelector("button")?.focus();
    });
    find(menu, "#save-page").onclick = () => this.#save("html");
    find(menu, "#save-text").onclick = () => this.#save("txt");
    this.#copy.onclick = () => this.#copyText();
  }

  render() {
    this.#opener.ariaDisabled = String(!this.#call.session.entries.length);
  }

  /** @param {"html" | "txt"} kind */
  #save(kind) {
    const { session, recordings } = this.#call;
    const name = `antiphon-${new Date().toISOString().slice(0, 16).replace(":", "")}.${kind}`;
    if (kind === "txt") download(name, transcript(session.entries), "text/plain");
    else
      download(
        name,
        sessionPage(session.entries, (entry) => recordings.clip(entry)),
        "text/html",
      );
    this.#menu.hidePopover();
  }

  async #copyText() {
    try {
      await navigator.clipboard.writeText(transcript(this.#call.session.entries));
      this.#copy.textContent = "Copied";
    } catch {
      this.#copy.textContent = "The browser forbids copying";
    }
  }
}
