"use strict";
// Which frames are shown, in which order. Measures are of the chosen kind, and of the chosen keypoint or all of them.

const RISING = ["confidence", "set"]; // are sorted from the least on
const FAILURE_RANKS = { 0: 0, [OUTSIDE]: 1, [FALLBACK]: 2, [FALLBACK | OUTSIDE]: 3 };

// the largest, least and mean of a frame's values that are not NaN; NaN without any
function summarize(values, start, keypoints) {
  let largest = NaN, least = NaN, sum = 0, count = 0;
  for (const k of keypoints) {
    const value = values[start + k];
    if (Number.isNaN(value)) continue;
    if (!(largest >= value)) largest = value;
    if (!(least <= value)) least = value;
    sum += value;
    count++;
  }
  return { largest, least, mean: count ? sum / count : NaN };
}

class Selection {
  constructor(data, values) {
    this.data = data;
    this.kind = Math.max(data.kinds.findIndex((kind) => kind.name === values.kind), ALL);
    const chosen = data.keypoints.indexOf(values.keypoint);
    this.keypoints = chosen < 0 ? data.keypoints.map((_, k) => k) : [chosen];
    this.means = data.memberMeans(this.kind);
    this.deviations = data.deviations.subarray(this.kind * data.count * data.keypoints.length);
  }

  measure(frame) {
    const start = frame * this.data.keypoints.length;
    const error = summarize(this.means.errors, start, this.keypoints);
    const deviation = summarize(this.deviations, start, this.keypoints);
    return {
      set: this.data.setPlaces[frame], failure: FAILURE_RANKS[this.data.failures[frame]],
      error: error.largest, mean_error: error.mean, deviation: deviation.largest, mean_deviation: deviation.mean,
      confidence: summarize(this.means.confidence, start, this.keypoints).least,
    };
  }

  // the numbers of all frames shown, in order
  frames(state) {
    const wanted = this.filter(state);
    const rows = [];
    for (let frame = 0; frame < this.data.count; frame++) {
      const measures = this.measure(frame);
      if (wanted(frame, measures)) rows.push({ frame, value: measures[state.values.sort], error: measures.error });
    }
    const { sort, reverse } = state.values;
    const turn = (RISING.includes(sort) ? 1 : -1) * (reverse ? -1 : 1);
    if (sort === "path") {
      const { paths } = this.data;
      rows.sort((a, b) => (reverse ? -1 : 1) * (paths[a.frame] < paths[b.frame] ? -1 : 1));
    } else {
      const then = ["set", "failure"].includes(sort) ? worstFirst : () => 0;
      rows.sort((a, b) =>
        missingLast(a.value, b.value) || turn * (a.value - b.value || 0) || then(a, b) || a.frame - b.frame);
    }
    return rows.map((row) => row.frame);
  }

  filter(state) {
    const { set, session, text, failure } = state.values;
    const bits = { "": 0, any: FALLBACK | OUTSIDE, fallback: FALLBACK, outside: OUTSIDE }[failure] ?? 0;
    const error = state.number("error", 0), deviation = state.number("deviation", 0);
    const below = state.number("below", Infinity);
    const { data } = this;
    return (frame, measures) =>
      (!set || data.sets[frame] === set) &&
      (!session || data.sessions[frame] === session) &&
      (!text || data.paths[frame].toLowerCase().includes(text.toLowerCase())) &&
      (!bits || (data.failures[frame] & bits) !== 0) &&
      (error <= 0 || measures.error >= error) &&
      (deviation <= 0 || measures.deviation >= deviation) &&
      (below === Infinity || measures.confidence <= below);
  }
}

function worstFirst(a, b) {
  return missingLast(a.error, b.error) || b.error - a.error || 0;
}

// orders what has no value behind the rest; 0 for two values, and for two without
function missingLast(a, b) {
  return Number.isNaN(a) - Number.isNaN(b);
}
