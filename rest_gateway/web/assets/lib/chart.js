// Plots by uPlot, in the colours of the page, as wide as their place, drawn again when it changes.

import { h } from "./dom.js";
import { formatCompact } from "./texts.js";

const { uPlot } = window;

const HEIGHT_PX = 220;
const TICKS_PX = 90;
const DAY_S = 86_400;
const SPAN_S_MIN = 10;
// Series that have a colour of their own.
const COLOURS = 4;
/** Series that can be told apart in one plot. */
export const SERIES_MAX = 2 * COLOURS;
// What an axis of counts reaches at least.
const LEAST_HIGH = 5;
// 1, 2, 5, 10, …: counts are whole.
const WHOLE = [...Array(16).keys()].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));
// Whole seconds and what people count them in.
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200].concat(
  [1, 2, 5, 10, 30, 90, 365, 1825].map((days) => days * DAY_S),
);

/**
 * A plot against time.
 *
 * @param place is filled with it.
 * @param label says what it shows, to those who do not see it.
 * @param series is [{label, kind, errors}]; kind is "line", "points", "steps" or "bars", which span the time to the
 * next; with `errors` each value has its square root as error.
 * @param bounds gives the shown times, [first, last] of (first, last) of the data.
 * @param onselect is told the times, [first, last], that somebody drags over.
 * @returns {{update: (data) => void}} data is [seconds[], …values[]].
 */
export function timeChart(place, label, series, data, bounds = around, onselect = null) {
  return chart(place, label, data, (figure) => {
    const made = options(figure, series);
    made.tzDate = (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "UTC");
    // The bounds that uPlot gives are years apart where there is one point.
    made.scales.x = { range: (plot) => bounds(plot.data[0][0], plot.data[0].at(-1)) };
    made.axes[0] = { ...made.axes[0], space: TICKS_PX, incrs: STEPS_S, values: (_, ticks, __, ___, step) => moments(ticks, step) };
    if (onselect) selectable(made, onselect);
    return made;
  });
}

/** A bar for each name, in the order of the names. */
export function barChart(place, label, names, values) {
  const positions = names.map((_, index) => index);
  return chart(place, label, [positions, values], (figure) => {
    const made = options(figure, [{ label, kind: "middle" }]);
    made.scales.x = { time: false, range: () => [-0.6, Math.max(names.length, 4) - 0.4] };
    made.axes[0] = { ...made.axes[0], space: 70, incrs: WHOLE, values: (_, ticks) => ticks.map((tick) => names[tick] ?? "") };
    return made;
  });
}

/** How often values are in bins of one width; `data` is [starts[], …counts[]]. */
export function histogram(place, label, series, data) {
  return chart(place, label, data, (figure) => {
    const made = options(figure, series);
    const width = data[0].length > 1 ? data[0][1] - data[0][0] : 1;
    made.scales.x = { time: false, range: () => [data[0][0], data[0].at(-1) + width] };
    made.axes[0] = { ...made.axes[0], space: 60, values: (_, ticks) => ticks.map(formatCompact) };
    return made;
  });
}

function chart(place, label, data, makeOptions) {
  let plot = null;
  let last = data;
  const figure = h("div", { class: "chart", role: "img", "aria-label": label });
  place.replaceChildren(figure);

  function draw() {
    plot?.destroy();
    plot = new uPlot(makeOptions(figure), last, figure);
  }
  new ResizeObserver(() => plot && plot.width !== figure.clientWidth && resize()).observe(figure);
  const resize = () => plot.setSize({ width: figure.clientWidth, height: HEIGHT_PX });
  addEventListener("themechange", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
  return {
    update(next) {
      last = next;
      plot.setData(next);
    },
  };
}

function options(figure, series) {
  const style = getComputedStyle(figure);
  const colour = (name) => resolved(figure, `var(--${name})`);
  const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
  return {
    width: figure.clientWidth,
    height: HEIGHT_PX,
    cursor: { drag: { x: false, y: false } },
    legend: { live: false, show: series.length > 1 },
    scales: { y: { range: (_, low, high) => [0, Math.max(reach(high || 0, series), LEAST_HIGH) * 1.08] } },
    axes: [
      { ...axis, size: 48 },
      { ...axis, size: 68, incrs: WHOLE, values: (_, ticks) => ticks.map(formatCompact) },
    ],
    series: [{}, ...series.map((each, index) => seriesOptions(each, colour(`series-${(index % COLOURS) + 1}`), index >= COLOURS))],
    hooks: { draw: series.some((each) => each.errors) ? [(plot) => drawErrors(plot, colour("text"))] : [] },
  };
}

/** How high the highest value goes, with its error where it has one. */
const reach = (high, series) => high + (series.some((each) => each.errors) ? Math.sqrt(high) : 0);

/** Dragging over the plot tells the times; the plot itself stays. */
function selectable(made, onselect) {
  made.cursor.drag = { x: true, y: false, setScale: false };
  made.hooks.setSelect = [
    (plot) => {
      if (plot.select.width < 4) return;
      onselect([plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x")]);
      plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    },
  ];
}

/** A whisker of the square root of each value; bars span the time to the next, so it stands in the middle. */
function drawErrors(plot, stroke) {
  const [times, values] = plot.data;
  const { ctx } = plot;
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (const [index, value] of values.entries()) {
    if (!value || index + 1 >= times.length) continue;
    const x = plot.valToPos((times[index] + times[index + 1]) / 2, "x", true);
    const error = Math.sqrt(value);
    ctx.moveTo(x, plot.valToPos(value - error, "y", true));
    ctx.lineTo(x, plot.valToPos(value + error, "y", true));
  }
  ctx.stroke();
  ctx.restore();
}

/** The times of ticks as the tables have them; the day only where it is another. */
function moments(ticks, step) {
  let before = "";
  return ticks.map((tick, index) => {
    const [day, time] = new Date(tick * 1e3).toISOString().split("T");
    const zone = index ? "" : " UTC";
    const shown = day === before ? "" : day + zone;
    before = day;
    if (step >= DAY_S) return shown;
    return `${time.slice(0, step % 60 ? 8 : 5)}\n${shown}`;
  });
}

/** The shown times: some room on both sides, and a span even where all is at one time. */
function around(low, high) {
  const room = Math.max((high - low) * 0.03, (SPAN_S_MIN - (high - low)) / 2);
  return [low - room, high + room];
}

/** A series beyond the colours has them again, dashed. */
function seriesOptions({ label, kind }, stroke, again) {
  const shared = { label, stroke, width: 2, ...(again ? { dash: [6, 4] } : {}) };
  if (kind === "line") return { ...shared, points: { show: false } };
  if (kind === "steps") return { ...shared, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } };
  if (kind === "middle") return { ...shared, width: 0, fill: stroke, paths: uPlot.paths.bars({ size: [0.7, 40] }), points: { show: false } };
  if (kind === "bars") return { ...shared, width: 0, fill: stroke, paths: uPlot.paths.bars({ size: [0.96], align: 1 }), points: { show: false } };
  return { ...shared, paths: () => null, points: { show: true, size: 7, fill: stroke } };
}

/** A colour as the canvas takes it. */
function resolved(parent, value) {
  const probe = h("span");
  probe.style.color = value;
  parent.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
