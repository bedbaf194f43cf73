// Files beside the page that are read when they are needed. Scripts, as a page that was opened
// from disk may load scripts but nothing else; each puts one value under a global name.

/** @type {Map<string, Promise<unknown>>} */
const loading = new Map();

/**
 * The value that the script at an address leaves under a name; once for all labs of a page.
 * @param {string} address
 * @param {string} name
 */
function loadScript(address, name) {
  const known = loading.get(address);
  if (known) return known;
  const started = load(address, name);
  loading.set(address, started);
  started.catch(() => loading.delete(address)); // another try may find the file mended
  return started;
}

/**
 * @param {string} address
 * @param {string} name
 */
function load(address, name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const globals = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (globalThis));
    script.src = address;
    script.onload = () => {
      script.remove();
      resolve(globals[name]);
    };
    script.onerror = () => {
      script.remove();
      reject(new Error(`the file ${address} did not load`));
    };
    document.head.append(script);
  });
}

/**
 * Adler-32 of a text, which is ASCII or nearly so. Not by crypto.subtle, which pages served over plain http lack.
 * @param {string} text
 */
export function adler32(text) {
  let [a, b] = [1, 0];
  for (let i = 0; i < text.length; i++) {
    a = (a + text.charCodeAt(i)) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}

/**
 * What to say of a file that is not what it should be; it is loaded anew at the next try.
 * @param {string} address
 * @param {string} what
 */
function damaged(address, what) {
  loading.delete(address);
  return new Error(`the file with ${what}, ${address}, is damaged or of another version`);
}

/**
 * The recorded runs that labs shade; null where a site has none.
 * @param {string} site
 * @returns {Promise<Bands | null>}
 */
export async function loadBands(site) {
  const address = `${site}data/bands.js`;
  const found = await loadScript(address, "bnBands").catch(() => null);
  if (found === null) return null;
  const { text, checksum } = /** @type {{ text?: string, checksum?: number }} */ (found ?? {});
  if (text && adler32(text) === checksum) return JSON.parse(text);
  throw damaged(address, "the recorded runs");
}

/**
 * The engine, if it is whole and the one that the front end was bundled with.
 * @param {string} site
 */
export async function loadEngine(site) {
  const address = `${site}engine.js`;
  const found = /** @type {Engine | undefined} */ (await loadScript(address, "bnEngine"));
  if (found && adler32(found.wasm + found.worker) === ENGINE_CHECKSUM) return found;
  throw damaged(address, "the engine");
}

/**
 * The images of a data set that the page trains on, as the text of their file.
 * @param {string} site
 * @param {ImageFile} file
 */
export async function loadImages(site, file) {
  const { variable, checksum } = file;
  const address = site + file.address;
  const text = String(await loadScript(address, variable));
  if (adler32(text) === checksum) return text;
  throw damaged(address, "the images");
}
