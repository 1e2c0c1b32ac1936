/** Microphones and loudspeakers of the browser. */

import { CallError } from "../errors.js";

/** Whether the browser lets a page choose the loudspeaker. */
export const CAN_CHOOSE_SPEAKER = "setSinkId" in (globalThis.AudioContext?.prototype ?? {});

/** @type {Record<string, string>} */
const KIND_OF_ERROR = {
  NotAllowedError: "microphone-denied",
  SecurityError: "microphone-denied",
  NotFoundError: "no-microphone",
  NotReadableError: "microphone-busy",
};

/** Pairs of label and id of the known microphones. The browser names them once one has been allowed. */
export function listMicrophones() {
  return list("audioinput", "Microphone");
}

/** Pairs of label and id of the known loudspeakers. */
export function listSpeakers() {
  return list("audiooutput", "Speaker");
}

/**
 * Open a microphone, with the browser's echo cancellation. Raises `CallError`.
 * @param {string} deviceId "" for any
 * @returns {Promise<MediaStream>}
 */
export async function openMicrophone(deviceId) {
  if (!navigator.mediaDevices) throw new CallError("insecure");
  const processing = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
  const device = deviceId ? { deviceId: { exact: deviceId } } : {};
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { ...processing, ...device } });
  } catch (error) {
    const { name } = /** @type {Error} */ (error);
    // The one chosen last time may be unplugged today.
    if (name === "OverconstrainedError" && deviceId) return openMicrophone("");
    throw new CallError(KIND_OF_ERROR[name] ?? "audio", error);
  }
}

/** @param {MediaStream} stream */
export function stopTracks(stream) {
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
}

/**
 * @param {MediaDeviceKind} kind
 * @param {string} name
 * @returns {Promise<[label: string, id: string][]>}
 */
async function list(kind, name) {
  const found = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return found
    .filter((device) => device.kind === kind && device.deviceId && device.deviceId !== "default")
    .map(({ deviceId, label }, at) => [label || `${name} ${at + 1}`, deviceId]);
}
