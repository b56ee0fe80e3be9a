// The page "Cosmic": a detector's events in time, TDC values, trigger bits, records as they came.

import { fromAddress, toAddress } from "../lib/address.js";
import { getJson, getLines } from "../lib/api.js";
import { telescopeCollection } from "../lib/catalogue.js";
import { SERIES_MAX, histogram, timeChart } from "../lib/chart.js";
import { bits, button, byId, copyButton, fileLink, h, runLink, withShare } from "../lib/dom.js";
import { empty, fill } from "../lib/notice.js";
import { append, table } from "../lib/table.js";
import { formatNumber, formatTime, t } from "../lib/texts.js";

// Events behind the plots of one view; where there are more, it covers the last hours that hold as many.
const EVENTS_MAX = 5000;
const ROWS_FIRST = 100;
const HOURS_MAX = 20_000;
const BINS = 60;
const HOUR_MS = 3_600_000;
const filter = byId("filter");
const asked = new URLSearchParams(location.search);

async function showDetectors() {
  const { counts } = await getJson("/cosmic/counts", { by: "detector" });
  counts.sort((one, other) => Number(other.events) - Number(one.events));
  const select = filter.elements.detector;
  select.replaceChildren(
    ...counts.map(({ detector_id: id, events }) =>
      h("option", { value: id }, `${id} (${t("common.events", { n: events })})`),
    ),
  );
  const wanted = asked.get("detector");
  if (counts.some(({ detector_id: id }) => id === wanted)) select.value = wanted;
  filter.hidden = !counts.length;
  byId("details").hidden = !counts.length;
  if (counts.length) await showDetector();
  return counts.length ? [] : empty(t("cosmic.none"));
}

function showDetector() {
  return fill(byId("events"), async (current) => {
    const { detector, run } = Object.fromEntries(new FormData(filter));
    const between = { time_first: asked.get("time_first"), time_last: asked.get("time_last") };
    toAddress(filter, between);
    const [{ counts }, { total }] = await Promise.all([
      getJson("/cosmic/counts", { detector, run, by: "hour" }),
      getJson("/cosmic/counts", { detector, run, ...between }),
    ]);
    const hours = counts.filter((each) => each.hour).map(({ hour, events }) => [Date.parse(hour), Number(events)]);
    const some = hours.filter(([hour]) => isWithin(hour, between)).toSorted((one, other) => one[0] - other[0]);
    // A time leaves out the events without one: only where not all can be shown.
    const since = Number(total) > EVENTS_MAX ? latest(some, EVENTS_MAX) : null;
    const time = since === null ? between : { ...between, time_first: new Date(since).toISOString() };
    const events = await getLines("/cosmic/events", { detector, run, limit: EVENTS_MAX, ...time });
    if (!current()) return [];
    // All plots and the table cover the same hours.
    const shown = withEmptyHours(some.filter(([hour]) => since === null || hour >= since));
    const span = shown.length ? spanOf(shown, time) : null;
    showTimes(shown, span, between, since);
    showRates(shown, span, events);
    showTdc(events);
    showHits(events);
    if (!events.length) return empty(t("cosmic.none_of_run"));
    const note = t("cosmic.shown", { n: events.length, total: formatNumber(total) });
    return [h("p", { class: "quiet" }, note), ...eventTable(events)];
  });
}

/** The hours with those between that have no event; of clocks that went wild, as they are. */
function withEmptyHours(hours) {
  const count = hours.length && (hours.at(-1)[0] - hours[0][0]) / HOUR_MS + 1;
  if (count > HOURS_MAX) return hours;
  const known = new Map(hours);
  return Array.from({ length: count }, (_, index) => hours[0][0] + index * HOUR_MS).map((hour) => [hour, known.get(hour) ?? 0]);
}

/** The time that the plots cover, in seconds: that of their hours, where no narrower one is asked for. */
function spanOf(hours, { time_first: first, time_last: last }) {
  const [from, to] = [hours[0][0], hours.at(-1)[0] + HOUR_MS];
  return [Math.max(from, Date.parse(first) || from) / 1000, Math.min(to, Date.parse(last) || to) / 1000];
}

/** Which hours are shown, and the way to others. */
function showTimes(hours, span, { time_first: first, time_last: last }, since) {
  byId("times").hidden = !hours.length;
  byId("all_hours").hidden = !first && !last;
  byId("earlier_hours").hidden = since === null;
  if (!span) return;
  const [from, to] = span.map((seconds) => formatTime(seconds * 1000).replace(/:\d\d UTC/, ""));
  byId("shown_hours").textContent = t("cosmic.from_to", { from, to });
  byId("earlier_hours").onclick = () => chooseHours([null, span[0] - 1]);
}

/** Whether a part of an hour is between two times, either of which may be missing. */
function isWithin(hour, { time_first: first, time_last: last }) {
  return (!first || hour + HOUR_MS > Date.parse(first)) && (!last || hour <= Date.parse(last));
}

/** The start of the last hours that hold as many events as are shown; null where none has a time. */
function latest(hours, limit) {
  let since = null;
  let events = 0;
  for (const [hour, count] of hours.toSorted((one, other) => other[0] - one[0])) {
    if (since !== null && events + count > limit) break;
    since = hour;
    events += count;
  }
  return since;
}

/** Events an hour with their errors, and hits an hour of each channel, over the same time. */
function showRates(hours, span, events) {
  byId("hours_section").hidden = !hours.length;
  const channels = channelsOf(events).slice(0, SERIES_MAX);
  byId("channels_section").hidden = !hours.length || !channels.length;
  if (!hours.length) return;
  // A lone bar needs neighbours to have a width.
  const around = [[hours[0][0] - HOUR_MS, null], ...hours, [hours.at(-1)[0] + HOUR_MS, null]];
  const times = around.map(([hour]) => hour / 1000);
  const bounds = () => span;
  timeChart(byId("hours"), t("cosmic.hours"), [{ label: t("field.events"), kind: "bars", errors: true }], [times, around.map(([, count]) => count)], bounds, chooseHours);
  if (!channels.length) return;
  const series = channels.map((channel) => ({ label: t("cosmic.channel", { channel }), kind: "steps" }));
  const counts = channels.map((channel) => {
    const hits = new Map(hours.map(([hour]) => [hour, 0]));
    for (const event of events) {
      const hour = Math.floor(Date.parse(event.time) / HOUR_MS) * HOUR_MS;
      if (hits.has(hour) && valuesOf(event, channel).length) hits.set(hour, hits.get(hour) + 1);
    }
    return around.map(([hour], index) => hits.get(hour) ?? (index ? hits.get(hours.at(-1)[0]) : null));
  });
  timeChart(byId("channels"), t("cosmic.channels"), series, [times, ...counts], bounds, chooseHours);
}

/** Plots and table show these times alone, null for all. */
function chooseHours(between) {
  for (const [index, name] of ["time_first", "time_last"].entries()) {
    if (between && between[index] !== null) asked.set(name, `${new Date(between[index] * 1000).toISOString().slice(0, 19)}Z`);
    else asked.delete(name);
  }
  showDetector();
}

const valuesOf = (event, channel) => (event.tdc[channel]?.data ?? []).filter((value) => value !== null).map(Number);
// Channel 10 comes after channel 9.
const inOrder = (one, other) => one.localeCompare(other, "en", { numeric: true });
const channelsOf = (events) => [...new Set(events.flatMap((event) => Object.keys(event.tdc)))].sort(inOrder);

/** How many values of each channel are in bins of one whole width. */
function showTdc(events) {
  const channels = channelsOf(events).slice(0, SERIES_MAX);
  const values = channels.map((channel) => events.flatMap((event) => valuesOf(event, channel)));
  const all = values.flat();
  byId("tdc_section").hidden = !all.length;
  if (!all.length) return;
  const [low, high] = all.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
  const width = Math.max(1, Math.ceil((high - low + 1) / BINS));
  const starts = Array.from({ length: Math.floor((high - low) / width) + 1 }, (_, bin) => low + bin * width);
  const counts = values.map((some) => {
    const bins = starts.map(() => 0);
    for (const value of some) bins[Math.floor((value - low) / width)] += 1;
    return bins;
  });
  // The last bin has an end too.
  const data = [[...starts, starts.at(-1) + width], ...counts.map((bins) => [...bins, 0])];
  const series = channels.map((channel) => ({ label: t("cosmic.channel", { channel }), kind: "steps" }));
  histogram(byId("tdc"), t("cosmic.tdc"), series, data);
}

/** Events that have a value of each channel, and each trigger bit. */
function showHits(events) {
  const hits = channelsOf(events).map((channel) => [t("cosmic.channel", { channel }), events.filter((event) => valuesOf(event, channel).length).length]);
  const masks = events.map((event) => BigInt(event.trigger_bits ?? 0));
  const set = [...Array(64).keys()].map((bit) => [String(bit), masks.filter((mask) => (mask >> BigInt(bit)) & 1n).length]);
  byId("hits_section").hidden = !events.length;
  byId("hits").hidden = !hits.length;
  byId("some_channels").hidden = hits.length <= SERIES_MAX;
  byId("some_channels").textContent = t("cosmic.some_channels", { n: SERIES_MAX, all: formatNumber(hits.length) });
  byId("hits").replaceChildren(shares(t("cosmic.hits"), hits, events.length));
  byId("triggers").replaceChildren(shares(t("cosmic.triggers"), set.filter(([, count]) => count), events.length));
}

function shares(caption, entries, total) {
  return table(
    caption,
    [
      { title: caption, cell: ([name]) => name },
      { title: t("field.events"), number: true, cell: ([, count]) => count },
      { title: "", cell: ([, count]) => withShare(h("span", { class: "bar", "aria-hidden": "true" }), count / total) },
    ],
    entries,
  );
}

const tdcText = (event) =>
  Object.entries(event.tdc)
    .sort(([one], [other]) => inOrder(one, other))
    .map(([channel, { data }]) => `${channel}: ${data.join(" ")}`)
    .join(" · ");

/** The first rows, and a button for more of them. */
function eventTable(events) {
  const columns = [
    { title: `${t("field.time")} (UTC)`, cell: timeText },
    { title: t("field.run"), id: true, cell: (event) => runLink(event.run_number, telescopeCollection(event.detector_id)) },
    { title: t("field.event"), id: true, cell: (event) => event.event_number },
    { title: t("field.block"), id: true, cell: (event) => event.cosmic_block ?? "–" },
    { title: t("field.bits"), cell: (event) => bits(event.trigger_bits) },
    { title: t("field.tdc"), cell: tdcText },
    { title: t("field.file"), cell: (event) => h("span", { title: event.fuid_raw }, shortFile(event.fuid_raw)) },
    { title: t("field.record"), cell: recordButton },
  ];
  const shown = table(t("cosmic.events"), columns, events.slice(0, ROWS_FIRST), { stack: true });
  let rows = ROWS_FIRST;
  const more = button(t("common.more"), () => {
    append(shown.querySelector("tbody"), columns, events.slice(rows, rows + ROWS_FIRST));
    rows += ROWS_FIRST;
    more.hidden = rows >= events.length;
  });
  more.hidden = rows >= events.length;
  return [shown, more];
}

/** A time that the detector's clock cannot have known is shown with the reason to doubt it. */
function timeText(event) {
  const time = formatTime(event.time).replace(" UTC", "");
  return event.clock_problem ? `${time} (${t(`cosmic.clock_${event.clock_problem}`)})` : time;
}

function shortFile(fuid) {
  const shown = fileLink(fuid);
  shown.textContent = `${fuid.slice(0, 8)}…`;
  shown.setAttribute("aria-label", fuid);
  return shown;
}

/** Opens and closes a row below, as wide as the table: a record is longer than a column. */
function recordButton(event) {
  const record = h("div", {}, h("pre", {}, pretty(event.payload)), copyButton(t("cosmic.copy_record"), () => event.payload));
  const opener = button(event.repaired ? t("cosmic.repaired") : t("cosmic.record"), toggle, { class: "plain", "aria-expanded": "false" });
  let below = null;
  function toggle() {
    const row = opener.closest("tr");
    if (below) below.remove();
    else row.after((below = h("tr", { role: "row" }, h("td", { role: "cell", colspan: row.cells.length }, record))));
    below = below.isConnected ? below : null;
    opener.setAttribute("aria-expanded", String(Boolean(below)));
  }
  return opener;
}

// Indented as text: JSON.parse would change large numbers.
function pretty(json) {
  let depth = 0;
  return json.replace(/"(?:[^"\\]|\\.)*"|[[\]{},]|:\s*|\s+/g, (part) => {
    if (part === "{") return `{\n${"  ".repeat((depth += 1))}`;
    if (part === "}") return `\n${"  ".repeat((depth -= 1))}}`;
    if (part === "[") return ((depth += 100), "[");
    if (part === "]") return ((depth -= 100), "]");
    if (part === ",") return depth >= 100 ? ", " : `,\n${"  ".repeat(depth)}`;
    if (part[0] === ":") return ": ";
    return part.trim();
  });
}

fromAddress(filter);
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  showDetector();
});
filter.elements.detector.addEventListener("change", () => showDetector());
byId("all_hours").addEventListener("click", () => chooseHours(null));
fill(byId("state"), showDetectors);
