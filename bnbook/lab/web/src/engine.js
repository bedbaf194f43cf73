// The engine and the worker that runs it, in a file of its own: who only reads loads neither.

export { default as worker } from "worker:./worker.js";
export { default as wasm } from "../../engine/engine.wasm";
