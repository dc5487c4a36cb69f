/** Examples of one cell, or of all, with their pictures from the sheet. */
function showExamples(chosen) {
  const { names, examples } = page.confusion;
  const box = document.getElementById("examples");
  const [columns, width, height] = ["columns", "width", "height"].map((key) => Number(box.dataset[key]));
  const zoom = width && width <= 32 ? 2 : 1;
  const shown = examples.map((example, place) => ({ ...example, place })).filter((example) => !chosen || (example.true === chosen.true && example.predicted === chosen.predicted));
  box.replaceChildren(...shown.map(({ place, index, probability, ...example }) => {
    const tile = element("span", { className: "tile" });
    tile.setAttribute("aria-hidden", "true");
    Object.assign(tile.style, {
      width: `${zoom * width}px`,
      height: `${zoom * height}px`,
      backgroundSize: `${zoom * columns * width}px auto`,
      backgroundPosition: `${-zoom * width * (place % columns)}px ${-zoom * height * Math.floor(place / columns)}px`,
    });
    const text = element("span", { className: "classes" }, names[example.true], " \u2192 ", element("b", { textContent: names[example.predicted] }));
    const remark = element("small", { textContent: `#${index}, ${(100 * probability).toFixed(1)} %` });
    return element("li", { title: `test example ${index}: class ${names[example.true]}, predicted ${names[example.predicted]}` }, ...(width ? [tile] : []), text, remark);
  }));
  const total = chosen?.count ?? examples.length;
  const what = chosen ? `true ${names[chosen.true]}, predicted ${names[chosen.predicted]}: ` : "";
  const correct = chosen && chosen.true === chosen.predicted;
  document.getElementById("examples-count").textContent = correct ? `${what}${total} correct, not shown` : `${what}${shown.length}${shown.length < total ? ` of ${total}` : ""} shown; true \u2192 predicted, its probability`;
}

/** One cell is a tab stop; arrow keys move among all. */
function setUpMatrix(table) {
  const grid = [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("button")]);
  const buttons = grid.flat();
  const all = document.getElementById("examples-all");
  const press = (pressed) => {
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === pressed)));
    all.hidden = !pressed;
    const { true: truth, predicted } = pressed?.dataset ?? {};
    showExamples(pressed && { true: Number(truth), predicted: Number(predicted), count: Number(pressed.textContent) });
  };
  const focus = (button) => {
    buttons.forEach((other) => (other.tabIndex = other === button ? 0 : -1));
    button.focus();
  };
  buttons.forEach((button, index) => (button.tabIndex = index ? -1 : 0));
  grid.forEach((row, y) => row.forEach((button, x) => {
    button.addEventListener("click", () => press(button.getAttribute("aria-pressed") === "true" ? null : button));
    button.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: [y, x - 1], ArrowRight: [y, x + 1], ArrowUp: [y - 1, x], ArrowDown: [y + 1, x] }[event.key];
      const next = to && grid[to[0]]?.[to[1]];
      if (to) event.preventDefault();
      if (next) focus(next);
    });
  }));
  all.addEventListener("click", () => press(null));
  press(null);
}

if (page.confusion) setUpMatrix(document.getElementById("matrix"));
