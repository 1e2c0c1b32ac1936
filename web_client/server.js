// What the server says of itself before anyone calls it.

/** `{models, voices, ice_servers}`; null while it can't be reached. The key is for what not everyone is told. */
export async function askServer(key) {
  try {
    const address = new URL("health", document.baseURI);
    const response = await fetch(address, { headers: authorization(key), cache: "no-store" });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** The headers of a request that show the key, if there is one. */
export function authorization(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}
