// The two dialogs: settings, and the API key.

import { askServer } from "./server.js";
import { SPEAKERS_CAN_BE_CHOSEN, microphones, speakers } from "./sound.js";

const SYSTEMS_CHOICE = "The system's own choice";
const SERVERS_CHOICE = "The server's own";
const WAYS = { webrtc: "This call runs over WebRTC.", websocket: "This call runs over a WebSocket." };

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
    for (const element of dialog.querySelectorAll(".speakers")) element.hidden = !SPEAKERS_CAN_BE_CHOSEN;
    navigator.mediaDevices?.addEventListener("devicechange", () => dialog.open && this.#listDevices());
  }

  async open() {
    const { deviceId, speakerId, voice, instructions, eagerness, connection } = this.#options.chosen;
    const session = this.#call.session.settings;
    list(this.#field("voice"), SERVERS_CHOICE, voice ? [[voice, voice]] : [], voice);
    this.#field("instructions").value = instructions;
    this.#field("instructions").placeholder = session?.instructions ?? "";
    this.#dialog.querySelector(`[name=eagerness][value=${eagerness}]`).checked = true;
    this.#dialog.querySelector(`[name=connection][value=${connection}]`).checked = true;
    this.#field("way").textContent = WAYS[this.#call.transport] ?? "";
    this.#field("settings-error").textContent = "";
    this.#dialog.showModal();
    await Promise.all([this.#listDevices(deviceId, speakerId), this.#describeServer()]);
  }

  async #save() {
    const { connection, deviceId, speakerId } = this.#options.chosen;
    const chosen = {
      deviceId: this.#field("microphone").value,
      speakerId: this.#field("speaker").value,
      voice: this.#field("voice").value,
      instructions: this.#field("instructions").value.trim(),
      eagerness: this.#dialog.querySelector("[name=eagerness]:checked").value,
      connection: this.#dialog.querySelector("[name=connection]:checked").value,
    };
    this.#options.choose(chosen);
    try {
      if (chosen.deviceId !== deviceId) await this.#call.choose(chosen.deviceId);
      if (chosen.speakerId !== speakerId) await this.#call.speakThrough(chosen.speakerId);
    } catch (trouble) {
      this.#options.choose({ ...chosen, deviceId });
      this.#field("settings-error").textContent = `${trouble.message} ${trouble.advice}`;
      return;
    }
    if (chosen.connection !== connection) this.#call.reconnect();
    else this.#call.update();
    this.#dialog.close();
  }

  async #listDevices(deviceId = this.#field("microphone").value, speakerId = this.#field("speaker").value) {
    list(this.#field("microphone"), SYSTEMS_CHOICE, await microphones(), deviceId);
    list(this.#field("speaker"), SYSTEMS_CHOICE, await speakers(), speakerId);
  }

  async #describeServer() {
    const server = await askServer(this.#options.key);
    this.#field("engine").textContent = "";
    if (!server) return;
    const { encoder, decoder, voice } = server.models;
    this.#field("engine").textContent = `Behind this page: ${encoder} listens, ${decoder} thinks, ${voice} speaks.`;
    const voices = server.voices.map((name) => [name, name]);
    list(this.#field("voice"), SERVERS_CHOICE, voices, this.#field("voice").value);
  }

  #field(id) {
    return this.#dialog.querySelector(`#${id}`);
  }
}

/** Fill a list with `choices`, pairs of what is seen and what is meant. If what was `chosen` is not among them, it is `none`. */
function list(select, none, choices, chosen) {
  const options = [[none, ""], ...choices].map(([text, value]) => new Option(text, value, false, value === chosen));
  select.replaceChildren(...options);
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
