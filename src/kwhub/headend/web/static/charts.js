// Draws every <figure data-chart="URL">. The data names its own labels, colours and scales, so that
// no text and no rule of the business stands here.
"use strict";

const drawn = new Map(); // element -> {plot, data}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function seriesOf(data) {
  return data.series.map((each) => {
    const colour = style(`--chart-${each.colour}`);
    const number = new Intl.NumberFormat("en-US", { minimumFractionDigits: each.places, maximumFractionDigits: each.places });
    const base = {
      label: each.label,
      scale: each.scale,
      stroke: colour,
      width: 1.5,
      spanGaps: false,
      value: (_plot, value) => (value == null ? "—" : `${number.format(value)} ${each.unit}`),
      points: { show: each.points, size: 5 },
    };
    if (each.shape === "bars") return { ...base, fill: `${colour}a0`, width: 1, points: { show: false }, paths: uPlot.paths.bars({ size: [0.7, 48] }) };
    // An energy or a mean power belongs to a whole interval, so it is drawn over the whole interval.
    if (each.shape === "step") return { ...base, fill: `${colour}90`, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [1, Infinity], align: 1, gap: 0 }) };
    return base;
  });
}

function axesOf(data, width) {
  const common = { stroke: style("--dim"), font: "12px system-ui, sans-serif", grid: { stroke: style("--grid"), width: 1 }, ticks: { stroke: style("--grid"), width: 1, size: 5 } };
  const time = { ...common, space: 70 };
  if (data.days) time.values = (_plot, splits) => splits.map((at) => dayText(at, data.zone));
  else time.values = (_plot, splits, _axis, _space, step) => splits.map((at) => clockText(at, data.zone, step));
  if (data.days) time.incrs = [1, 2, 3, 7, 14].map((days) => days * 86400);
  else time.incrs = [900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000];
  const scales = [...new Set(data.series.map((each) => each.scale))];
  return [time, ...scales.map((scale, index) => ({ ...common, scale, side: index === 0 ? 3 : 1, size: width < 500 ? 46 : 62, label: data.scales[scale].label, labelSize: 18, labelFont: "12px system-ui, sans-serif", grid: index === 0 ? common.grid : { show: false } }))];
}

function parts(at, zone) {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone: zone, hourCycle: "h23", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
  return Object.fromEntries(format.formatToParts(new Date(at * 1000)).map((part) => [part.type, part.value]));
}
const dayText = (at, zone) => { const { month, day } = parts(at, zone); return `${month}-${day}`; };
function clockText(at, zone, step) {
  const { month, day, hour, minute } = parts(at, zone);
  if (step >= 86400 || (hour === "00" && minute === "00")) return `${month}-${day}`;
  return `${hour}:${minute}`;
}
function momentText(at, data) {
  if (at == null) return "—";
  const { month, day, hour, minute } = parts(at, data.zone);
  return data.days ? `${month}-${day}` : `${month}-${day} ${hour}:${minute}`;
}

function optionsOf(data, width, height) {
  const scales = { x: { time: true, min: data.from, max: data.to } };
  for (const [name, scale] of Object.entries(data.scales)) {
    scales[name] = { range: (_plot, low, high) => [scale.min ?? low, scale.max ?? high].map((end, index) => padded(end, index, low, high, scale)) };
  }
  return {
    width, height, scales,
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), data.zone),
    series: [{ label: data.time, value: (_plot, at) => momentText(at, data) }, ...seriesOf(data)],
    axes: axesOf(data, width),
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    legend: { live: true },
  };
}

// A free end gets 5 % of air; a fixed end stays where the data says, unless a value lies beyond it.
function padded(end, index, low, high, scale) {
  if (low == null || high == null) return index === 0 ? (scale.min ?? 0) : (scale.max ?? 1);
  const air = (high - low || Math.abs(high) || 1) * 0.05;
  if (index === 0) return scale.min == null ? low - air : Math.min(scale.min, low);
  return scale.max == null ? high + air : Math.max(scale.max, high);
}

function draw(figure, data) {
  const area = figure.querySelector(".chart-area");
  drawn.get(figure)?.plot?.destroy();
  area.replaceChildren();
  const height = (figure.classList.contains("tall") ? 300 : 210) - (area.clientWidth < 500 ? 40 : 0);
  const plot = new uPlot(optionsOf(data, area.clientWidth, height), [data.times, ...data.series.map((each) => each.values)], area);
  if (data.series.every((each) => each.values.every((value) => value == null))) {
    const note = document.createElement("p");
    note.className = "chart-note";
    note.textContent = figure.dataset.empty;
    area.append(note);
  }
  drawn.set(figure, { plot, data });
  figure.dataset.drawn = "1";
}

async function load(figure) {
  if (figure.dataset.loading) return;
  figure.dataset.loading = "1";
  try {
    const answer = await fetch(figure.dataset.chart, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const data = await answer.json();
    if (figure.isConnected) draw(figure, data);
  } catch (error) {
    const note = figure.querySelector(".chart-note");
    if (note) note.textContent = figure.dataset.failed;
    if (!(error instanceof Error)) throw error;
  }
}

function loadAll() {
  for (const figure of [...drawn.keys()]) if (!figure.isConnected) { drawn.get(figure).plot.destroy(); drawn.delete(figure); }
  document.querySelectorAll("figure[data-chart]").forEach(load);
}

// A chart with data-live is loaded anew when its topic is told, at most twice a minute.
const RELOAD_MS = 30000;
document.addEventListener("DOMContentLoaded", () => {
  for (const figure of document.querySelectorAll("figure[data-live]")) {
    let last = performance.now();
    document.body.addEventListener(`live-${figure.dataset.live}`, () => {
      if (performance.now() - last < RELOAD_MS) return;
      last = performance.now();
      delete figure.dataset.loading;
      load(figure);
    });
  }
});

let waiting = 0;
function redraw() {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => { for (const [figure, { data }] of [...drawn]) draw(figure, data); });
}

document.addEventListener("DOMContentLoaded", loadAll);
document.addEventListener("htmx:afterSettle", loadAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
let lastWidth = window.innerWidth;
window.addEventListener("resize", () => { if (window.innerWidth !== lastWidth) { lastWidth = window.innerWidth; redraw(); } });
