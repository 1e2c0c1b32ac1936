/** Names of voices as people read them. */

/** Kokoro's names: the first letter stands for the language, the second for the sex. @type {Record<string, string>} */
const KOKORO_LANGUAGES = {
  a: "en-US",
  b: "en-GB",
  e: "es",
  f: "fr",
  h: "hi",
  i: "it",
  j: "ja",
  p: "pt-BR",
  z: "zh",
};

/**
 * "Heart (female, American English)" for a voice whose engine encodes that in its name; other names stay as they are.
 * @param {string} name
 */
export function describeVoice(name) {
  const kokoro = /^([abefhijpz])([fm])_(\w+)$/.exec(name);
  if (kokoro) {
    const [, language, sex, person] = kokoro;
    return `${capitalized(person)} (${sex === "f" ? "female" : "male"}, ${languageName(KOKORO_LANGUAGES[language])})`;
  }
  const piper = /^([a-z]{2})_([A-Z]{2})-([a-z_]+)-\w+$/.exec(name);
  if (piper) return `${capitalized(piper[3])} (${languageName(`${piper[1]}-${piper[2]}`)})`;
  return name;
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
