/** What the server reports about itself before a call, and the page's sign-in. */

import { CallError } from "../errors.js";

/** What is known of a voice; "" where it is not. @typedef {{language: string, sex: string}} VoiceDetails */

/**
 * @typedef {object} ServerInfo
 * @property {{encoder: string, decoder: string, voice: string}} models
 * @property {string[]} voices names that `session.update` accepts
 * @property {Record<string, VoiceDetails>} voice_details
 * @property {Record<string, string>} absent_voices voices that could be there, and for each what to do
 * @property {string[]} sends_to hosts other than the server to which it sends what it hears or says
 * @property {RTCIceServer[]} ice_servers those with credentials only for callers with the API key
 */

/**
 * Resolves to null while the server can't be reached.
 * @param {string} key the ephemeral key; "" if there is none
 * @returns {Promise<ServerInfo | null>}
 */
export async function fetchServerInfo(key) {
  try {
    const url = new URL("health", document.baseURI);
    const response = await fetch(url, { headers: authorization(key), cache: "no-store" });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** How long a sign-in lasts: the longest that the protocol allows. */
const SIGNED_IN_S = 7200;

/**
 * Exchange the API key for an ephemeral one, which opens calls only and expires. The page keeps nothing else.
 * Raises `CallError`.
 * @param {string} apiKey
 * @returns {Promise<string>}
 */
export async function signIn(apiKey) {
  let response;
  try {
    response = await fetch(new URL("v1/realtime/client_secrets", document.baseURI), {
      method: "POST",
      headers: { ...authorization(apiKey), "Content-Type": "application/json" },
      body: JSON.stringify({ expires_after: { anchor: "created_at", seconds: SIGNED_IN_S } }),
    });
  } catch (error) {
    throw new CallError("key-wrong", error); // a header can't hold every text that a person may enter
  }
  if (!response.ok) throw new CallError(response.status === 401 ? "key-wrong" : "server-down");
  return (await response.json()).value;
}

/**
 * Request headers that carry the ephemeral key, if there is one.
 * @param {string} key
 * @returns {Record<string, string>}
 */
export function authorization(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

const SAMPLE = "Hello. This is how I sound when I answer you.";

/**
 * A sample of a voice. Resolves to a WAV file; null if the server can't speak with it.
 * @param {string} voice
 * @param {string} key the ephemeral key; "" if there is none
 */
export async function fetchVoiceSample(voice, key) {
  try {
    const response = await fetch(new URL("v1/audio/speech", document.baseURI), {
      method: "POST",
      headers: { ...authorization(key), "Content-Type": "application/json" },
      body: JSON.stringify({ model: "antiphon", voice, input: SAMPLE, response_format: "wav" }),
    });
    return response.ok ? await response.arrayBuffer() : null;
  } catch {
    return null;
  }
}
