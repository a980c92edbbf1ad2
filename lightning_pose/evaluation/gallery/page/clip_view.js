"use strict";
// Clips of videos around the moments that the ensemble is least sure of, with a trace to move along.

const TRACE = { width: 1000, height: 100 };

class ClipView {
  constructor(root, gallery, videos) {
    this.root = root;
    this.gallery = gallery;
    this.videos = videos.map((video) => ({ ...video, trace: decode(video.trace, Float32Array) }));
    // a clip's permalink: number of the video, number of the clip
    this.keys = videos.flatMap((video, v) => video.clips.map((_, c) => `${v}.${c}`));
    this.shown = "";
    document.getElementById("views").hidden = this.keys.length === 0;
  }

  update() {
    const { state } = this.gallery;
    const { clip } = state.values;
    this.link("to-frames", state.link({ clip: "" }), !clip);
    this.link("to-videos", state.link({ clip: clip || this.keys[0], frame: "" }), Boolean(clip));
    this.root.hidden = !clip;
    document.querySelector(".of-frames").hidden = Boolean(clip);
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
    this.at = 0;
    this.video = this.videos[v];
    this.clip = this.video.clips[c];
    this.data = new GalleryData(this.clip);
    this.times = decode(this.clip.times, Float32Array);
    this.root.replaceChildren(...this.videos.flatMap((video, i) =>
      (i === v ? this.section(video, v, c) : [this.heading(video), this.moments(video, i, -1)])));
    document.getElementById(focused)?.focus({ preventScroll: true });
    this.paint();
  }

  heading(video) {
    return element("h2", "", `${video.name}: ${video.count} frames, ${video.seconds.toFixed(1)} s`);
  }

  section(video, v, c) {
    this.player = element("video");
    Object.assign(this.player, { src: `clips/${this.clip.file}`, muted: true, loop: true, playsInline: true });
    this.player.setAttribute("aria-label", `Clip of ${video.name} from frame ${this.clip.start} on, without sound`);
    const [width, height] = video.size;
    this.overlay = svgElement("svg", { viewBox: viewBox({ x: 0, y: 0, w: width, h: height }), "aria-hidden": "true" });
    const box = element("div", "player");
    box.style.aspectRatio = `${width} / ${height}`;
    box.style.maxWidth = `${(60 * width) / height}vh`; // so that trace and slider are seen with it
    box.append(this.player, this.overlay);
    this.follow();
    return [this.heading(video), this.traceOf(video, v, c), this.moments(video, v, c), box, this.scrubber()];
  }

  // the list of clips, the least certain first
  moments(video, v, chosen) {
    const list = element("div", "moments");
    video.clips.forEach((clip, c) => {
      const seconds = ((clip.start / video.count) * video.seconds).toFixed(1);
      const button = element("button", "", `${seconds} s: ${formatNumber(clip.largest, 2)}`);
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
    const points = Array.from(video.trace, (value, i) =>
      (Number.isNaN(value) ? "" : `${((i + 0.5) / video.trace.length) * TRACE.width},${TRACE.height * (1 - (0.95 * value) / largest)}`));
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
    const caption = element("figcaption", "", `mean ${video.measure}, up to ${formatNumber(largest, 2)}`);
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
    } else player.addEventListener("timeupdate", () => show(player.currentTime));
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
    this.slider.value = this.at;
    this.number.textContent = `${this.clip.start + this.at} of ${this.video.count}`;
    const x = ((this.clip.start + this.at + 0.5) / this.video.count) * TRACE.width;
    this.now.setAttribute("d", `M${x} 0v${TRACE.height}`);
  }
}
