import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";
import { toInput } from "./input.js";

ort.env.wasm.wasmPaths = new URL("./node_modules/onnxruntime-web/dist/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more need a server with headers for it

const canvas = document.querySelector("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });
const answer = document.querySelector("#answer");
const bars = document.querySelector("#bars");
let session = null;

function clear() {
  context.fillStyle = "black";
  context.fillRect(0, 0, canvas.width, canvas.height);
  bars.replaceChildren();
  answer.textContent = session ? "Draw a digit" : answer.textContent;
}

async function open(source, name) {
  try {
    session = await ort.InferenceSession.create(source);
    clear();
  } catch (error) {
    session = null;
    answer.textContent = `${name} cannot be opened: ${error.message}`;
  }
}

async function recognise() {
  if (session === null) return;
  const rgba = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const input = toInput(rgba.filter((_, index) => index % 4 === 0), canvas.width);
  if (input === null) return;
  try {
    const tensor = new ort.Tensor("float32", input, [1, input.length]);
    const outputs = await session.run({ [session.inputNames[0]]: tensor });
    show(Array.from(outputs[session.outputNames[0]].data), input);
  } catch (error) {
    answer.textContent = `this model takes no digit of 28 x 28 pixels: ${error.message}`;
  }
}

function show(probabilities, input) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  answer.textContent = `${best}, probability ${probabilities[best].toFixed(6)}`;
  bars.replaceChildren(
    ...probabilities.map((probability, digit) => {
      const bar = document.createElement("div");
      bar.textContent = digit;
      bar.style.setProperty("--height", probability);
      return bar;
    }),
  );
  window.last = { input: Array.from(input), probabilities }; // for the test, and for the curious
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  context.beginPath();
  context.moveTo(event.offsetX, event.offsetY);
});
canvas.addEventListener("pointermove", (event) => {
  if (event.buttons === 0) return;
  context.lineWidth = canvas.width / 12;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = "white";
  context.lineTo(event.offsetX, event.offsetY);
  context.stroke();
});
canvas.addEventListener("pointerup", recognise);
document.querySelector("button").addEventListener("click", clear);
document.querySelector("input").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) await open(new Uint8Array(await file.arrayBuffer()), file.name);
});

clear();
const response = await fetch("model.onnx");
if (response.ok) await open(new Uint8Array(await response.arrayBuffer()), "model.onnx");
else answer.textContent = "Choose the .onnx file of a model of digits";
