// Bundles the front end into ../built: lab.js, lab.css and, for training, engine.js for pages;
// widget.js, which holds all, for Jupyter.
// "node build.mjs FOLDER" writes to another folder, for the test that compares.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { adler32 } from "./src/assets.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = process.argv[2] ?? here("../built");

// A worker is a text in the page's script, as a page that was opened from disk can load no module:
// import text from "worker:./worker.js".
const workers = {
  name: "workers",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^worker:/ }, ({ path, resolveDir }) => ({
      path: fileURLToPath(new URL(path.slice("worker:".length), `file://${resolveDir}/`)),
      namespace: "worker",
    }));
    onLoad({ filter: /./, namespace: "worker" }, async ({ path }) => {
      const { outputFiles } = await build({ ...shared, entryPoints: [path], write: false });
      return { contents: outputFiles[0].text, loader: "text" };
    });
  },
};

/** @type {import("esbuild").BuildOptions} */
const shared = {
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
  loader: { ".wasm": "base64" },
};

/**
 * @param {string} name of the bundle
 * @param {string} entry
 * @param {import("esbuild").BuildOptions} [options]
 */
const bundle = (name, entry, options) =>
  build({
    ...shared,
    plugins: [workers],
    entryPoints: { [name]: here(`src/${entry}`) },
    outdir: out,
    ...options,
  });

await bundle("engine", "engine.js", { globalName: "bnEngine" });
const engine = new Function(`${readFileSync(`${out}/engine.js`)}; return bnEngine`)();
const ENGINE_CHECKSUM = String(adler32(engine.wasm + engine.worker));
await bundle("lab", "page.js", { define: { ENGINE_CHECKSUM } });
await bundle("widget", "widget.js", {
  format: "esm",
  loader: { ...shared.loader, ".css": "empty" }, // Jupyter is handed lab.css
});
