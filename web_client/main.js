/** The page: connects the call with what is shown and pressed. */

import { Call } from "./call/call.js";
import { fetchServerInfo, signIn } from "./call/server.js";
import { CallError } from "./errors.js";
import { Preferences } from "./preferences.js";
import { CallClock } from "./view/call-clock.js";
import { Captions } from "./view/captions.js";
import { find } from "./view/dom.js";
import { ErrorBanner } from "./view/error-banner.js";
import { LevelRing } from "./view/level-ring.js";
import { SaveMenu } from "./view/save-menu.js";
import { askForKey } from "./view/settings/key-dialog.js";
import { SettingsDialog } from "./view/settings/settings-dialog.js";
import { listenForShortcuts } from "./view/shortcuts.js";
import { TimingPanel } from "./view/timing/timing-panel.js";
import { WakeLock } from "./view/wake-lock.js";
import { Welcome } from "./view/welcome.js";

const element = (/** @type {string} */ id) => find(document, `#${id}`);

const preferences = new Preferences();
const call = new Call(preferences);
const ring = new LevelRing(find(document, "#levels", HTMLCanvasElement), () => call.levels);
const captions = new Captions({
  list: element("captions"),
  scroller: element("conversation"),
  toLatest: element("to-latest"),
  announcer: element("announcer"),
});
const welcome = new Welcome(element("welcome"), (question) => call.write(question));
const timing = new TimingPanel(find(document, "#timing", HTMLDetailsElement));
const settings = new SettingsDialog(find(document, "#settings", HTMLDialogElement), preferences, call);
const keyDialog = find(document, "#key-dialog", HTMLDialogElement);
const helpDialog = find(document, "#help", HTMLDialogElement);
const saveMenu = new SaveMenu(element("save"), element("save-menu"), call);
const errorBanner = new ErrorBanner(element("error"), actionFor);
const textField = find(document, "#text", HTMLInputElement);
const wakeLock = new WakeLock();
const clock = new CallClock(element("clock"));

let phase = call.phase;
let renderPending = false;

const FLOOR_LABELS = { listening: "Listening", user: "Hearing you", thinking: "Thinking", agent: "Speaking" };
const PHASE_LABELS = { idle: "", starting: "One moment", connecting: "Connecting", live: "" };
/** @type {Record<string, string>} */
const ANNOUNCEMENTS = { live: "Connected. Start speaking.", connecting: "Connecting.", idle: "The call has ended." };
/** Errors that need no action, or for which none helps. */
const NO_ACTION = new Set(["unreachable", "restarting", "full", "insecure"]);
/** Errors that the API key resolves. */
const KEY_ERRORS = new Set(["key-needed", "key-wrong", "key-expired"]);
/** Errors that leave the call as it was. */
const PASSING = new Set(["answer-failed", "rejected"]);

call.onChange = () => {
  if (!renderPending) requestAnimationFrame(render);
  renderPending = true;
};
call.onError = showError;
call.onRejection = (error) => {
  if (error.code === "invalid_value" && error.param === "session.audio.output.voice") preferences.choose({ voice: "" });
  showError(new CallError("rejected", error));
};
captions.onReplay = (entry) => call.replay(entry);
captions.onSelect = (entry) => {
  timing.show(entry);
  render();
};

element("start").onclick = () => call.start();
element("end").onclick = () => {
  showError(null);
  call.end();
};
element("mute").onclick = toggleMicrophone;
element("interrupt").onclick = interrupt;
element("restart").onclick = () => call.restart();
element("composer").onsubmit = send;
element("open-settings").onclick = () => settings.open();
element("choose-voice").onclick = () => settings.open().then(() => settings.voices.focus());
element("open-help").onclick = () => helpDialog.showModal();
listenForShortcuts(
  {
    escape: interrupt,
    m: () => call.phase === "live" && toggleMicrophone(),
    s: () => element(call.phase === "idle" ? "start" : "end").click(),
    "/": () => textField.focus(),
    "?": () => helpDialog.showModal(),
  },
  () => preferences.chosen.shortcuts,
);
addEventListener("pagehide", () => call.end());

// A small screen has no room for the timing next to the conversation.
find(document, "#timing", HTMLDetailsElement).open = matchMedia("(min-width: 56rem) and (min-height: 40rem)").matches;
render();
fetchServerInfo(preferences.key).then((server) => welcome.describe(server));

function render() {
  renderPending = false;
  const { entries, floor } = call.session;
  const live = call.phase === "live";
  document.body.dataset.phase = call.phase;
  document.body.dataset.floor = live ? floor : "idle";
  document.body.dataset.transport = call.transport ?? "";
  document.body.dataset.conversation = entries.length ? "begun" : "empty";
  find(element("start"), "span").textContent = entries.length ? "Talk again" : "Start talking";
  element("start").hidden = call.phase !== "idle";
  element("controls").hidden = call.phase === "idle";
  element("state").textContent = live ? floorLabel() : PHASE_LABELS[call.phase];
  element("mute").ariaPressed = String(call.muted || !call.hasMicrophone);
  find(element("mute"), "span").textContent = call.hasMicrophone || !live ? "Mute" : "Use microphone";
  element("interrupt").ariaDisabled = String(!canInterrupt());
  ring.floor = live ? floor : "idle";
  wakeLock.wanted = call.phase !== "idle";
  welcome.render(entries.length === 0, live);
  captions.render(entries, (entry) => ({
    selected: entry === timing.selected,
    replayable: call.recordings.clip(entry) !== null && (entry.role !== "agent" || entry.state !== "speaking"),
    replaying: entry === call.replaying,
  }));
  timing.render(entries);
  saveMenu.render();
  if (call.phase !== phase) changePhase();
}

function floorLabel() {
  const { floor } = call.session;
  if (floor !== "listening") return FLOOR_LABELS[floor];
  if (!call.hasMicrophone) return "No microphone";
  return call.muted ? "Muted" : FLOOR_LABELS.listening;
}

function changePhase() {
  const ended = call.phase === "idle";
  const focused = document.activeElement;
  const isLost = !focused || focused === document.body || !focused.checkVisibility({ visibilityProperty: true });
  if (isLost) element(ended ? "start" : "mute").focus();
  phase = call.phase;
  clock.phase = phase;
  element("announcer").textContent = ANNOUNCEMENTS[phase] ?? "";
}

function canInterrupt() {
  return call.phase === "live" && call.session.isAnswering;
}

function interrupt() {
  if (canInterrupt()) call.interrupt();
}

async function toggleMicrophone() {
  if (call.hasMicrophone || call.phase !== "live") return call.mute(!call.muted);
  try {
    await call.chooseMicrophone(preferences.chosen.deviceId);
  } catch (error) {
    showError(/** @type {CallError} */ (error));
  }
}

/** @param {SubmitEvent} event */
function send(event) {
  event.preventDefault();
  const text = textField.value.trim();
  if (!text) return;
  call.write(text);
  textField.value = "";
}

/** @param {CallError | null} error */
async function showError(error) {
  if (!error || !KEY_ERRORS.has(error.kind)) return errorBanner.show(error);
  errorBanner.show(null);
  const apiKey = await askForKey(keyDialog, error);
  if (!apiKey) return;
  try {
    preferences.key = await signIn(apiKey);
  } catch (refusal) {
    return showError(/** @type {CallError} */ (refusal));
  }
  call.retry();
}

/** @param {CallError} error */
function actionFor({ kind }) {
  if (NO_ACTION.has(kind)) return null;
  if (kind === "audio-paused") return { label: "Resume", run: () => call.resume() };
  if (PASSING.has(kind) || call.phase === "live") return { label: "Close", run: () => showError(null) };
  return { label: "Try again", run: () => call.retry() };
}
