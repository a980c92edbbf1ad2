"use strict";
// One frame: the whole of it with boxes, the crop of each kind, and a table of its keypoints.

class FrameView {
  constructor(root, gallery) {
    this.root = root;
    this.gallery = gallery;
    this.key = null; // of what the pictures show
  }

  hide() {
    this.root.hidden = true;
    this.root.replaceChildren();
    this.key = null;
  }

  show(frame, frames) {
    const { state } = this.gallery;
    const opened = this.root.hidden;
    this.root.hidden = false;
    const key = `${frame} ${this.gallery.shownKinds()}`;
    if (key !== this.key) {
      this.panels = this.makePanels(frame);
      this.key = key;
    }
    for (const panel of this.panels) this.paint(panel, frame);
    const had = this.root.contains(document.activeElement) ? document.activeElement.id : "";
    const figures = element("div", "figures"), crops = element("div", "crops");
    const [whole, ...others] = this.panels.map((panel) => panel.figure);
    crops.append(...others);
    figures.append(whole, crops);
    const name = element("h2", "", this.gallery.data.paths[frame]);
    name.id = "frame-name";
    this.root.replaceChildren(this.bar(frame, frames), name, this.facts(frame), figures, this.table(frame),
      this.legend());
    if (had) document.getElementById(had)?.focus();
    if (opened) {
      window.scrollTo(0, 0);
      this.root.focus({ preventScroll: true });
    }
    document.title = `${state.values.frame} – ${this.gallery.data.title}`;
  }

  bar(frame, frames) {
    const bar = element("div", "bar");
    const place = frames.indexOf(frame);
    const step = (id, text, to) => {
      const button = element("button", "", text);
      button.type = "button";
      button.id = id;
      button.disabled = !(to in frames);
      button.addEventListener("click", () => this.gallery.open(frames[to]));
      return button;
    };
    const back = element("button", "", "Back to the list");
    back.type = "button";
    back.id = "back";
    back.addEventListener("click", () => this.gallery.open(null));
    const copy = element("button", "", "Copy path");
    copy.type = "button";
    copy.id = "copy";
    copy.addEventListener("click", () => this.gallery.copyPath());
    const where = place < 0 ? "not among the frames that the filters leave" : `${place + 1} of ${frames.length}`;
    bar.append(back, step("previous", "‹ Previous", place - 1), step("next", "Next ›", place + 1), copy,
      element("span", "where", where));
    return bar;
  }

  facts(frame) {
    const { data, selection } = this.gallery;
    const facts = element("div", "facts");
    const { error, deviation, confidence } = selection.measure(frame);
    facts.append(element("span", "badge", data.sets[frame]), ...failureBadges(data, frame),
      element("span", "", `largest error ${formatNumber(error)} px, largest deviation ${formatNumber(deviation)} px, ` +
        `least confidence ${formatNumber(confidence, 2)}`));
    return facts;
  }

  makePanels(frame) {
    const { data } = this.gallery;
    const [width, height] = data.sizes.subarray(2 * frame, 2 * frame + 2);
    const kinds = this.gallery.shownKinds();
    const whole = this.makePanel(frame, kinds, { x: 0, y: 0, w: width, h: height }, "whole frame", true);
    return [whole, ...kinds.map((kind) => this.makePanel(frame, [kind], this.cropBox(frame, kind), "", false))];
  }

  // what the first member with a box saw; around the labels where no member of the kind has boxes
  cropBox(frame, kind) {
    const { data } = this.gallery;
    const own = data.membersOf(kind).map((m) => data.box(m, frame)).find(Boolean);
    const [x, y, side] = data.regions.subarray(3 * frame, 3 * frame + 3);
    return own ?? { x, y, w: side, h: side };
  }

  makePanel(frame, kinds, box, caption, isWhole) {
    const { data } = this.gallery;
    const [width, height] = data.sizes.subarray(2 * frame, 2 * frame + 2);
    const names = kinds.map((kind) => data.kinds[kind].name).join(", ");
    const image = svgElement("image", {
      href: `frames/${data.pictures[frame]}.jpg`, x: -0.5, y: -0.5, width, height, preserveAspectRatio: "none",
    });
    const overlay = svgElement("g");
    const svg = svgElement("svg", {
      viewBox: viewBox(box), role: "img",
      "aria-label": `${isWhole ? "Whole frame" : "Crop"} ${data.paths[frame]} with predictions of ${names}`,
    }, [image, overlay]);
    const figure = element("figure"), text = element("figcaption");
    const swatches = kinds.map(() => element("span", "swatch"));
    if (caption) text.append(caption);
    kinds.forEach((kind, i) => text.append(swatches[i], element("span", "", data.kinds[kind].name)));
    figure.append(svg, text);
    return { figure, overlay, swatches, kinds, box, isWhole };
  }

  paint({ overlay, swatches, kinds, box, isWhole }, frame) {
    const { painter } = this.gallery;
    overlay.replaceChildren(...painter.layers(frame, kinds, box.w, isWhole));
    kinds.forEach((kind, i) => { swatches[i].style.background = painter.color(kind); });
  }

  table(frame) {
    const { data, state } = this.gallery;
    const kinds = [...this.gallery.shownKinds()];
    const head = element("thead"), groups = element("tr"), columns = element("tr");
    const corner = element("th", "", "keypoint");
    corner.rowSpan = 2;
    corner.scope = "col";
    groups.append(corner);
    for (const kind of kinds) {
      const group = element("th", "", data.kinds[kind].name);
      group.colSpan = 4;
      group.scope = "colgroup";
      groups.append(group);
      for (const title of ["error", "of mean", "sd", "confidence"]) {
        const column = element("th", "", title);
        column.scope = "col";
        columns.append(column);
      }
    }
    head.append(groups, columns);
    const body = element("tbody");
    const label = data.label(frame);
    data.keypoints.forEach((name, k) => {
      const row = element("tr", name === state.values.keypoint ? "chosen" : "");
      const title = element("th", "", label[k] ? name : `${name} (not labelled)`);
      title.scope = "row";
      row.append(title, ...kinds.flatMap((kind) => this.numbers(frame, kind, k)));
      body.append(row);
    });
    const table = element("table"), box = element("div", "table");
    table.append(head, body);
    table.setAttribute("aria-describedby", "legend");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", "Numbers of each keypoint");
    box.append(table);
    return box;
  }

  legend() {
    const legend = element("p", "legend", "In pixels of the frame. Error and confidence are means over the members; " +
      "“of mean” is the error of the ensemble mean, sd the members' standard deviation. Cross: label. Large disc: " +
      "ensemble mean. Small disc: a member. Ring: little confidence. Dashed: box of a crop.");
    legend.id = "legend";
    return legend;
  }

  numbers(frame, kind, keypoint) {
    const { data, state } = this.gallery;
    const i = frame * data.keypoints.length + keypoint;
    const { errors, confidence } = data.memberMeans(kind);
    const deviation = data.deviation(kind, frame, keypoint);
    const limits = [state.number("error", Infinity), state.number("deviation", Infinity)];
    return [
      element("td", errors[i] >= limits[0] ? "alarm" : "", formatNumber(errors[i])),
      element("td", "", formatNumber(data.errorOfMean(kind, frame, keypoint))),
      element("td", deviation >= limits[1] ? "alarm" : "", formatNumber(deviation)),
      element("td", confidence[i] < state.number("unsure", 0) ? "alarm" : "", formatNumber(confidence[i], 2)),
    ];
  }
}
