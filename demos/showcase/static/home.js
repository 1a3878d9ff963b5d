"use strict";

const byId = (id) => document.getElementById(id);

byId("greet").addEventListener("submit", (event) => {
  event.preventDefault();
  location.href = "/hello/" + encodeURIComponent(event.target.who.value);
});

byId("ask").addEventListener("click", async () => {
  const answer = await (await fetch("/api/time")).json();
  byId("time").textContent = new Date(answer.time * 1000).toLocaleTimeString();
});

byId("count").addEventListener("click", async () => {
  const body = (await fetch("/count?to=10")).body.pipeThrough(new TextDecoderStream());
  byId("counted").textContent = "";
  for await (const piece of body) byId("counted").textContent += piece.replaceAll("\n", " ");
});

byId("origin").textContent = location.origin;
