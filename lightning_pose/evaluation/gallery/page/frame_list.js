"use strict";
// The grid of thumbnails. Only the rows on the screen are there, however many frames are shown.

const CELL = { width: 176, extra: 52 }; // pixels: least width, height below the picture
const ROWS_AROUND = 2; // that are there above and below the screen

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function counted(number, name) {
  return `${number} ${name}${number === 1 ? "" : "s"}`;
}

function formatNumber(value, digits = 1) {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}

class FrameList {
  constructor(root, gallery) {
    this.root = root;
    this.gallery = gallery;
    this.frames = [];
    this.cells = new Map(); // by place in the list
    this.focused = 0;
    this.scrolled = 0;
    const later = () => window.requestAnimationFrame(() => this.lay());
    window.addEventListener("scroll", later, { passive: true });
    window.addEventListener("resize", later);
    root.addEventListener("keydown", (event) => this.onKey(event));
    root.addEventListener("focusin", (event) => {
      const cell = event.target.closest(".cell");
      if (cell) this.focused = Number(cell.dataset.place);
    });
  }

  // `from` is the frame that was looked at: the list is then where it was, with that frame in focus
  show(frames, from = -1) {
    this.frames = frames;
    this.focused = Math.min(this.focused, Math.max(frames.length - 1, 0));
    for (const cell of this.cells.values()) cell.remove();
    this.cells.clear();
    const wasHidden = this.root.hidden;
    this.root.hidden = false;
    this.lay();
    if (wasHidden) {
      window.scrollTo(0, this.scrolled);
      this.lay();
      this.focus(frames.indexOf(from));
    }
  }

  hide() {
    if (!this.root.hidden) this.scrolled = window.scrollY;
    this.root.hidden = true;
  }

  lay() {
    if (this.root.hidden || !this.root.clientWidth) return;
    const width = this.root.clientWidth;
    this.columns = Math.max(Math.floor(width / CELL.width), 2);
    const cellWidth = width / this.columns;
    const cellHeight = cellWidth + CELL.extra;
    this.rowHeight = cellHeight;
    const rows = Math.ceil(this.frames.length / this.columns);
    this.root.style.height = `${rows * cellHeight}px`;
    const top = -this.root.getBoundingClientRect().top;
    const first = Math.max(Math.floor(top / cellHeight) - ROWS_AROUND, 0) * this.columns;
    const last = Math.min((Math.ceil((top + window.innerHeight) / cellHeight) + ROWS_AROUND) * this.columns, this.frames.length);
    for (const [place, cell] of this.cells) {
      if (place < first || place >= last) { cell.remove(); this.cells.delete(place); }
    }
    for (let place = first; place < last; place++) {
      const cell = this.cells.get(place) ?? this.add(place);
      cell.style.width = `${cellWidth}px`;
      cell.style.height = `${cellHeight}px`;
      const column = place % this.columns, row = Math.floor(place / this.columns);
      cell.style.transform = `translate(${column * cellWidth}px, ${row * cellHeight}px)`;
    }
  }

  add(place) {
    const cell = this.cell(place);
    this.cells.set(place, cell);
    const next = [...this.cells.keys()].filter((other) => other > place);
    this.root.insertBefore(cell, next.length ? this.cells.get(Math.min(...next)) : null); // the order of Tab
    return cell;
  }

  cell(place) {
    const { data, state, selection, painter } = this.gallery;
    const frame = this.frames[place];
    const measures = selection.measure(frame);
    const numbers = `${formatNumber(measures.error)} px, sd ${formatNumber(measures.deviation)}`;
    const cell = element("div", "cell");
    cell.dataset.place = place;
    cell.setAttribute("role", "listitem");
    cell.setAttribute("aria-posinset", place + 1);
    cell.setAttribute("aria-setsize", this.frames.length);
    const link = element("a");
    link.href = state.link({ frame: data.paths[frame] });
    link.title = data.paths[frame];
    link.setAttribute("aria-label", `${data.paths[frame]}: ${data.sets[frame]}, error ${numbers}`);
    const picture = element("span", "picture");
    const image = element("img");
    image.loading = "lazy";
    image.decoding = "async";
    image.alt = "";
    image.src = `thumbs/${data.pictures[frame]}.jpg`;
    const [x, y, side] = data.regions.subarray(3 * frame, 3 * frame + 3);
    const overlay = svgElement("svg", { viewBox: viewBox({ x, y, w: side, h: side }), "aria-hidden": "true" });
    overlay.append(...painter.summary(frame, this.gallery.shownKinds(), side));
    picture.append(image, overlay, badges(data, frame));
    const name = element("span", "name"), path = element("bdi", "", data.paths[frame]);
    path.dir = "ltr"; // within what runs from the right, so that the beginning is cut off
    name.append(path);
    link.append(picture, element("span", "numbers", numbers), name);
    cell.append(link);
    return cell;
  }

  focus(place) {
    if (place < 0 || place >= this.frames.length) return;
    this.focused = place;
    const top = this.root.getBoundingClientRect().top + Math.floor(place / this.columns) * this.rowHeight;
    if (top < 0) window.scrollBy(0, top - 8);
    else if (top + this.rowHeight > window.innerHeight) window.scrollBy(0, top + this.rowHeight - window.innerHeight + 8);
    this.lay();
    this.cells.get(place)?.querySelector("a").focus({ preventScroll: true });
  }

  onKey(event) {
    const last = this.frames.length - 1;
    const place = {
      ArrowRight: this.focused + 1, ArrowLeft: this.focused - 1, j: this.focused + 1, k: this.focused - 1,
      ArrowDown: Math.min(this.focused + this.columns, last), ArrowUp: this.focused - this.columns,
      Home: 0, End: last,
    }[event.key];
    if (place === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.focus(place);
  }
}

function badges(data, frame) {
  const box = element("span", "badges");
  box.append(element("span", "badge", data.sets[frame]), ...failureBadges(data, frame));
  return box;
}

function failureBadges(data, frame) {
  const made = [];
  if (data.failures[frame] & FALLBACK) made.push(element("span", "badge alarm", "detector saw nothing"));
  if (data.failures[frame] & OUTSIDE) made.push(element("span", "badge alarm", "labels outside box"));
  return made;
}
