// The frame of the pages: theme, tree, shortcuts, help. Without it links and forms do the same, page by page.
"use strict";

const root = document.documentElement;
const YEAR_S = 31536000;

function remember(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=${YEAR_S}; samesite=lax`;
}
// A browser may forbid its store; then nothing is remembered and everything works.
function kept(name, fallback) {
  try { return JSON.parse(localStorage.getItem(name)) ?? fallback; } catch { return fallback; }
}
function keep(name, value) {
  try { localStorage.setItem(name, JSON.stringify(value)); } catch { /* not remembered */ }
}

// --- tree
const narrow = () => matchMedia("(max-width: 900px)").matches;
function showTree() {
  const shown = narrow() ? root.dataset.tree === "shown" : root.dataset.tree !== "hidden";
  if (shown && narrow()) delete root.dataset.tree;
  else root.dataset.tree = shown ? "hidden" : "shown";
  if (!narrow()) remember("kwhub_tree", root.dataset.tree);
  tellTree();
}
function tellTree() {
  const tree = document.getElementById("tree");
  document.getElementById("tree-button")?.setAttribute("aria-expanded", String(Boolean(tree && getComputedStyle(tree).display !== "none")));
}
function openBranches() {
  const open = new Set(kept("kwhub-open", []));
  for (const branch of document.querySelectorAll("details[data-branch]")) {
    if (open.has(branch.dataset.branch)) branch.open = true;
    branch.addEventListener("toggle", () => {
      const now = new Set(kept("kwhub-open", []));
      if (branch.open) now.add(branch.dataset.branch); else now.delete(branch.dataset.branch);
      keep("kwhub-open", [...now].slice(-50));
    });
  }
  const shut = new Set(kept("kwhub-shut", []));
  for (const one of document.querySelectorAll("details[data-organisation]")) {
    if (shut.has(one.dataset.organisation)) one.open = false;
    one.addEventListener("toggle", () => {
      const now = new Set(kept("kwhub-shut", []));
      if (one.open) now.delete(one.dataset.organisation); else now.add(one.dataset.organisation);
      keep("kwhub-shut", [...now].slice(-50));
    });
  }
}
function filterTree(text) {
  const wanted = text.trim().toLowerCase();
  const named = (item) => item.dataset.name.toLowerCase().includes(wanted);
  for (const item of document.querySelectorAll(".branches > li")) {
    const above = [];
    for (let one = item.parentElement.closest("li[data-name]"); one; one = one.parentElement.closest("li[data-name]")) above.push(one);
    item.hidden = Boolean(wanted) && ![item, ...above].some(named);
  }
  for (const item of document.querySelectorAll(".organisations > li")) item.hidden = Boolean(wanted) && !named(item) && !item.querySelector(".branches > li:not([hidden])");
}
// Up and down walk through the tree; left and right close and open a branch.
function walkTree(event) {
  const tree = event.currentTarget;
  const stops = [...tree.querySelectorAll("a, summary")].filter((each) => each.offsetParent && getComputedStyle(each).visibility !== "hidden");
  const at = stops.indexOf(document.activeElement);
  const branch = document.activeElement?.closest("li")?.querySelector("details");
  if (at < 0) return;
  if (event.key === "ArrowDown") stops[Math.min(at + 1, stops.length - 1)].focus();
  else if (event.key === "ArrowUp") stops[Math.max(at - 1, 0)].focus();
  else if (event.key === "ArrowRight" && branch) branch.open = true;
  else if (event.key === "ArrowLeft" && branch) branch.open = false;
  else return;
  event.preventDefault();
}

// --- shortcuts
let leading = -Infinity;
function pressed(event) {
  const writes = event.target.closest?.("input, select, textarea, [contenteditable]");
  if (writes || event.ctrlKey || event.metaKey || event.altKey || !kept("kwhub-keys", true)) return;
  if (document.querySelector("dialog[open]")) return;
  const soon = performance.now() - leading < 1500;
  leading = -Infinity;
  if (soon) {
    const place = document.querySelector(`.places [data-shortcut="${CSS.escape(event.key)}"]`);
    if (place) location.assign(place.href);
  } else if (event.key === "g") leading = performance.now();
  else if (event.key === "/") focusOn(event, "find");
  else if (event.key === "[") showTree();
  else if (event.key === "?") document.getElementById("help").showModal();
}
function focusOn(event, id) {
  event.preventDefault();
  document.getElementById(id)?.focus();
}

document.addEventListener("keydown", pressed);
document.addEventListener("DOMContentLoaded", () => {
  tellTree();
  openBranches();
  document.getElementById("tree-button")?.addEventListener("click", showTree);
  document.getElementById("tree")?.addEventListener("keydown", walkTree);
  document.getElementById("tree-find")?.addEventListener("input", (event) => filterTree(event.target.value));
  document.getElementById("help-button").addEventListener("click", () => document.getElementById("help").showModal());
  const on = document.getElementById("keys-on");
  on.checked = kept("kwhub-keys", true);
  on.addEventListener("change", () => keep("kwhub-keys", on.checked));
});
window.addEventListener("resize", tellTree);
