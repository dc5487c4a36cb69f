const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 60; // pixels beside the outer axes

function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Where a value stands on an axis, from 0 at the bottom to 1, and the ticks; words, and a few numbers that would touch, are spread evenly. */
function axisOf(name, texts, isMetric = false) {
  const numbers = texts.map((text) => (text === "" ? NaN : Number(text)));
  const distinct = [...new Set(texts)];
  if (numbers.some(Number.isNaN)) {
    const at = new Map(distinct.sort().map((text, index) => [text, distinct.length > 1 ? index / (distinct.length - 1) : 0.5]));
    return { name, at: texts.map((text) => at.get(text)), ticks: [...at].map(([text, place]) => [text || "(unset)", place]) };
  }
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const scale = low > 0 && high / low >= 30 ? Math.log : (value) => value;
  const few = [...new Set(numbers)].sort((a, b) => a - b);
  const toScale = (value) => (high > low ? (scale(value) - scale(low)) / (scale(high) - scale(low)) : 0.5);
  const isTight = !isMetric && few.length <= 8 && few.some((value, index) => index && toScale(value) - toScale(few[index - 1]) < 0.06);
  const place = isTight ? (value) => few.indexOf(value) / (few.length - 1) : toScale;
  const ticks = few.length <= 8 ? few : [low, ...[0.25, 0.5, 0.75].map((share) => few[Math.round(share * (few.length - 1))]), high];
  return { name, at: numbers.map(place), ticks: apart(ticks.map((value) => [String(+value.toPrecision(4)), place(value)])) };
}

/** The ticks without those whose texts would touch; the lowest and the highest stay. */
function apart(ticks) {
  const kept = ticks.slice(0, 1);
  const [, top] = ticks.at(-1);
  for (const tick of ticks.slice(1, -1)) if (tick[1] - kept.at(-1)[1] >= 0.06 && top - tick[1] >= 0.06) kept.push(tick);
  return ticks.length > 1 ? [...kept, ticks.at(-1)] : kept;
}

class Coordinates {
  constructor(box, { axes, metric, jobs, max }) {
    this.box = box;
    this.jobs = jobs;
    this.axes = axes.map((name, index) => axisOf(name, jobs.map((job) => job.values[index])));
    this.axes.push(axisOf(metric, jobs.map((job) => String(job.metric)), true));
    this.brushes = new Map();
    this.clear = document.getElementById("coordinates-clear");
    this.readout = document.getElementById("coordinates-readout");
    this.rows = new Map([...document.querySelectorAll("#jobs tr[data-key]")].map((row) => [row.dataset.key, row]));
    const order = jobs.map((_, index) => index).sort((a, b) => (max ? jobs[b].metric - jobs[a].metric : jobs[a].metric - jobs[b].metric));
    this.colours = [];
    order.forEach((job, rank) => (this.colours[job] = rankColour(order.length > 1 ? rank / (order.length - 1) : 0)));
    this.order = order.reverse(); // the best is drawn last, on top
    this.clear.addEventListener("click", () => this.brush(null));
    jobs.forEach((job, index) => {
      const row = this.rows.get(job.name);
      for (const [event, on] of [["pointerenter", true], ["pointerleave", false], ["focusin", true], ["focusout", false]]) row?.addEventListener(event, () => this.highlight(index, on));
    });
  }

  draw() {
    const width = Math.max(this.box.parentElement.clientWidth, 110 * this.axes.length);
    const [height, top, bottom] = [300, 34, 14];
    this.y = (share) => top + (1 - share) * (height - top - bottom);
    this.shareAt = (y) => 1 - (y - top) / (height - top - bottom);
    this.x = (index) => MARGIN + (index * (width - 2 * MARGIN)) / Math.max(1, this.axes.length - 1);
    this.lines = [];
    const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Parallel coordinates of ${this.jobs.length} jobs; the table of jobs has the same numbers` });
    for (const job of this.order) root.append((this.lines[job] = this.line(job)));
    this.axes.forEach((axis, index) => root.append(this.axis(axis, index, top, height - bottom)));
    this.box.replaceChildren(root);
    this.update();
  }

  line(job) {
    const points = this.axes.map((axis, index) => `${this.x(index)},${this.y(axis.at[job])}`).join(" ");
    const line = svg("polyline", { points, class: "job" });
    line.style.stroke = this.colours[job];
    line.addEventListener("pointerenter", () => this.highlight(job, true));
    line.addEventListener("pointerleave", () => this.highlight(job, false));
    return line;
  }

  axis(axis, index, top, bottom) {
    const x = this.x(index);
    const group = svg("g", { class: "axis" }, svg("line", { x1: x, x2: x, y1: top, y2: bottom }));
    const [first, right] = [index === 0, index === this.axes.length - 1];
    const anchor = first ? "start" : right ? "end" : "middle";
    const title = svg("text", { x: first ? 2 : right ? x + MARGIN - 2 : x, y: 16, "text-anchor": anchor, class: "title" });
    title.textContent = axis.name.length > 22 ? `\u2026${axis.name.slice(-21)}` : axis.name;
    title.append(svg("title", {}, axis.name));
    for (const [text, share] of axis.ticks) {
      const tick = svg("text", { x: right ? x + 8 : x - 8, y: this.y(share) + 4, "text-anchor": right ? "start" : "end" });
      tick.textContent = text.length > 12 ? `${text.slice(0, 11)}\u2026` : text;
      group.append(tick);
    }
    const range = svg("rect", { x: x - 7, width: 14, class: "brush", y: 0, height: 0 });
    const handle = svg("rect", { x: x - 16, y: top - 8, width: 32, height: bottom - top + 16, class: "handle" });
    handle.addEventListener("pointerdown", (event) => this.drag(event, index, handle));
    axis.range = range;
    group.append(title, range, handle);
    return group;
  }

  drag(event, index, handle) {
    const from = this.shareAt(event.offsetY);
    handle.setPointerCapture(event.pointerId);
    const move = ({ offsetY }) => {
      const to = this.shareAt(offsetY);
      this.brush(index, Math.abs(to - from) < 0.02 ? null : [Math.min(from, to), Math.max(from, to)]);
    };
    handle.addEventListener("pointermove", move);
    handle.addEventListener("pointerup", () => handle.removeEventListener("pointermove", move), { once: true });
  }

  /** Keep the jobs within a range of an axis; without an axis, all. */
  brush(index, range) {
    if (index === null) this.brushes.clear();
    else if (range) this.brushes.set(index, range);
    else this.brushes.delete(index);
    this.update();
  }

  update() {
    const passes = (job) => [...this.brushes].every(([index, [low, high]]) => this.axes[index].at[job] >= low && this.axes[index].at[job] <= high);
    const kept = this.jobs.filter((_, job) => {
      this.lines[job].classList.toggle("out", !passes(job));
      this.rows.get(this.jobs[job].name)?.classList.toggle("out", !passes(job));
      return passes(job);
    });
    this.axes.forEach((axis, index) => {
      const [low, high] = this.brushes.get(index) ?? [0, 0];
      axis.range.setAttribute("y", this.y(high));
      axis.range.setAttribute("height", this.y(low) - this.y(high));
    });
    this.clear.disabled = !this.brushes.size;
    this.said = this.brushes.size ? `${kept.length} of ${this.jobs.length} jobs` : "";
    this.readout.textContent = this.said;
  }

  highlight(job, on) {
    this.lines[job].classList.toggle("on", on);
    this.rows.get(this.jobs[job].name)?.classList.toggle("on", on);
    this.readout.textContent = on ? `${this.jobs[job].name}: ${this.axes[this.axes.length - 1].name} ${this.jobs[job].metric}` : this.said;
  }
}

const coordinatesBox = document.getElementById("coordinates-plot");
if (coordinatesBox) {
  const coordinates = new Coordinates(coordinatesBox, page.coordinates);
  coordinates.draw();
  addEventListener("resize", () => coordinates.draw());
}
