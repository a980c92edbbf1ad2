"use strict";
// What is shown, and its permalink: the address after '#' holds what differs from the start. All values are text.

const START = {
  frame: "", set: "", session: "", text: "", failure: "", kind: "all", keypoint: "", error: "", deviation: "",
  below: "", sort: "error", reverse: "", labels: "1", members: "1", mean: "1", boxes: "1", names: "", unsure: "0.1", clip: "",
};
const NUMBERS = ["error", "deviation", "below", "unsure"];
const COLOR_PREFIX = "color."; // color.labels, color.<kind>
const COLOR = /^#[0-9a-f]{6}$/i;

class ViewState {
  // `choices` are the values that keys may have, where they are known beforehand
  constructor(choices, onChange) {
    this.values = { ...START };
    this.choices = choices;
    this.onChange = onChange;
    window.addEventListener("hashchange", () => this.read());
  }

  read() {
    const hash = window.location.hash.slice(1);
    if (hash === "list") return; // the link that skips the controls
    this.values = { ...START };
    for (const [key, value] of new URLSearchParams(hash)) {
      if (this.isPossible(key, value)) this.values[key] = value;
    }
    this.onChange();
  }

  // an address may have been cut, or be of another gallery
  isPossible(key, value) {
    if (key.startsWith(COLOR_PREFIX)) return COLOR.test(value);
    if (NUMBERS.includes(key)) return Number.isFinite(Number(value));
    return Object.hasOwn(START, key) && (!this.choices[key] || this.choices[key].includes(value));
  }

  // the hash of this view with some values changed
  link(changes = {}) {
    const changed = Object.entries({ ...this.values, ...changes });
    return "#" + new URLSearchParams(changed.filter(([key, value]) => value !== (START[key] ?? "")));
  }

  // Show something else; opening a frame is a step that the browser's back button undoes.
  set(changes) {
    const opens = "frame" in changes && Boolean(changes.frame) !== Boolean(this.values.frame);
    const link = this.link(changes);
    if (opens) window.location.hash = link; // hashchange does the rest
    else {
      window.history.replaceState(null, "", link);
      this.read();
    }
  }

  reset() {
    const { frame, clip } = this.values; // what is looked at stays
    this.values = { ...START, frame, clip };
    this.set({});
  }

  number(key, otherwise) {
    const value = parseFloat(this.values[key]);
    return Number.isFinite(value) ? value : otherwise;
  }
}
