// The page "Cosmic": a detector's events in time, TDC values, trigger bits, records as they came.

import { fromAddress, toAddress } from "../lib/address.js";
import { getJson, getLines } from "../lib/api.js";
import { telescopeCollection } from "../lib/catalogue.js";
import { histogram, timeChart } from "../lib/chart.js";
import { bits, button, byId, copyButton, fileLink, h, runLink, withShare } from "../lib/dom.js";
import { empty, fill } from "../lib/notice.js";
import { table } from "../lib/table.js";
import { formatNumber, formatTime, t } from "../lib/texts.js";

const EVENTS_FIRST = 500;
const EVENTS_MAX = 8000;
const CHANNELS_MAX = 4;
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

function showDetector(limit = EVENTS_FIRST) {
  return fill(byId("events"), async (current) => {
    const { detector, run } = Object.fromEntries(new FormData(filter));
    const between = { time_first: asked.get("time_first"), time_last: asked.get("time_last") };
    toAddress(filter, between);
    const [{ counts }, { total }] = await Promise.all([
      getJson("/cosmic/counts", { detector, run, by: "hour" }),
      getJson("/cosmic/counts", { detector, run, ...between }),
    ]);
    const hours = counts.filter((each) => each.hour).map(({ hour, events }) => [Date.parse(hour), Number(events)]);
    const some = hours.filter(([hour]) => isWithin(hour, between));
    // A time leaves out the events without one: only where not all can be shown.
    const since = Number(total) > limit ? latest(some, limit) : null;
    const time = since === null ? between : { ...between, time_first: new Date(since).toISOString() };
    const events = await getLines("/cosmic/events", { detector, run, limit, ...time });
    if (!current()) return [];
    showHours(hours, between);
    showTdc(events);
    showHits(events);
    if (!events.length) return empty(t("cosmic.none_of_run"));
    const note = t("cosmic.shown", { n: events.length, total: formatNumber(total) });
    const more = events.length < Number(total) && limit < EVENTS_MAX ? button(t("common.more"), () => showDetector(limit * 4)) : null;
    return [h("p", { class: "row quiet" }, note, " ", more), eventTable(events)];
  });
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

function showHours(hours, { time_first: first, time_last: last }) {
  byId("hours_section").hidden = !hours.length;
  byId("all_hours").hidden = !first && !last;
  if (!hours.length) return;
  const shown = hours.toSorted((one, other) => one[0] - other[0]);
  // A lone bar needs neighbours to have a width.
  const around = [[shown[0][0] - HOUR_MS, null], ...shown, [shown.at(-1)[0] + HOUR_MS, null]];
  const data = [around.map(([hour]) => hour / 1000), around.map(([, events]) => events)];
  const chosen = first || last ? () => [(Date.parse(first) || shown[0][0]) / 1000, (Date.parse(last) || shown.at(-1)[0] + HOUR_MS) / 1000] : undefined;
  timeChart(byId("hours"), t("cosmic.hours"), [{ label: t("field.events"), kind: "bars", errors: true }], data, chosen, chooseHours);
}

/** Plots and table show these times alone, null for all. */
function chooseHours(between) {
  for (const [index, name] of ["time_first", "time_last"].entries()) {
    if (between) asked.set(name, `${new Date(between[index] * 1000).toISOString().slice(0, 19)}Z`);
    else asked.delete(name);
  }
  showDetector();
}

const valuesOf = (event, channel) => (event.tdc[channel]?.data ?? []).filter((value) => value !== null).map(Number);
const channelsOf = (events) => [...new Set(events.flatMap((event) => Object.keys(event.tdc)))].sort();

/** How many values of each channel are in bins of one whole width. */
function showTdc(events) {
  const channels = channelsOf(events).slice(0, CHANNELS_MAX);
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
    .sort()
    .map(([channel, { data }]) => `${channel}: ${data.join(" ")}`)
    .join(" · ");

function eventTable(events) {
  return table(
    t("cosmic.events"),
    [
      { title: `${t("field.time")} (UTC)`, cell: timeText },
      { title: t("field.run"), id: true, cell: (event) => runLink(event.run_number, telescopeCollection(event.detector_id)) },
      { title: t("field.event"), id: true, cell: (event) => event.event_number },
      { title: t("field.block"), id: true, cell: (event) => event.cosmic_block ?? "–" },
      { title: t("field.bits"), cell: (event) => bits(event.trigger_bits) },
      { title: t("field.tdc"), cell: tdcText },
      { title: t("field.file"), cell: (event) => h("span", { title: event.fuid_raw }, shortFile(event.fuid_raw)) },
      { title: t("field.record"), cell: recordButton },
    ],
    events,
    { stack: true },
  );
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
