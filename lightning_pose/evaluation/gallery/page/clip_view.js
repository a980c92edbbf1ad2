"use strict";
// Clips of videos around the moments that the ensemble is least sure of, with a trace to move along.

const TRACE = { width: 1000, height: 100 };
const NEAR = 480; // pixels of the enlarged animal's side
const AROUND = 2; // side of what is enlarged, over the animal's span

class ClipView {
  constructor(root, gallery, videos) {
    this.root = root;
    this.gallery = gallery;
    this.videos = videos.map((video) => ({ ...video, trace: decode(video.trace, Float32Array) }));
    // a clip's permalink: number of the video, number of the clip
    this.keys = videos.flatMap((video, v) => video.clips.map((_, c) => `${v}.${c}`));
    this.shown = "";
    this.whole = ""; // address of the clip's content
    document.getElementById("views").hidden = this.keys.length === 0;
  }

  update() {
    const { state } = this.gallery;
    const { clip } = state.values;
    this.link("to-frames", state.link({ clip: "" }), !clip);
    this.link("to-videos", state.link({ clip: clip || this.keys[0], frame: "" }), Boolean(clip));
    this.root.hidden = !clip;
    for (const part of document.querySelectorAll(".of-frames")) part.hidden = Boolean(clip);
    if (!clip) {
      this.root.replaceChildren();
      this.shown = "";
    } else if (clip !== this.shown) this.build(clip);
    else this.paint();
  }

  link(id, href, isCurrent) {
    const link = document.getElementById(id);
    link.href = href;
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }

  build(key) {
    const focused = this.root.contains(document.activeElement) ? document.activeElement.id : "";
    const [v, c] = key.split(".").map(Number);
    this.shown = key;
    this.video = this.videos[v];
    this.clip = this.video.clips[c];
    this.data = new GalleryData(this.clip);
    this.region = this.startRegion();
    this.times = decode(this.clip.times, Float32Array);
    this.root.replaceChildren(...this.videos.flatMap((video, i) =>
      (i === v ? this.section(video, v, c) : [this.heading(video), this.moments(video, i, -1)])));
    document.getElementById(focused)?.focus({ preventScroll: true });
    const peak = this.clip.peak - this.clip.start;
    this.paint(peak);
    this.player.addEventListener("loadeddata", () => this.seek(peak), { once: true });
    this.load(this.player, `clips/${this.clip.file}`);
  }

  heading(video) {
    return element("h2", "", `${video.name}: ${counted(video.count, "frame")}, ${video.seconds.toFixed(1)} s`);
  }

  section(video, v, c) {
    this.player = element("video");
    Object.assign(this.player, { muted: true, loop: true, playsInline: true });
    this.player.setAttribute("aria-label", `Clip of ${video.name} from frame ${this.clip.start} on, without sound`);
    const [width, height] = video.size.map((side) => side + (side % 2)); // a clip's sides are even
    this.overlay = svgElement("svg", { viewBox: viewBox({ x: 0, y: 0, w: width, h: height }), "aria-hidden": "true" });
    const box = element("div", "player");
    box.style.aspectRatio = `${width} / ${height}`;
    box.append(this.player, this.overlay);
    const film = element("div"), both = element("div", "film");
    film.style.maxWidth = `${(50 * width) / height}vh`; // so that trace and slider are seen with it
    film.append(box, this.scrubber());
    both.append(film, this.enlarged());
    this.follow();
    return [this.heading(video), this.traceOf(video, v, c), this.moments(video, v, c), both];
  }

  // a film of a server without ranges, as http.server, shows its beginning only: it is fetched whole
  async load(player, path) {
    URL.revokeObjectURL(this.whole);
    this.whole = "";
    if (location.protocol.startsWith("http")) {
      const answer = await fetch(path).catch(() => null);
      const content = answer?.ok ? await answer.blob().catch(() => null) : null;
      if (player !== this.player) return; // another clip was chosen meanwhile
      this.whole = content ? URL.createObjectURL(content) : "";
    }
    player.src = this.whole || path;
  }

  // the animal from near: a part of the film that moves with it
  enlarged() {
    this.canvas = element("canvas");
    Object.assign(this.canvas, { width: NEAR, height: NEAR });
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "The animal, enlarged");
    this.nearOverlay = svgElement("svg", { "aria-hidden": "true" });
    const near = element("div", "player near");
    near.append(this.canvas, this.nearOverlay);
    return near;
  }

  // a square of the size that fits the animal in most frames of the clip
  startRegion() {
    const frames = this.data.paths.map((_, i) => extent(this.data.ensembleMean(ALL, i))).filter(Boolean);
    const spans = frames.map((own) => own.span).sort((a, b) => a - b);
    const side = AROUND * Math.max(spans[spans.length >> 1] ?? this.video.size[1], 8);
    return { x: 0, y: 0, w: side, h: side };
  }

  // the list of clips, the least certain first
  moments(video, v, chosen) {
    const list = element("div", "moments");
    video.clips.forEach((clip, c) => {
      const unit = video.measure.endsWith("px") ? " px" : "";
      const button = element("button", "", `${clip.seconds.toFixed(1)} s: ${formatNumber(clip.largest, 2)}${unit}`);
      button.type = "button";
      button.id = `moment-${v}-${c}`;
      button.setAttribute("aria-pressed", String(c === chosen));
      button.addEventListener("click", () => this.gallery.state.set({ clip: `${v}.${c}` }));
      list.append(button);
    });
    return list;
  }

  // how unsure the ensemble is over the whole video; a click goes to that moment, or to the nearest clip
  traceOf(video, v, c) {
    const across = (frame) => (frame / video.count) * TRACE.width;
    const largest = video.trace.reduce((most, value) => (value > most ? value : most), 1e-9);
    const height = (value) => TRACE.height * (1 - (0.95 * Math.log1p(value)) / Math.log1p(largest));
    const points = Array.from(video.trace, (value, i) =>
      (Number.isNaN(value) ? "" : `${((i + 0.5) / video.trace.length) * TRACE.width},${height(value)}`));
    const spans = video.clips.map((clip, i) => svgElement("rect", {
      class: i === c ? "span chosen" : "span", x: across(clip.start), y: 0,
      width: Math.max(across(clip.paths.length), 2), height: TRACE.height,
    }));
    this.now = svgElement("path", { class: "now" });
    const line = svgElement("polyline", { class: "line", points: points.filter(Boolean).join(" ") });
    const trace = svgElement("svg", {
      class: "trace", viewBox: `0 0 ${TRACE.width} ${TRACE.height}`, preserveAspectRatio: "none", role: "img",
      "aria-label": `Mean ${video.measure} over the video, at most ${formatNumber(largest, 2)}; marked are the clips`,
    }, [...spans, line, this.now]);
    const go = (event) => {
      const place = trace.getBoundingClientRect();
      this.goTo(((event.clientX - place.left) / place.width) * video.count, v);
    };
    trace.addEventListener("pointerdown", (event) => { trace.setPointerCapture(event.pointerId); go(event); });
    trace.addEventListener("pointermove", (event) => { if (event.buttons) go(event); });
    const caption = element("figcaption", "", `mean ${video.measure}, up to ${formatNumber(largest, 2)}, on a logarithmic scale`);
    const figure = element("figure");
    figure.append(trace, caption);
    return figure;
  }

  goTo(frame, v) {
    const inside = frame - this.clip.start;
    if (inside >= 0 && inside < this.times.length) return this.seek(Math.floor(inside));
    const away = this.video.clips.map((clip) => Math.max(clip.start - frame, frame - clip.start - clip.paths.length + 1, 0));
    const nearest = away.indexOf(Math.min(...away));
    if (`${v}.${nearest}` !== this.shown) this.gallery.state.set({ clip: `${v}.${nearest}` });
    return undefined;
  }

  scrubber() {
    const bar = element("div", "scrub"), play = element("button", "", "Play");
    play.type = "button";
    play.id = "play";
    play.addEventListener("click", () => (this.player.paused ? this.player.play() : this.player.pause()));
    this.player.addEventListener("play", () => { play.textContent = "Pause"; });
    this.player.addEventListener("pause", () => { play.textContent = "Play"; });
    this.slider = element("input");
    Object.assign(this.slider, { type: "range", id: "scrub", min: 0, max: this.times.length - 1, step: 1, value: 0 });
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    this.number = element("output", "", String(this.clip.start));
    this.slider.setAttribute("aria-label", "Frame");
    bar.append(play, this.slider, this.number);
    return bar;
  }

  // show a frame of the clip, half a frame behind its beginning, so that rounding shows no other
  seek(i) {
    this.player.pause();
    const end = this.times[i + 1] ?? this.times[i] + 0.01;
    this.player.currentTime = (this.times[i] + end) / 2;
    this.paint(i);
  }

  // keep the drawing with the frame that is shown
  follow() {
    const { player } = this;
    const show = (time) => { if (player === this.player && !this.root.hidden) this.paint(this.frameAt(time)); };
    if (player.requestVideoFrameCallback) {
      const next = (_, { mediaTime }) => { show(mediaTime); if (player.isConnected) player.requestVideoFrameCallback(next); };
      player.requestVideoFrameCallback(next);
    } else for (const name of ["timeupdate", "seeked"]) player.addEventListener(name, () => show(player.currentTime));
  }

  frameAt(time) {
    let i = 0;
    while (i + 1 < this.times.length && this.times[i + 1] <= time + 1e-4) i++;
    return i;
  }

  paint(i = this.at) {
    this.at = Math.min(i, this.times.length - 1);
    const painter = new Painter(this.data, this.gallery.state.values);
    const wanted = this.data.kinds.findIndex((kind) => kind.name === this.gallery.state.values.kind);
    const kinds = wanted > ALL ? [wanted] : this.data.kinds.map((_, q) => q).slice(1);
    this.overlay.replaceChildren(...painter.layers(this.at, kinds, this.video.size[0], true));
    this.paintNear(painter, kinds);
    this.slider.value = this.at;
    this.number.textContent = `${this.clip.start + this.at} of ${this.video.count}`;
    const x = ((this.clip.start + this.at + 0.5) / this.video.count) * TRACE.width;
    this.now.setAttribute("d", `M${x} 0v${TRACE.height}`);
  }

  // what the member that is surest of this frame found: where members disagree, their mean is nowhere
  surest(members) {
    const sure = (m) => average(this.data.keypoints.map((_, k) => this.data.confidenceOf(m, this.at, k) || 0));
    const best = members.reduce((one, other) => (sure(other) > sure(one) ? other : one));
    return this.data.prediction(best, this.at);
  }

  paintNear(painter, kinds) {
    const found = extent(this.surest(kinds.flatMap((kind) => this.data.membersOf(kind))));
    const { region } = this;
    if (found) Object.assign(region, { x: found.x - region.w / 2, y: found.y - region.h / 2 });
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, NEAR, NEAR);
    context.drawImage(this.player, region.x, region.y, region.w, region.h, 0, 0, NEAR, NEAR);
    this.nearOverlay.setAttribute("viewBox", viewBox(region));
    this.nearOverlay.replaceChildren(...painter.layers(this.at, kinds, region.w, false));
  }
}

// the middle and the larger side of what surrounds points, null without any
function extent(points) {
  const there = points.filter(Boolean);
  if (!there.length) return null;
  const ends = [0, 1].map((axis) => there.map((point) => point[axis])).map((own) => [Math.min(...own), Math.max(...own)]);
  const [x, y] = ends.map(([low, high]) => (low + high) / 2);
  return { x, y, span: Math.max(...ends.map(([low, high]) => high - low)) };
}
