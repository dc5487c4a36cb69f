"use strict";
const page = JSON.parse(document.getElementById("data").textContent);

/** A new element with properties and children; text is never read as HTML. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** The value of a custom property of page.css. */
function variable(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Any CSS colour, as a canvas takes it. */
function resolved(colour) {
  const probe = element("span");
  probe.style.color = colour;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** From 0, the best, to 1, the worst. */
function rankColour(share) {
  return `color-mix(in oklab, var(--worst) ${Math.round(100 * share)}%, var(--best))`;
}

const PALETTE = 8;

/** The colour of a run; of a curve's split if there is one run. */
function runColour(run, split) {
  const count = page.runs.length;
  if (page.ranked) return rankColour(count > 1 ? run / (count - 1) : 0);
  if (count === 1) return `var(--c${["train", "val", "test"].indexOf(split) + 1})`;
  if (count <= PALETTE) return `var(--c${run + 1})`;
  return `hsl(${Math.round(run * 137.5) % 360} 60% var(--lightness))`;
}

const dark = matchMedia("(prefers-color-scheme: dark)");

const list = document.querySelector("nav ul");
for (const section of document.querySelectorAll("main > section")) {
  const text = section.querySelector("h2").textContent.split(":")[0];
  list.append(element("li", {}, element("a", { href: `#${section.id}`, textContent: text })));
}
