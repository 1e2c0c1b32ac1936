/** Names of voices as people read them. */

/** @typedef {import("../../call/server.js").VoiceDetails} VoiceDetails */

/**
 * The person's name of a voice: "Heart" of Kokoro's af_heart, "Joe" of Piper's en_US-joe-medium. Others stay as they are.
 * @param {string} id
 */
export function nameOfVoice(id) {
  const person = /^[abefhijpz][fm]_(\w+)$/.exec(id) ?? /^[a-z]{2}_[A-Z]{2}-([a-z_]+)-\w+$/.exec(id);
  return person ? capitalized(person[1]) : id;
}

/**
 * What is known of a voice, in words: "male, American English"; "" if nothing is.
 * @param {VoiceDetails | undefined} details
 */
export function soundOfVoice(details) {
  return [details?.sex, details?.language && languageName(details.language)].filter(Boolean).join(", ");
}

/** @param {string} tag BCP 47 */
function languageName(tag) {
  return new Intl.DisplayNames("en", { type: "language" }).of(tag) ?? tag;
}

/** @param {string} name */
function capitalized(name) {
  return name
    .split("_")
    .map((word) => word[0].toUpperCase() + word.slice(1))
    .join(" ");
}
