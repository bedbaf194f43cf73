/** @param {string} text in base 64 */
export function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/**
 * Undo "lab/images.py": labels first, then two pixels a byte, one above the other.
 * @param {string} text
 */
export async function unpack(text) {
  // Not a blob's stream: WebKit cannot read one in the worker of a page that was opened from disk.
  const body = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (
    new Response(bytesOf(text)).body
  );
  const stream = body.pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = bytes.length / 393;
  const pixels = new Uint8Array(784 * count);
  for (let i = 0, at = count; at < bytes.length; at++) {
    pixels[i] = bytes[at] >> 4;
    pixels[i + 28] = bytes[at] & 15;
    i += (i + 1) % 28 ? 1 : 29;
  }
  return { pixels, labels: bytes.subarray(0, count) };
}
