/** The dialog with the user's preferences. */

import { CAN_CHOOSE_SPEAKER, listMicrophones, listSpeakers } from "../../audio/devices.js";
import { fetchServerInfo } from "../../call/server.js";
import { find } from "../dom.js";
import { VoiceList } from "./voice-list.js";

const SYSTEM_DEFAULT = "System default";
/** @type {Record<string, string>} */
const TRANSPORT_NOTES = { webrtc: "This call uses WebRTC.", websocket: "This call uses a WebSocket." };

/** @typedef {import("../../preferences.js").Choices} Choices */
/** @typedef {import("../../errors.js").CallError} CallError */

export class SettingsDialog {
  #dialog;
  #preferences;
  #call;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {import("../../preferences.js").Preferences} preferences
   * @param {import("../../call/call.js").Call} call
   */
  constructor(dialog, preferences, call) {
    this.#dialog = dialog;
    this.#preferences = preferences;
    this.#call = call;
    const template = find(dialog, "#voice-row", HTMLTemplateElement);
    this.voices = new VoiceList(find(dialog, "#voice-list"), template, find(dialog, "#more-voices"), () => ({
      key: preferences.key,
      output: { volume: this.#input("volume").valueAsNumber, speakerId: this.#select("speaker").value },
    }));
    find(dialog, "form", HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      this.#save();
    };
    find(dialog, "#cancel-settings").onclick = () => dialog.close();
    dialog.addEventListener("close", () => this.#revert());
    this.#input("volume").oninput = () => this.#showValues();
    this.#input("speed").oninput = () => this.#showValues();
    for (const element of dialog.querySelectorAll(".speaker")) element.toggleAttribute("hidden", !CAN_CHOOSE_SPEAKER);
    navigator.mediaDevices?.addEventListener("devicechange", () => dialog.open && this.#listDevices());
  }

  async open() {
    const { deviceId, speakerId, voice, instructions, eagerness, connection, ...others } = this.#preferences.chosen;
    this.voices.chosen = voice;
    const field = find(this.#dialog, "#instructions", HTMLTextAreaElement);
    field.value = instructions;
    field.placeholder = this.#call.session.settings?.instructions ?? "";
    this.#input("volume").valueAsNumber = others.volume;
    this.#input("speed").valueAsNumber = others.speed;
    this.#input("tools").checked = others.tools;
    this.#input("shortcuts").checked = others.shortcuts;
    find(this.#dialog, `[name=eagerness][value=${eagerness}]`, HTMLInputElement).checked = true;
    find(this.#dialog, `[name=connection][value=${connection}]`, HTMLInputElement).checked = true;
    find(this.#dialog, "#transport").textContent = TRANSPORT_NOTES[this.#call.transport ?? ""] ?? "";
    find(this.#dialog, "#settings-error").textContent = "";
    this.#showValues();
    this.#dialog.showModal();
    await Promise.all([this.#listDevices(deviceId, speakerId), this.#describeServer()]);
  }

  async #save() {
    const before = this.#preferences.chosen;
    /** @type {Choices} */
    const chosen = {
      deviceId: this.#select("microphone").value,
      speakerId: this.#select("speaker").value,
      voice: this.voices.chosen,
      instructions: find(this.#dialog, "#instructions", HTMLTextAreaElement).value.trim(),
      eagerness: /** @type {Choices["eagerness"]} */ (this.#checked("eagerness")),
      connection: /** @type {Choices["connection"]} */ (this.#checked("connection")),
      volume: this.#input("volume").valueAsNumber,
      speed: this.#input("speed").valueAsNumber,
      tools: this.#input("tools").checked,
      shortcuts: this.#input("shortcuts").checked,
    };
    this.#preferences.choose(chosen);
    try {
      if (chosen.deviceId !== before.deviceId && this.#call.hasMicrophone) {
        await this.#call.chooseMicrophone(chosen.deviceId);
      }
      if (chosen.speakerId !== before.speakerId) await this.#call.chooseSpeaker(chosen.speakerId);
    } catch (error) {
      const { message, advice } = /** @type {CallError} */ (error);
      this.#preferences.choose({ deviceId: before.deviceId });
      find(this.#dialog, "#settings-error").textContent = `${message} ${advice}`;
      return;
    }
    if (chosen.connection !== before.connection) this.#call.reconnect();
    else this.#call.update();
    this.#dialog.close();
  }

  /** Show the sliders' values, and let the volume be heard at once. */
  #showValues() {
    const [volume, speed] = [this.#input("volume").valueAsNumber, this.#input("speed").valueAsNumber];
    find(this.#dialog, "#volume-value").textContent = `${Math.round(volume * 100)} %`;
    find(this.#dialog, "#speed-value").textContent = `${speed.toFixed(2).replace(/0$/, "")} ×`;
    this.#call.setVolume(volume);
  }

  /** Undo what a dialog that was cancelled has tried out. */
  #revert() {
    this.voices.stop();
    this.#call.setVolume(this.#preferences.chosen.volume);
  }

  async #listDevices(deviceId = this.#select("microphone").value, speakerId = this.#select("speaker").value) {
    fillSelect(this.#select("microphone"), SYSTEM_DEFAULT, await listMicrophones(), deviceId);
    fillSelect(this.#select("speaker"), SYSTEM_DEFAULT, await listSpeakers(), speakerId);
  }

  async #describeServer() {
    const server = await fetchServerInfo(this.#preferences.key);
    const note = find(this.#dialog, "#engine");
    note.textContent = "";
    if (!server) return;
    const { encoder, decoder } = server.models;
    note.textContent = `The server listens with ${encoder} and answers with ${decoder}.`;
    this.voices.show(server);
  }

  /** @param {string} id */
  #select(id) {
    return find(this.#dialog, `#${id}`, HTMLSelectElement);
  }

  /** @param {string} id */
  #input(id) {
    return find(this.#dialog, `#${id}`, HTMLInputElement);
  }

  /** @param {string} name of a group of radio buttons */
  #checked(name) {
    return find(this.#dialog, `[name=${name}]:checked`, HTMLInputElement).value;
  }
}

/**
 * Fill a list with choices; the first stands for none of them, and is chosen if `chosen` is not among them.
 * @param {HTMLSelectElement} select
 * @param {string} none
 * @param {[label: string, value: string][]} choices
 * @param {string} chosen
 */
function fillSelect(select, none, choices, chosen) {
  const all = [/** @type {[string, string]} */ ([none, ""]), ...choices];
  select.replaceChildren(...all.map(([label, value]) => new Option(label, value, false, value === chosen)));
}
