// The page: ties the call to what is seen and pressed.

import { Call } from "./call.js";
import { Captions } from "./captions.js";
import { drawSparkline, drawWaterfall, median } from "./charts.js";
import { askForKey, SettingsDialog } from "./dialogs.js";
import { Options } from "./options.js";
import { stagesOf, voiceToVoice } from "./session.js";
import { Thoughts } from "./thoughts.js";
import { transcript } from "./transcript.js";
import { Trouble } from "./trouble.js";
import { Visual } from "./visual.js";

const element = (id) => document.getElementById(id);

const options = new Options();
const call = new Call(options);
const visual = new Visual(element("visual"), () => call.levels);
const captions = new Captions(element("captions"), element("conversation"), element("announcer"));
const thoughts = new Thoughts(element("thoughts"), element("thought-list"));
const settings = new SettingsDialog(element("settings"), options, call);

let trouble = null;
let selected = null; // the answer whose timing is shown; null: the last one
let phase = call.phase;
let frame = null;

const FLOORS = { listening: "Listening", you: "Hearing you", thinking: "Thinking", agent: "Speaking" };
const PHASES = { idle: "", starting: "One moment", connecting: "Connecting" };
const ANNOUNCED = { live: "Connected. Just talk.", connecting: "Connecting.", idle: "The call is over." };

/** What the button beside a trouble says and does. */
const ACTIONS = {
  gone: null,
  full: null,
  insecure: null,
  paused: ["Go on", () => call.resume()],
  answer: ["Close", () => tell(null)],
  refusal: ["Close", () => tell(null)],
};
const TRY_AGAIN = ["Try again", () => call.start()];

call.onChange = () => (frame ??= requestAnimationFrame(render));
call.onTrouble = tell;
call.onRefusal = (error) => {
  if (error.code === "invalid_value" && error.param === "session.audio.output.voice") options.forgetVoice();
  tell(new Trouble("refusal", error));
};
captions.onSelect = (entry) => {
  selected = entry;
  element("timing").open = true;
  render();
};

element("start").onclick = () => call.start();
element("end").onclick = () => {
  tell(null);
  call.end();
  render();
  element("start").focus();
};
element("mute").onclick = () => call.mute(!call.muted);
element("interrupt").onclick = interrupt;
element("renew").onclick = () => {
  selected = null;
  call.renew();
};
element("download").onclick = download;
element("writing").onsubmit = write;
element("open-settings").onclick = () => settings.open();
element("trouble-action").onclick = () => actionFor(trouble)[1]();
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) interrupt();
});

// Whoever closes the page hangs up.
addEventListener("pagehide", () => call.end());

// A phone has room for the conversation or for its timing.
element("timing").open = matchMedia("(min-width: 56rem)").matches;
render();

function render() {
  frame = null;
  const { entries, floor } = call.session;
  const live = call.phase === "live";
  document.body.dataset.phase = call.phase;
  document.body.dataset.floor = live ? floor : "idle";
  document.body.dataset.transport = call.transport ?? "";
  element("start").hidden = call.phase !== "idle";
  element("start").textContent = entries.length ? "Talk again" : "Start talking";
  element("controls").hidden = call.phase === "idle";
  element("writing").hidden = call.phase === "idle";
  element("state").textContent = live ? (call.muted && floor === "listening" ? "Muted" : FLOORS[floor]) : PHASES[call.phase];
  element("mute").ariaPressed = String(call.muted);
  element("interrupt").ariaDisabled = String(!mayInterrupt());
  element("download").ariaDisabled = String(!entries.length);
  element("hint").hidden = entries.length > 0;
  visual.floor = live ? floor : "idle";
  captions.render(entries, selected);
  thoughts.render(call.session.thoughts, entries);
  renderTiming(entries);
  if (call.phase !== phase) announcePhase();
}

function renderTiming(entries) {
  const timed = entries.filter((entry) => voiceToVoice(entry) !== null);
  if (selected && !timed.includes(selected)) selected = null;
  const shown = selected ?? timed.at(-1);
  element("no-waterfall").hidden = Boolean(shown);
  element("waterfall").hidden = !shown;
  element("sparkline").toggleAttribute("hidden", timed.length < 2);
  element("latest").textContent = shown ? seconds(voiceToVoice(timed.at(-1))) : "–";
  const times = timed.map(voiceToVoice);
  element("median").textContent = times.length > 1 ? `median ${seconds(median(times))}` : "";
  if (!shown) return;
  drawSparkline(element("sparkline"), times);
  const way = shown.byTrack ? "WebRTC" : "WebSocket";
  const which = `Turn ${timed.indexOf(shown) + 1} of ${timed.length}, over ${way}, in time since your last word.`;
  const gaps = shown.gaps ? ` The sound ran dry ${shown.gaps === 1 ? "once" : `${shown.gaps} times`}.` : "";
  drawWaterfall(element("waterfall"), which + gaps, stagesOf(shown));
}

function announcePhase() {
  phase = call.phase;
  element("announcer").textContent = ANNOUNCED[phase] ?? "";
}

function mayInterrupt() {
  return call.phase === "live" && ["agent", "thinking"].includes(call.session.floor);
}

function interrupt() {
  if (mayInterrupt()) call.interrupt();
}

function write(event) {
  event.preventDefault();
  const text = element("text").value.trim();
  if (!text || call.phase !== "live") return;
  call.write(text);
  element("text").value = "";
}

async function tell(news) {
  trouble = news;
  if (news?.kind === "key" || news?.kind === "wrong-key") {
    trouble = null;
    const key = await askForKey(element("key-dialog"), news);
    if (key) {
      options.key = key;
      call.start();
    }
    return;
  }
  element("trouble").hidden = !news;
  if (!news) return;
  element("trouble-title").textContent = news.message;
  element("trouble-advice").textContent = news.advice;
  element("trouble-detail").textContent = news.detail;
  const action = actionFor(news);
  element("trouble-action").hidden = !action;
  element("trouble-action").textContent = action?.[0] ?? "";
}

function actionFor({ kind }) {
  return kind in ACTIONS ? ACTIONS[kind] : TRY_AGAIN;
}

function download() {
  const { entries } = call.session;
  if (!entries.length) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([transcript(entries)], { type: "text/plain" }));
  link.download = `antiphon-${new Date().toISOString().slice(0, 16).replace(":", "")}.txt`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(2)} s`;
}
