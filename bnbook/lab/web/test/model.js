// A widget's model without Jupyter: traits, events, and what was sent to Python.

/** @implements {Model} */
export class FakeModel {
  /** @param {Record<string, unknown>} traits */
  constructor(traits = {}) {
    this.traits = structuredClone(traits);
    /** @type {unknown[]} */
    this.sent = [];
    /** @type {Record<string, unknown>[]} what each save took to Python */
    this.saved = [];
    /** @type {Record<string, unknown>} */
    this.unsaved = {};
    /** @type {Map<string, Set<(...values: any[]) => void>>} */
    this.listeners = new Map();
  }

  /** @param {string} name */
  get(name) {
    return this.traits[name];
  }

  /** @param {string} name @param {unknown} value */
  set(name, value) {
    this.unsaved[name] = value;
    this.change(name, value);
  }

  save_changes() {
    if (Object.keys(this.unsaved).length) this.saved.push(this.unsaved);
    this.unsaved = {};
  }

  /** @param {unknown} content */
  send(content) {
    this.sent.push(content);
  }

  /** @param {string} event @param {(...values: any[]) => void} listener */
  on(event, listener) {
    this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(listener));
  }

  /** @param {string} event @param {(...values: any[]) => void} listener */
  off(event, listener) {
    this.listeners.get(event)?.delete(listener);
  }

  /** Python sets a trait. @param {string} name @param {unknown} value */
  change(name, value) {
    if (JSON.stringify(this.traits[name]) === JSON.stringify(value)) return;
    this.traits[name] = value;
    this.tell(`change:${name}`);
  }

  /** @param {string} event @param {...unknown} values */
  tell(event, ...values) {
    for (const listener of [...(this.listeners.get(event) ?? [])]) listener(...values);
  }

  get listening() {
    return [...this.listeners.values()].reduce((sum, set) => sum + set.size, 0);
  }
}
