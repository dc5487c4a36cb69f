// A drawing as an input of a model that was trained on MNIST or dlpipe's digits.

const SIDE = 28; // of an input
const INK = 20; // the longer side of the digit in it, as in MNIST

/**
 * The brightness of a drawing as 784 values: the digit 20 pixels high or wide, its centre of mass in the middle.
 *
 * @param {Uint8ClampedArray | number[]} pixels brightness 0 to 255, row by row, light on dark.
 * @param {number} side of the square drawing.
 * @returns {Float32Array | null} value / 256, row by row; null if nothing is drawn.
 */
export function toInput(pixels, side) {
  const box = boundingBox(pixels, side);
  if (box === null) return null;
  const scale = INK / Math.max(box.right - box.left, box.bottom - box.top);
  const centre = centreOfMass(pixels, side);
  const input = new Float32Array(SIDE * SIDE);
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const left = centre.x + (column - SIDE / 2) / scale;
      const top = centre.y + (row - SIDE / 2) / scale;
      input[row * SIDE + column] = mean(pixels, side, left, top, 1 / scale) / 256;
    }
  }
  return input;
}

function boundingBox(pixels, side) {
  const box = { left: side, top: side, right: 0, bottom: 0 };
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      if (pixels[y * side + x] === 0) continue;
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y + 1);
    }
  }
  return box.right > box.left ? box : null;
}

function centreOfMass(pixels, side) {
  let mass = 0;
  let x = 0;
  let y = 0;
  for (let index = 0; index < side * side; index++) {
    mass += pixels[index];
    x += pixels[index] * ((index % side) + 0.5);
    y += pixels[index] * (Math.floor(index / side) + 0.5);
  }
  return { x: x / mass, y: y / mass };
}

/** The mean brightness of a square of the drawing; outside of it is dark. */
function mean(pixels, side, left, top, size) {
  let sum = 0;
  let count = 0;
  for (let y = Math.round(top); y < Math.round(top + size) || count === 0; y++) {
    for (let x = Math.round(left); x < Math.round(left + size) || count === 0; x++) {
      if (x >= 0 && x < side && y >= 0 && y < side) sum += pixels[y * side + x];
      count++;
    }
  }
  return sum / count;
}
