"use strict";
// Draws over a picture, in an SVG whose units are pixels of the frame. Widths are in pixels of the screen.

const SVG = "http://www.w3.org/2000/svg";
const HALO = "#000000", LABEL_COLOR = "#ffffff";
const CROSS = 0.018; // an arm of a label's cross, as a share of the picture's width
const WHOLE_CROSS = 0.3; // smaller by that in a whole frame, where the animal is small
const SMALL = 0.6; // the same of lines and discs, in thumbnails too

function svgElement(name, attributes = {}, children = []) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// "x y width height" of a box {x, y, w, h}: pixel centres lie at integers
function viewBox({ x, y, w, h }) {
  return `${x - 0.5} ${y - 0.5} ${w} ${h}`;
}

function stroke(d, color, width, more = {}) {
  return svgElement("path", {
    d, fill: "none", stroke: color, "stroke-width": width, "stroke-linecap": "round",
    "vector-effect": "non-scaling-stroke", ...more,
  });
}

// a line with a dark rim, so that it is seen on any picture
function rimmed(d, color, width, more = {}) {
  return [stroke(d, HALO, width + 2, { ...more, opacity: 0.55 }), stroke(d, color, width, more)];
}

function edges(points, skeleton) {
  return skeleton
    .filter(([a, b]) => points[a] && points[b])
    .map(([a, b]) => `M${points[a]}L${points[b]}`)
    .join("");
}

const dots = (points) => points.filter(Boolean).map((point) => `M${point}h0`).join("");

function crosses(points, arm) {
  return points.filter(Boolean).map(([x, y]) => `M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}`).join("");
}

class Painter {
  constructor(data, values) {
    this.data = data;
    this.values = values;
    this.unsure = parseFloat(values.unsure) || 0;
    this.chosen = data.keypoints.indexOf(values.keypoint);
  }

  color(kind) {
    return this.values[COLOR_PREFIX + this.data.kinds[kind].name] ?? this.data.kinds[kind].color;
  }

  get labelColor() {
    return this.values[COLOR_PREFIX + "labels"] ?? LABEL_COLOR;
  }

  // all that is drawn of a frame: `kinds` by number, `width` of what is seen in pixels of the frame
  layers(frame, kinds, width, isWhole) {
    const { values } = this;
    const parts = [];
    const scale = isWhole ? SMALL : 1;
    for (const kind of kinds) {
      if (isWhole && values.boxes) parts.push(...this.boxes(frame, kind));
      if (values.members) parts.push(...this.data.membersOf(kind).flatMap((m) => this.member(frame, kind, m, scale)));
    }
    if (values.mean) parts.push(...kinds.flatMap((kind) => this.mean(frame, kind, scale)));
    if (values.labels) parts.push(...this.labels(frame, isWhole ? width * WHOLE_CROSS : width, scale));
    const named = this.data.label(frame).map((point, k) => point ?? this.data.ensembleMean(kinds[0], frame)[k]);
    parts.push(...this.names(named, width));
    return parts;
  }

  // what fits over a thumbnail
  summary(frame, kinds, width) {
    const parts = this.values.mean ? kinds.flatMap((kind) => this.mean(frame, kind, SMALL)) : [];
    return this.values.labels ? [...parts, ...this.labels(frame, width, SMALL)] : parts;
  }

  boxes(frame, kind) {
    const boxes = this.data.membersOf(kind).map((m) => this.data.box(m, frame)).filter(Boolean);
    return boxes.flatMap(({ x, y, w, h }) =>
      rimmed(`M${x - 0.5} ${y - 0.5}h${w}v${h}h${-w}z`, this.color(kind), 1.5, { "stroke-dasharray": "6 4" }));
  }

  member(frame, kind, member, scale) {
    const points = this.data.prediction(member, frame);
    const isUnsure = points.map((_, k) => this.data.confidenceOf(member, frame, k) < this.unsure);
    const color = this.color(kind);
    return [
      stroke(edges(points, this.data.skeleton), color, 1, { opacity: 0.75 }),
      stroke(dots(points), color, 4.5 * scale, { opacity: 0.9 }),
      stroke(dots(points.map((point, k) => (isUnsure[k] ? point : null))), HALO, 2.5 * scale), // rings
    ];
  }

  mean(frame, kind, scale = 1) {
    const points = this.data.ensembleMean(kind, frame);
    const confidence = this.data.memberMeans(kind).confidence;
    const start = frame * this.data.keypoints.length;
    const unsure = points.map((point, k) => (confidence[start + k] < this.unsure ? point : null));
    return [
      ...rimmed(edges(points, this.data.skeleton), this.color(kind), 2.5 * scale),
      ...rimmed(dots(points), this.color(kind), 8 * scale),
      stroke(dots(unsure), HALO, 4.5 * scale),
    ];
  }

  labels(frame, width, scale = 1) {
    return rimmed(crosses(this.data.label(frame), width * CROSS), this.labelColor, 2 * scale);
  }

  names(points, width) {
    const shown = points.map((point, k) => point && (this.values.names || k === this.chosen));
    return points.flatMap((point, k) => {
      if (!shown[k]) return [];
      const place = { x: point[0] + width * 0.015, y: point[1] - width * 0.012, "font-size": width * 0.028 };
      const look = { fill: "#ffffff", stroke: HALO, "stroke-width": width * 0.006, "paint-order": "stroke" };
      return [svgElement("text", { ...place, ...look }, [this.data.keypoints[k]])];
    });
  }
}
