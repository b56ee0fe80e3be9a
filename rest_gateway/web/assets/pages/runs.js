// The page "Runs": a table that sorts and filters, and events against time.

import { fromAddress, toAddress } from "../lib/address.js";
import { getJson } from "../lib/api.js";
import { barChart, timeChart } from "../lib/chart.js";
import { chosenCollection } from "../lib/collection.js";
import { byId, h, link, runLink, timeAgo } from "../lib/dom.js";
import { pagedTable } from "../lib/table.js";
import { t } from "../lib/texts.js";

const filter = byId("filter");
const ORDER = "last_seen desc";

const eventCount = (row) => row.events;
const columns = [
  { title: t("field.run"), id: true, sort: "run_number", cell: (run) => runLink(run.run_number, run.collection) },
  { title: t("field.events"), number: true, sort: "events", cell: eventCount },
  { title: t("field.event_first"), id: true, cell: (run) => run.event_first },
  { title: t("field.event_last"), id: true, cell: (run) => run.event_last },
  { title: t("field.files"), number: true, cell: (run) => run.files },
  { title: t("field.conflicts"), number: true, cell: conflictCell },
  { title: t("field.detector"), cell: (run) => run.detector_id },
  { title: t("field.first_seen"), sort: "first_seen", descending: true, cell: (run) => timeAgo(run.first_seen) },
  { title: t("field.last_seen"), sort: "last_seen", descending: true, cell: (run) => timeAgo(run.last_seen) },
];

function conflictCell(run) {
  if (!run.conflicts) return 0;
  return h("span", { class: "badge warn" }, link(`/conflicts?${new URLSearchParams({ run: run.run_number, collection: run.collection })}`, String(run.conflicts)));
}

const runs = pagedTable(byId("runs"), {
  caption: t("menu.runs"),
  columns,
  order: new URLSearchParams(location.search).get("order_by") ?? ORDER,
  stack: true,
  none: t("runs.none"),
  async load(order, next) {
    if (!next) toAddress(filter, { order_by: order === ORDER ? "" : order });
    const { run_first, run_last, detector } = Object.fromEntries(new FormData(filter));
    // A telescope's runs are where they are.
    const collection = detector ? "" : chosenCollection();
    const parameters = { run_first, run_last, detector, collection, order_by: order, page_size: 100 };
    const page = await (next ? getJson(next) : getJson("/runs", parameters));
    // The table says what goes wrong; more runs than it counts in time have no plot.
    if (!next) drawTimes({ run_first, run_last, detector, collection }).catch(() => {});
    return { rows: page.runs, next: page.next };
  },
  onrows: draw,
});

function draw(rows) {
  byId("chart_section").hidden = !rows.length;
  if (!rows.length) return;
  const shown = rows.toSorted((one, other) => (BigInt(one.run_number) < BigInt(other.run_number) ? -1 : 1));
  barChart(
    byId("chart"),
    t("runs.chart"),
    shown.map((run) => String(run.run_number)),
    shown.map((run) => Number(run.events)),
  );
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
// Longer times are shown by day.
const BY_HOUR_MS_MAX = 4 * DAY_MS;

/** When the events of all runs that the filter finds came in; a part of a day has a day around it. */
async function drawTimes(parameters) {
  const section = byId("times_section");
  section.hidden = true;
  let found = await getJson("/in-time", { ...parameters, by: "day" });
  const days = found.counts.map(({ time }) => Date.parse(time));
  if (!days.length) return;
  const byHour = days.at(-1) + DAY_MS - days[0] <= BY_HOUR_MS_MAX;
  if (byHour) found = await getJson("/in-time", { ...parameters, by: "hour" });
  const width = byHour ? HOUR_MS : DAY_MS;
  const known = new Map(found.counts.map(({ time, events }) => [Date.parse(time), Number(events)]));
  const ends = byHour ? [days[0], days.at(-1) + DAY_MS] : [days[0] - 3 * DAY_MS, days.at(-1) + 4 * DAY_MS];
  const times = Array.from({ length: (ends[1] - ends[0]) / width + 1 }, (_, index) => ends[0] + index * width);
  const data = [times.map((time) => time / 1000), times.map((time, index) => (index + 1 < times.length ? (known.get(time) ?? 0) : null))];
  section.hidden = false;
  timeChart(byId("times"), t("runs.times"), [{ label: t("field.events"), kind: "bars" }], data, (low, high) => [low, high - 1]);
}

/** Before it is sent: the last run is not below the first. */
function checkRange() {
  const { run_first: first, run_last: last } = filter.elements;
  const both = [first, last].every(({ value }) => /^\d+$/.test(value));
  const reversed = both && BigInt(first.value) > BigInt(last.value);
  last.setCustomValidity(reversed ? t("runs.reversed", { first: first.value, last: last.value }) : "");
}

filter.addEventListener("input", checkRange);
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  runs.reload();
});
addEventListener("collectionchange", () => runs.reload());
filter.addEventListener("reset", () => {
  setTimeout(checkRange);
  setTimeout(runs.reload);
});
fromAddress(filter);
runs.reload();
