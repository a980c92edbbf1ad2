"use strict";
// Reads window.galleryData (see evaluation/gallery/data_file.py). Positions are in pixels of the frame, with the
// centre of the first pixel at (0, 0). Axes: M members, N frames, K keypoints, Q kinds with "all" before them.

const NOTHING = -32768; // NaN among positions
const NO_CONFIDENCE = 255;
const ALL = 0; // the kind of all members together
const FALLBACK = 1, OUTSIDE = 2; // bits of failures

function decode(text, ArrayType) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return new ArrayType(bytes.buffer);
}

class GalleryData {
  constructor(data) {
    Object.assign(this, {
      title: data.title, notes: data.notes, bytes: data.bytes, keypoints: data.keypoints, skeleton: data.skeleton,
      kinds: [{ name: "all", color: null }, ...data.kinds], paths: data.paths, sets: data.sets,
      members: data.members.map((member) => ({ kind: member.kind + 1, seed: member.seed })),
      pictures: data.pictures, step: data.step, // a clip has no pictures of its own
    });
    this.count = this.paths.length;
    this.sessions = this.paths.map((path) => path.slice(0, Math.max(path.lastIndexOf("/"), 0)));
    const sets = [...new Set(this.sets)];
    this.setPlaces = this.sets.map((set) => sets.indexOf(set));
    this.sizes = decode(data.sizes, Int32Array); // N x (width, height)
    this.regions = decode(data.regions ?? "", Int32Array); // N x (x, y, side) of the thumbnails
    this.labels = decode(data.labels, Int16Array); // N x K x 2
    this.positions = decode(data.positions, Int16Array); // M x N x K x 2
    this.boxes = decode(data.boxes, Int16Array); // M x N x 4
    this.confidence = decode(data.confidence, Uint8Array); // M x N x K
    this.errors = decode(data.errors, Float32Array); // M x N x K
    this.deviations = decode(data.deviation, Float32Array); // Q x N x K
    this.meanErrors = decode(data.meanErrors ?? "", Float32Array); // Q - 1 x N x K; a clip has no labels
    this.failures = decode(data.failures, Uint8Array); // N
    this.means = new Map(); // measures by kind, as they are needed
  }

  membersOf(kind) {
    return this.members.flatMap((member, m) => (kind === ALL || member.kind === kind ? [m] : []));
  }

  // [x, y] of each keypoint, null where there is none
  label(frame) {
    return this.points(this.labels, frame * this.keypoints.length * 2);
  }

  prediction(member, frame) {
    return this.points(this.positions, (member * this.count + frame) * this.keypoints.length * 2);
  }

  points(array, start) {
    return this.keypoints.map((_, k) => {
      const x = array[start + 2 * k], y = array[start + 2 * k + 1];
      return x === NOTHING || y === NOTHING ? null : [x * this.step, y * this.step];
    });
  }

  ensembleMean(kind, frame) {
    const predictions = this.membersOf(kind).map((m) => this.prediction(m, frame));
    return this.keypoints.map((_, k) => {
      const there = predictions.map((points) => points[k]).filter(Boolean);
      return there.length ? [average(there.map((p) => p[0])), average(there.map((p) => p[1]))] : null;
    });
  }

  // {x, y, w, h}, or null for a member without boxes
  box(member, frame) {
    const start = 4 * (member * this.count + frame);
    if (this.boxes[start] === NOTHING) return null;
    const [x, y, w, h] = Array.from(this.boxes.subarray(start, start + 4), (value) => value * this.step);
    return { x, y, w, h };
  }

  confidenceOf(member, frame, keypoint) {
    const value = this.confidence[(member * this.count + frame) * this.keypoints.length + keypoint];
    return value === NO_CONFIDENCE ? NaN : value / 200;
  }

  deviation(kind, frame, keypoint) {
    return this.deviations[(kind * this.count + frame) * this.keypoints.length + keypoint];
  }

  // the error of the mean of a kind's members, from their exact positions
  errorOfMean(kind, frame, keypoint) {
    return this.meanErrors[((kind - 1) * this.count + frame) * this.keypoints.length + keypoint];
  }

  // errors and confidence averaged over the members of a kind: Float32Arrays, N x K
  memberMeans(kind) {
    if (!this.means.has(kind)) {
      const size = this.count * this.keypoints.length;
      const members = this.membersOf(kind);
      this.means.set(kind, {
        errors: averageRows(members, size, (m, i) => this.errors[m * size + i]),
        confidence: averageRows(members, size, (m, i) => {
          const value = this.confidence[m * size + i];
          return value === NO_CONFIDENCE ? NaN : value / 200;
        }),
      });
    }
    return this.means.get(kind);
  }
}

function average(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

// the mean over members of what is not NaN
function averageRows(members, size, value) {
  const result = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    let sum = 0, count = 0;
    for (const m of members) {
      const own = value(m, i);
      if (!Number.isNaN(own)) { sum += own; count++; }
    }
    result[i] = count ? sum / count : NaN;
  }
  return result;
}
