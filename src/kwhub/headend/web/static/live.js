// What happens at the head-end, heard as events (EventSource). Each becomes an event of the page, such as
// "live-readings", on which the parts of the page that care fetch themselves anew (hx-trigger).
"use strict";

let source = null;

function state(on) {
  const place = document.getElementById("live-state");
  if (!place) return;
  place.textContent = on ? place.dataset.on : place.dataset.off;
  place.classList.toggle("off", !on);
}
function listen() {
  if (source || document.hidden) return;
  source = new EventSource(document.body.dataset.live);
  source.addEventListener("open", () => state(true));
  source.addEventListener("error", () => state(false));
  source.addEventListener("topics", (event) => {
    const told = event.data.split(" ").filter(Boolean);
    for (const topic of told.includes("everything") ? ALL : told) tell(topic);
  });
}
const ALL = ["readings", "terminals", "events", "frames"];
function tell(topic) {
  document.body.dispatchEvent(new CustomEvent(`live-${topic}`));
  const frames = document.getElementById("frames");
  // Whoever reads a frame is not disturbed by the next one.
  const follows = document.getElementById("frames-live")?.checked && !frames?.querySelector("details[open]");
  if (follows && (topic === frames.dataset.topic || topic === "frames")) document.body.dispatchEvent(new CustomEvent("frames-news"));
}
// A browser opens few connections to one server: pages in the background give theirs back.
function rest() {
  source?.close();
  source = null;
}

document.addEventListener("DOMContentLoaded", () => {
  if (!document.body.dataset.live) return;
  listen();
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
  window.addEventListener("pagehide", rest);
});
