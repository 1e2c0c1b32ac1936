// The two dialogs: settings, and the API key.

import { microphones } from "./sound.js";

export class SettingsDialog {
  #dialog;
  #options;
  #call;

  constructor(dialog, options, call) {
    this.#dialog = dialog;
    this.#options = options;
    this.#call = call;
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      this.#save();
    };
    this.#field("cancel-settings").onclick = () => dialog.close();
    navigator.mediaDevices?.addEventListener("devicechange", () => dialog.open && this.#listMicrophones());
  }

  async open() {
    const { voice, instructions, eagerness } = this.#options.chosen;
    const session = this.#call.session.settings;
    const own = session?.audio.output.voice ?? "";
    this.#field("voice").value = voice;
    this.#field("voice").placeholder = own;
    this.#field("voices").replaceChildren(new Option(own, own));
    this.#field("instructions").value = instructions;
    this.#field("instructions").placeholder = session?.instructions ?? "";
    this.#dialog.querySelector(`[name=eagerness][value=${eagerness}]`).checked = true;
    this.#field("settings-error").textContent = "";
    this.#dialog.showModal();
    await Promise.all([this.#listMicrophones(), this.#describeEngine()]);
  }

  async #save() {
    const deviceId = this.#field("microphone").value;
    this.#options.choose({
      deviceId,
      voice: this.#field("voice").value.trim(),
      instructions: this.#field("instructions").value.trim(),
      eagerness: this.#dialog.querySelector("[name=eagerness]:checked").value,
    });
    this.#call.update();
    try {
      if (deviceId && deviceId !== this.#call.deviceId) await this.#call.choose(deviceId);
      this.#dialog.close();
    } catch (trouble) {
      this.#field("settings-error").textContent = `${trouble.message} ${trouble.advice}`;
    }
  }

  async #listMicrophones() {
    const wanted = this.#options.chosen.deviceId;
    const found = (await microphones()).filter(({ id }) => id !== "default");
    const choices = found.map(({ id, name }) => new Option(name, id, false, id === wanted));
    this.#field("microphone").replaceChildren(new Option("The system's own choice", ""), ...choices);
  }

  async #describeEngine() {
    try {
      const { models } = await (await fetch(new URL("health", document.baseURI))).json();
      this.#field("engine").textContent =
        `Behind this page: ${models.encoder} listens, ${models.decoder} thinks, ${models.voice} speaks.`;
    } catch {
      this.#field("engine").textContent = "";
    }
  }

  #field(id) {
    return this.#dialog.querySelector(`#${id}`);
  }
}

/** Resolves to what was entered; empty if nothing was. */
export function askForKey(dialog, trouble) {
  dialog.querySelector("#key-advice").textContent = `${trouble.message} ${trouble.advice}`;
  const field = dialog.querySelector("#key");
  field.value = "";
  return new Promise((resolve) => {
    let key = "";
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      key = field.value.trim();
      dialog.close();
    };
    dialog.querySelector("#cancel-key").onclick = () => dialog.close();
    dialog.onclose = () => resolve(key);
    dialog.showModal();
  });
}
