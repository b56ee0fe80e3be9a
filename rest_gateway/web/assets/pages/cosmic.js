// The page "Cosmic": a detector's events in time, TDC values, trigger bits, records as they came.

import { getJson, getLines } from "../lib/api.js";
import { telescopeCollection } from "../lib/catalogue.js";
import { timeChart } from "../lib/chart.js";
import { bits, button, byId, copyButton, fileLink, h, runLink } from "../lib/dom.js";
import { empty, fill } from "../lib/notice.js";
import { table } from "../lib/table.js";
import { formatNumber, formatTime, t } from "../lib/texts.js";

const EVENTS_MAX = 500;
const HOUR_MS = 3_600_000;
const filter = byId("filter");
const asked = new URLSearchParams(location.search);

async function showDetectors() {
  const { counts } = await getJson("/cosmic/counts", { by: "detector" });
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
    const { counts, total } = await getJson("/cosmic/counts", { detector, run, by: "hour" });
    const hours = counts.filter((each) => each.hour).map(({ hour, events }) => [Date.parse(hour), Number(events)]);
    // A time leaves out the events without one: only where not all can be shown.
    const since = Number(total) > EVENTS_MAX ? latest(hours) : null;
    const time = since === null ? {} : { time_first: new Date(since).toISOString() };
    const events = await getLines("/cosmic/events", { detector, run, limit: EVENTS_MAX, ...time });
    if (!current()) return [];
    showHours(hours);
    showTdc(events);
    if (!events.length) return empty(t("cosmic.none_of_run"));
    const note = t("cosmic.shown", { n: events.length, total: formatNumber(total) });
    return [h("p", { class: "quiet" }, note), eventTable(events)];
  });
}

/** The start of the last hours that hold as many events as are shown; null where none has a time. */
function latest(hours) {
  let since = null;
  let events = 0;
  for (const [hour, count] of hours.toSorted((one, other) => other[0] - one[0])) {
    if (since !== null && events + count > EVENTS_MAX) break;
    since = hour;
    events += count;
  }
  return since;
}

function showHours(hours) {
  byId("hours_section").hidden = !hours.length;
  if (!hours.length) return;
  const shown = hours.toSorted((one, other) => one[0] - other[0]);
  // A lone bar needs neighbours to have a width.
  const around = [[shown[0][0] - HOUR_MS, null], ...shown, [shown.at(-1)[0] + HOUR_MS, null]];
  const data = [around.map(([hour]) => hour / 1000), around.map(([, events]) => events)];
  timeChart(byId("hours"), t("cosmic.hours"), [{ label: t("field.events"), kind: "bars" }], data);
}

/** The values of a channel: a number or a list, null where there was none. */
function tdcPoints(events) {
  const channels = [...new Set(events.flatMap((event) => Object.keys(event.tdc)))].sort();
  const points = events
    .filter((event) => event.time)
    .flatMap((event) =>
      channels.flatMap((channel, index) =>
        (event.tdc[channel]?.data ?? []).map((value) => [Date.parse(event.time) / 1000, index, Number(value)]),
      ),
    )
    .sort((one, other) => one[0] - other[0]);
  const values = channels.map((_, index) => points.map(([, of, value]) => (of === index ? value : null)));
  return { channels, data: [points.map(([time]) => time), ...values] };
}

function showTdc(events) {
  const { channels, data } = tdcPoints(events);
  byId("tdc_section").hidden = !data[0].length;
  if (!data[0].length) return;
  const series = channels.map((channel) => ({ label: t("cosmic.channel", { channel }), kind: "points" }));
  timeChart(byId("tdc"), t("cosmic.tdc"), series, data);
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
      { title: t("field.time"), cell: timeText },
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
  const time = formatTime(event.time);
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

filter.elements.run.value = asked.get("run") ?? "";
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  showDetector();
});
filter.elements.detector.addEventListener("change", showDetector);
fill(byId("state"), showDetectors);
