const charts = [];
const curveState = { axis: "u", log: false, hiddenRuns: new Set() };
const DASHES = { train: [6, 4], test: [2, 3] };
const FEW = 6; // curves whose values are shown together

/** Panels in the order of training, each with the curves of all runs. */
function panelsOf(runs) {
  const panels = new Map();
  runs.forEach((run, index) => {
    for (const curve of run.curves) {
      if (!panels.has(curve.panel)) panels.set(curve.panel, []);
      panels.get(curve.panel).push({ ...curve, run: index, name: run.name });
    }
  });
  // the best run of a sweep is the first, and drawn last, on top
  return [...panels].map(([name, curves]) => ({ name, curves: page.ranked ? curves.reverse() : curves }));
}

function isPercentage(panel) {
  return panel.split("/").pop() === "error";
}

function format(value, unit = "") {
  if (value === null || value === undefined) return "NaN";
  const digits = Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-3) ? Number(value.toPrecision(4)).toExponential() : String(+value.toPrecision(5));
  return digits + unit;
}

class Chart {
  constructor({ name, curves }) {
    this.curves = curves;
    this.unit = isPercentage(name) ? " %" : "";
    this.hidden = new Set();
    this.title = element("h3", { textContent: this.unit ? `${name} (%)` : name });
    this.legend = element("div", { className: "legend" });
    this.readout = element("output", { className: "readout" });
    this.plot = element("div", { className: "plot", tabIndex: 0 });
    this.plot.setAttribute("role", "group");
    this.plot.setAttribute("aria-label", `Chart of ${name}; left and right move the cursor, + and - zoom, Escape shows all`);
    this.plot.addEventListener("keydown", (event) => this.key(event));
    this.box = element("div", { className: "chart" }, this.title, this.legend, this.plot, this.readout);
    this.makeLegend();
  }

  /** A button for each curve of a single run, else one for each split. */
  makeLegend() {
    const alone = page.runs.length === 1;
    const keys = alone ? this.curves : [...new Set(this.curves.map((curve) => curve.split))];
    if (!alone && keys.length < 2) return;
    for (const key of keys) {
      const line = element("span", { className: `line ${alone ? key.split : key}` });
      if (alone) line.style.color = runColour(0, key.split);
      const value = element("span", { className: "value" });
      const button = element("button", { type: "button" }, line, alone ? key.metric : key, value);
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => this.toggle(button, alone ? [key] : this.curves.filter((c) => c.split === key)));
      if (alone) key.valueBox = value;
      this.legend.append(button);
    }
  }

  toggle(button, curves) {
    const show = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(show));
    curves.forEach((curve) => (show ? this.hidden.delete(curve) : this.hidden.add(curve)));
    this.show();
  }

  isShown(curve) {
    return !this.hidden.has(curve) && !curveState.hiddenRuns.has(curve.run);
  }

  values(curve) {
    return this.log ? curve.v.map((value) => (value > 0 ? value : null)) : curve.v;
  }

  /** Draw anew, with all of the x axis. */
  draw() {
    this.u?.destroy();
    this.log = curveState.log && this.curves.some((curve) => curve.v.some((value) => value > 0));
    this.colours = this.curves.map((curve) => resolved(runColour(curve.run, curve.split)));
    const joined = uPlot.join(this.curves.map((curve) => [curve[curveState.axis], this.values(curve)]));
    this.u = new uPlot(this.options(), joined, this.plot);
    this.show();
    this.read(null);
  }

  options() {
    const [ink, grid] = [resolved("var(--quiet)"), resolved("var(--rule)")];
    const axis = { stroke: ink, font: `12px ${variable("--font")}`, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 4 } };
    return {
      width: this.plot.clientWidth,
      height: 260,
      legend: { show: false },
      scales: { x: { time: false }, y: this.log ? { distr: 3 } : {} },
      axes: [
        { ...axis, size: 34, space: 60, incrs: curveState.axis === "u" ? INTEGERS : undefined },
        { ...axis, size: (u, values) => 14 + 7 * Math.max(1, ...(values ?? []).map((text) => text?.length ?? 0)), values: (u, ticks) => ticks.map((tick) => (tick === null ? "" : format(tick))) },
      ],
      series: [{}, ...this.curves.map((curve, index) => this.series(curve, index))],
      cursor: { focus: { prox: 30 }, drag: { x: true, y: false, dist: 5 }, dataIdx: nearestPoint, points: { size: 7 } },
      focus: { alpha: this.curves.length > FEW ? 0.25 : 1 },
      hooks: {
        setCursor: [(u) => this.read(u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") : null)],
        draw: [(u) => this.markBest(u)],
      },
    };
  }

  series(curve, index) {
    const several = page.runs.length > 1 && this.curves.some((other) => other.split !== curve.split);
    const dash = several ? DASHES[curve.split] : undefined;
    return { label: curve.metric, stroke: this.colours[index], width: page.runs.length > 12 ? 1.25 : 1.75, dash, points: { show: curve.v.length < 40 && page.runs.length === 1, size: 4 } };
  }

  show() {
    this.u.batch(() => this.curves.forEach((curve, index) => this.u.setSeries(index + 1, { show: this.isShown(curve) })));
  }

  /** A ring around the best validation of each curve. */
  markBest(u) {
    const { ctx } = u;
    ctx.save();
    this.curves.forEach((curve, index) => {
      if (curve.best === null || !this.isShown(curve)) return;
      const [x, y] = [u.valToPos(curve[curveState.axis][curve.best], "x", true), u.valToPos(this.values(curve)[curve.best], "y", true)];
      if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) return; // zoomed away
      ctx.beginPath();
      ctx.arc(x, y, 5 * devicePixelRatio, 0, 2 * Math.PI);
      ctx.strokeStyle = this.colours[index];
      ctx.lineWidth = 2 * devicePixelRatio;
      ctx.stroke();
    });
    ctx.restore();
  }

  /** Say what the curves are at x; their best, or last, where x is null. */
  read(x) {
    const at = (curve) => (x === null ? curve.best ?? curve.v.length - 1 : closest(curve[curveState.axis], x));
    const where = (curve, index) => `update ${curve.u[index].toLocaleString("en")}, epoch ${+curve.e[index].toFixed(2)}`;
    for (const curve of this.curves) {
      if (!curve.valueBox) continue;
      const remark = x !== null ? "" : curve.best === null ? "last " : "best ";
      curve.valueBox.textContent = remark + format(curve.v[at(curve)], this.unit);
    }
    const nearest = this.nearest(x);
    if (!nearest) this.readout.textContent = x === null ? "" : "-";
    else if (page.runs.length === 1) this.readout.textContent = where(nearest, at(nearest));
    else this.readout.textContent = `${nearest.name} ${nearest.metric}: ${format(nearest.v[at(nearest)], this.unit)}, ${where(nearest, at(nearest))}`;
  }

  /** The shown curve that is nearest to the cursor. */
  nearest(x) {
    if (x === null) return null;
    const top = this.u.cursor.top;
    const distance = (curve) => {
      const value = this.values(curve)[closest(curve[curveState.axis], x)];
      return value === null ? Infinity : Math.abs(this.u.valToPos(value, "y") - top);
    };
    const shown = this.curves.filter((curve) => this.isShown(curve));
    return shown.reduce((best, curve) => (best && distance(best) <= distance(curve) ? best : curve), null);
  }

  key(event) {
    const { min, max } = this.u.scales.x;
    const left = this.u.cursor.left >= 0 ? this.u.cursor.left : 0;
    const step = event.shiftKey ? 40 : 8;
    const actions = {
      ArrowLeft: () => this.moveCursor(Math.max(0, left - step)),
      ArrowRight: () => this.moveCursor(Math.min(this.u.over.clientWidth, left + step)),
      "+": () => this.zoom(this.u.posToVal(left, "x"), (max - min) / 4),
      "-": () => this.zoom((min + max) / 2, max - min),
      Escape: () => this.reset(),
    };
    const action = actions[event.key === "=" ? "+" : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  moveCursor(left) {
    this.u.setCursor({ left, top: this.u.over.clientHeight / 2 });
  }

  zoom(centre, half) {
    const xs = this.u.data[0];
    this.u.setScale("x", { min: Math.max(xs[0], centre - half), max: Math.min(xs[xs.length - 1], centre + half) });
  }

  reset() {
    const xs = this.u.data[0];
    this.u.setScale("x", { min: xs[0], max: xs[xs.length - 1] });
  }
}

const INTEGERS = [1, 2, 5].flatMap((digit) => [...Array(9).keys()].map((power) => digit * 10 ** power)).sort((a, b) => a - b);

/** The index of the value in an increasing list that is closest to x. */
function closest(xs, x) {
  let [low, high] = [0, xs.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle;
    else high = middle;
  }
  return x - xs[low] <= xs[high] - x ? low : high;
}

/** The nearest index at which a curve has a point: those of other curves lie between. */
function nearestPoint(u, series, index) {
  const values = u.data[series];
  if (series === 0 || values[index] !== undefined) return index;
  for (let step = 1; step < values.length; step++) {
    if (values[index - step] !== undefined) return index - step;
    if (values[index + step] !== undefined) return index + step;
  }
  return index;
}

function setUpCurves(box) {
  for (const panel of panelsOf(page.runs)) {
    const chart = new Chart(panel);
    charts.push(chart);
    box.append(chart.box);
  }
  const drawAll = () => charts.forEach((chart) => chart.draw());
  drawAll();
  for (const input of document.querySelectorAll("#curve-tools input")) {
    input.addEventListener("change", () => {
      curveState[input.name === "axis" ? "axis" : "log"] = input.name === "axis" ? input.value : input.value === "log";
      drawAll();
    });
  }
  dark.addEventListener("change", drawAll);
  new ResizeObserver(() => charts.forEach((chart) => {
    if (chart.u.width !== chart.plot.clientWidth) chart.u.setSize({ width: chart.plot.clientWidth, height: 260 });
  })).observe(box);
}

/** Buttons that show and hide the curves of a run in all charts. */
function setUpRunButtons() {
  const buttons = [...document.querySelectorAll("button.swatch[data-run]")];
  const set = (button, isShown) => {
    button.setAttribute("aria-pressed", String(isShown));
    curveState.hiddenRuns[isShown ? "delete" : "add"](Number(button.dataset.run));
  };
  const showAll = () => charts.forEach((chart) => chart.show());
  for (const button of buttons) {
    button.style.setProperty("--colour", runColour(Number(button.dataset.run)));
    button.addEventListener("click", () => {
      set(button, button.getAttribute("aria-pressed") === "false");
      showAll();
    });
  }
  for (const [id, isShown] of [["runs-all", true], ["runs-none", false]]) {
    document.getElementById(id)?.addEventListener("click", () => {
      buttons.forEach((button) => set(button, isShown));
      showAll();
    });
  }
}

const chartBox = document.getElementById("charts");
if (chartBox) setUpCurves(chartBox);
setUpRunButtons();
