"use strict";
// Uploads one file after another, each with its progress; without this script the form works too.
const form = document.getElementById("upload");
const input = document.getElementById("chosen");
const uploads = document.getElementById("uploads");
const files = document.getElementById("files");
const maxSize = Number(form.dataset.maxSize);
const SCRIPT = { "X-Requested-With": "script" };

let queue = Promise.resolve();

function sizeText(size) {
  let unit = "bytes";
  for (const next of ["KiB", "MiB", "GiB", "TiB"]) {
    if (size < 1024) break;
    size /= 1024;
    unit = next;
  }
  return unit === "bytes" ? `${size} bytes` : `${size.toFixed(1)} ${unit}`;
}

function show(file) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  const state = document.createElement("span");
  const bar = document.createElement("progress");
  name.className = "name";
  name.textContent = file.name;
  state.className = "state";
  state.textContent = "waiting";
  bar.max = Math.max(file.size, 1);
  bar.value = 0;
  item.append(name, state, bar);
  uploads.append(item);
  return { item, state, bar };
}

function fail(row, text) {
  row.item.classList.add("failed");
  row.state.textContent = text;
}

function send(file, row) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const data = new FormData();
    data.append("file", file);
    request.upload.onprogress = (event) => {
      const share = event.total ? event.loaded / event.total : 1;
      row.bar.value = share * row.bar.max;
      row.state.textContent = `${sizeText(Math.min(event.loaded, file.size))} of ${sizeText(file.size)}`;
    };
    request.onload = () => {
      if (request.status === 200) row.item.remove();
      else fail(row, request.responseText || `error ${request.status}`);
      resolve();
    };
    request.onerror = () => {
      fail(row, "the connection was lost");
      resolve();
    };
    request.open("POST", form.action);
    for (const [name, value] of Object.entries(SCRIPT)) request.setRequestHeader(name, value);
    request.send(data);
  });
}

async function refresh() {
  const answer = await fetch("/", { headers: SCRIPT });
  if (answer.ok) files.innerHTML = await answer.text();
}

function add(list) {
  for (const file of list) {
    const row = show(file);
    if (file.size > maxSize) {
      fail(row, `too large; ${sizeText(maxSize)} are allowed`);
    } else {
      queue = queue.then(() => send(file, row)).then(refresh);
    }
  }
}

input.addEventListener("change", () => {
  add(input.files);
  input.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());
for (const kind of ["dragenter", "dragover"]) {
  form.addEventListener(kind, (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
}
form.addEventListener("dragleave", () => form.classList.remove("over"));
form.addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("over");
  add(event.dataTransfer.files);
});
document.documentElement.classList.add("scripted");
