// What the agent thinks about an answer, beside the words of it that are being said.

import { fill } from "./captions.js";

export class Thoughts {
  #panel;
  #list;
  #shown = new Map(); // element of each response

  /** @param {HTMLDetailsElement} panel hidden while nothing was thought @param list in it */
  constructor(panel, list) {
    this.#panel = panel;
    this.#list = list;
    panel.addEventListener("toggle", () => this.#follow());
  }

  /** @param {Map<string, string>} thoughts by response @param {object[]} entries of a `Session` */
  render(thoughts, entries) {
    this.#panel.hidden = thoughts.size === 0;
    for (const [response, element] of this.#shown) {
      if (thoughts.has(response)) continue;
      element.remove();
      this.#shown.delete(response);
    }
    for (const [response, text] of thoughts) {
      const entry = entries.findLast((entry) => entry.response === response);
      this.#show(response, text.trim(), entry);
    }
  }

  #show(response, text, entry) {
    let element = this.#shown.get(response);
    if (!element) this.#shown.set(response, (element = this.#list.appendChild(build())));
    const [thought, said] = element.querySelectorAll("p");
    if (thought.textContent !== text) {
      const following = this.#isAtEnd();
      thought.textContent = text;
      if (following) this.#follow();
    }
    if (!entry) return;
    said.className = entry.state;
    fill(said, entry);
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < 40;
  }

  #follow() {
    this.#list.scrollTop = this.#list.scrollHeight;
  }
}

function build() {
  const element = document.createElement("li");
  for (const name of ["Thinks", "Says"]) {
    const column = element.appendChild(document.createElement("div"));
    const title = column.appendChild(document.createElement("span"));
    title.className = "name";
    title.textContent = name;
    column.append(document.createElement("p"));
  }
  return element;
}
