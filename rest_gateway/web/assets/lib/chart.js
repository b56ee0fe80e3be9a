// Plots by uPlot, in the colours of the page, as wide as their place, drawn again when it changes.

import { h } from "./dom.js";
import { formatCompact } from "./texts.js";

const { uPlot } = window;

const HEIGHT_PX = 220;
const TICKS_PX = 90;
const DAY_S = 86_400;
const SPAN_S_MIN = 10;
// Whole seconds and what people count them in.
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200].concat(
  [1, 2, 5, 10, 30, 90, 365, 1825].map((days) => days * DAY_S),
);

/**
 * A plot against time.
 *
 * @param place is filled with it.
 * @param label says what it shows, to those who do not see it.
 * @param series is [{label, kind}]; kind is "line", "points" or "bars", which span the time to the next.
 * @param bounds gives the shown times, [first, last] of (first, last) of the data.
 * @returns {{update: (data) => void}} data is [seconds[], …values[]].
 */
export function timeChart(place, label, series, data, bounds = around) {
  let plot = null;
  let last = data;
  const figure = h("div", { class: "chart", role: "img", "aria-label": label });
  place.replaceChildren(figure);

  function draw() {
    plot?.destroy();
    plot = new uPlot(options(figure, series, bounds), last, figure);
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

function options(figure, series, bounds) {
  const style = getComputedStyle(figure);
  const colour = (name) => resolved(figure, `var(--${name})`);
  const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
  return {
    width: figure.clientWidth,
    height: HEIGHT_PX,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "UTC"),
    cursor: { drag: { x: false, y: false } },
    legend: { live: false, show: series.length > 1 },
    // The bounds that uPlot gives are years apart where there is one point.
    scales: { x: { range: (plot) => bounds(plot.data[0][0], plot.data[0].at(-1)) }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.08] } },
    axes: [
      { ...axis, size: 48, space: TICKS_PX, incrs: STEPS_S, values: (_, ticks, __, ___, step) => moments(ticks, step) },
      { ...axis, size: 68, values: (_, ticks) => ticks.map(formatCompact) },
    ],
    series: [{}, ...series.map((each, index) => seriesOptions(each, colour(`series-${index + 1}`)))],
  };
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

function seriesOptions({ label, kind }, stroke) {
  const shared = { label, stroke, width: 2 };
  if (kind === "line") return { ...shared, points: { show: false } };
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
