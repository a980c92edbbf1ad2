"use strict";
// Puts the page together: controls, keys, and what follows from a change.

class Gallery {
  constructor(data) {
    this.data = data;
    this.list = new FrameList(document.getElementById("list"), this);
    this.view = new FrameView(document.getElementById("frame"), this);
    this.videos = new ClipView(document.getElementById("videos"), this, window.galleryClips ?? []);
    this.frames = [];
    this.lastFrame = -1;
    this.makeControls();
    this.state = new ViewState(this.choices(), () => this.update());
    document.addEventListener("keydown", (event) => this.onKey(event));
    document.getElementById("reset").addEventListener("click", () => this.state.reset());
    document.getElementById("skip").addEventListener("click", (event) => {
      event.preventDefault();
      this.list.focus(this.list.focused);
    });
    this.state.read();
  }

  // the kinds that are drawn: the chosen one, or each by itself
  shownKinds() {
    const { kind } = this.selection;
    return kind === ALL ? this.data.kinds.map((_, q) => q).slice(1) : [kind];
  }

  update() {
    const { data, state } = this;
    this.selection = new Selection(data, state.values);
    this.painter = new Painter(data, state.values);
    this.frames = this.selection.frames(state);
    this.fillControls();
    const { keypoint } = state.values;
    const measured = `${data.kinds[this.selection.kind].name}${keypoint ? `, ${keypoint}` : ""}`;
    document.getElementById("count").textContent = `${this.frames.length} of ${counted(data.count, "frame")} (${measured})`;
    document.getElementById("count").hidden = Boolean(state.values.clip);
    this.videos.update();
    if (state.values.clip) return this.showVideos();
    const frame = state.values.frame ? data.paths.indexOf(state.values.frame) : -1;
    if (frame >= 0) {
      this.lastFrame = frame;
      this.list.hide();
      this.view.show(frame, this.frames);
    } else {
      document.title = data.title;
      this.view.hide();
      this.list.show(this.frames, this.lastFrame);
      this.lastFrame = -1;
    }
  }

  showVideos() {
    document.title = `Videos – ${this.data.title}`;
    this.list.hide();
    this.view.hide();
  }

  open(frame) {
    this.state.set({ frame: frame === null ? "" : this.data.paths[frame] });
  }

  makeControls() {
    const { data } = this;
    document.getElementById("title").textContent = data.title;
    const sets = [...new Set(data.sets)].map((set) => `${data.sets.filter((own) => own === set).length} ${set}`);
    document.getElementById("summary").textContent =
      `${counted(data.count, "frame")} (${sets.join(", ")}), ${counted(data.members.length, "member")}, ${(data.bytes / 1e6).toFixed(1)} MB of pictures`;
    document.getElementById("notes").append(...data.notes.map((note) => element("li", "", note)));
    this.fillOptions("set", ["", ...new Set(data.sets)], "all sets");
    this.fillOptions("session", ["", ...[...new Set(data.sessions)].sort().filter(Boolean)], "all sessions");
    this.fillOptions("kind", data.kinds.map((kind) => kind.name));
    this.fillOptions("keypoint", ["", ...data.keypoints], "all keypoints");
    const colors = document.getElementById("colors");
    colors.append(...["labels", ...data.kinds.slice(1).map((kind) => kind.name)].map((name) => this.colorControl(name)));
    const narrow = window.matchMedia("(max-width: 48rem)");
    document.getElementById("panel").open = !narrow.matches;
    const controls = document.getElementById("controls");
    controls.addEventListener("submit", (event) => event.preventDefault());
    controls.addEventListener("input", (event) => {
      const { target } = event;
      if (!target.dataset.key) return;
      const value = target.type === "checkbox" ? (target.checked ? "1" : "") : target.value;
      this.state.set({ [target.dataset.key]: value });
    });
  }

  fillOptions(key, values, empty) {
    const options = values.map((value) => new Option(value || empty, value));
    document.querySelector(`[data-key="${key}"]`).replaceChildren(...options);
  }

  // what each list of options offers, and the frames
  choices() {
    const lists = [...document.querySelectorAll("select[data-key]")];
    const options = lists.map((list) => [list.dataset.key, [...list.options].map((option) => option.value)]);
    return { ...Object.fromEntries(options), frame: ["", ...this.data.paths], clip: ["", ...this.videos.keys] };
  }

  colorControl(name) {
    const label = element("label", "color"), input = element("input");
    input.type = "color";
    input.dataset.key = COLOR_PREFIX + name;
    label.append(input, name);
    return label;
  }

  fillControls() {
    for (const control of document.querySelectorAll("[data-key]")) {
      const { key } = control.dataset;
      if (control === document.activeElement && control.type !== "checkbox") continue; // it is being typed in
      if (control.type === "checkbox") control.checked = Boolean(this.state.values[key]);
      else if (control.type === "color") control.value = this.colorOf(key.slice(COLOR_PREFIX.length));
      else control.value = this.state.values[key];
    }
  }

  colorOf(name) {
    if (name === "labels") return this.painter.labelColor;
    return this.painter.color(this.data.kinds.findIndex((kind, q) => q > ALL && kind.name === name));
  }

  onKey(event) {
    const isTyping = event.target.matches("input:not([type=checkbox]):not([type=color]), select");
    if (event.key === "Escape" && this.state.values.frame) return this.open(null);
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return undefined;
    const layer = { l: "labels", m: "members", e: "mean", b: "boxes" }[event.key];
    if (layer) return this.state.set({ [layer]: this.state.values[layer] ? "" : "1" });
    if (this.state.values.clip) return undefined;
    if (event.key === "c") return this.copyPath();
    if (event.key === "/") {
      event.preventDefault();
      document.getElementById("panel").open = true;
      return document.querySelector('[data-key="text"]').focus();
    }
    return this.step(event);
  }

  // among the frames, or into the list
  step(event) {
    const by = { ArrowRight: 1, j: 1, ArrowLeft: -1, k: -1 }[event.key];
    if (!by || event.target.closest(".table")) return;
    event.preventDefault();
    if (!this.state.values.frame) return void this.list.focus(this.list.focused);
    const place = this.frames.indexOf(this.data.paths.indexOf(this.state.values.frame));
    const next = place < 0 ? 0 : place + by;
    if (next in this.frames) this.open(this.frames[next]);
  }

  async copyPath() {
    const path = this.state.values.frame || this.data.paths[this.frames[this.list.focused]];
    if (!path) return;
    try {
      await navigator.clipboard.writeText(path);
    } catch { // an insecure address, or not allowed
      copyThroughSelection(path);
    }
    this.tell(`Copied ${path}`);
  }

  tell(text) {
    const told = document.getElementById("told");
    told.textContent = text;
    window.clearTimeout(this.telling);
    this.telling = window.setTimeout(() => { told.textContent = ""; }, 3000);
  }
}

function copyThroughSelection(text) {
  const area = element("textarea");
  area.value = text;
  document.body.append(area);
  const focused = document.activeElement;
  area.select();
  document.execCommand("copy");
  area.remove();
  focused?.focus();
}

window.gallery = new Gallery(new GalleryData(window.galleryData));
