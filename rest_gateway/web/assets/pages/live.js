// The page "Live": what comes in now, second by second.

import { follow, NEEDS_TOKEN } from "../lib/api.js";
import { timeChart } from "../lib/chart.js";
import { bits, byId, datasetLink, fileLink, h, runLink, withShare } from "../lib/dom.js";
import { empty, explain } from "../lib/notice.js";
import { table } from "../lib/table.js";
import { formatNumber, formatTime, known, t } from "../lib/texts.js";

const SHOWN_S = 120;
const AGAIN_MS = 2000;
const OUTCOMES = ["received", "inserted", "duplicate", "conflict", "rejected"];
const history = { times: [], rates: [] };
let chart = null;
let before = null;

/** Events a second between two looks; a service that started again counts from 0. */
function rate(now, then, name) {
  const seconds = (Date.parse(now.time) - Date.parse(then.time)) / 1000;
  return Math.max(0, now.intake.events[name] - then.intake.events[name]) / Math.max(seconds, 0.001);
}

function show(now) {
  const intake = now.intake;
  byId("away").hidden = Boolean(intake && now.runs);
  byId("away").textContent = intake ? t("live.index_away") : t("live.ingest_away");
  if (intake && before?.intake) {
    history.times.push(Date.parse(now.time) / 1000);
    history.rates.push(rate(now, before, "received"));
    drop();
    showRate(rate(now, before, "received"));
  }
  if (intake) showCounts(intake);
  if (now.runs && (!before?.runs || changed(now, before))) {
    showRuns(now);
  }
  before = now;
}

const changed = (now, then) => JSON.stringify([now.runs, now.last_events]) !== JSON.stringify([then.runs, then.last_events]);

const lastSeconds = (_, last) => [last - SHOWN_S, last];

function drop() {
  while (history.times.at(-1) - history.times[0] > SHOWN_S) {
    history.times.shift();
    history.rates.shift();
  }
}

function showRate(now) {
  byId("rate").textContent = formatNumber(Math.round(now));
  const data = [history.times, history.rates];
  if (chart) chart.update(data);
  else chart = timeChart(byId("chart"), t("live.chart"), [{ label: t("live.rate"), kind: "line" }], data, lastSeconds);
}

function showCounts(intake) {
  for (const name of OUTCOMES) byId(`count_${name}`).textContent = formatNumber(intake.events[name]);
  byId("count_pending").textContent = formatNumber(intake.pending);
  const reasons = Object.entries(intake.rejected).sort((one, other) => other[1] - one[1]);
  byId("reasons").replaceChildren(reasons.length ? counted(t("live.reasons"), reasons, "reason") : empty(t("live.no_reasons")));
  const kinds = Object.entries(intake.messages).sort((one, other) => other[1] - one[1]);
  byId("kinds").replaceChildren(kinds.length ? counted(t("live.kinds"), kinds, "kind") : empty(t("live.nothing")));
}

function counted(caption, entries, kind) {
  const all = entries.reduce((sum, [, count]) => sum + Number(count), 0);
  return table(
    caption,
    [
      { title: t(`field.${kind}`), cell: ([name]) => known(`${kind}.${name}`, name) },
      { title: t("field.count"), number: true, cell: ([, count]) => count },
      { title: "", cell: ([, count]) => withShare(h("span", { class: "bar", "aria-hidden": "true" }), count / all) },
    ],
    entries,
  );
}

function showRuns({ runs, last_events: events }) {
  const eventColumns = [
    { title: t("field.run"), id: true, cell: (event) => runLink(event.run_number, event.collection) },
    { title: t("field.event"), id: true, cell: (event) => event.event_number },
    { title: t("field.bits"), cell: (event) => bits(event.olt_result) },
    { title: t("field.dataset"), id: true, cell: (event) => (event.fuid_raw ? datasetLink(event.dsid_raw) : "") },
    { title: t("field.file"), cell: (event) => (event.fuid_raw ? fileLink(event.fuid_raw) : "") },
  ];
  byId("last").replaceChildren(runs.length ? table(t("live.last"), eventColumns, events, { stack: true }) : empty(t("runs.none")));
  const seen = new Map();
  for (const run of runs) if (!seen.has(run.detector_id)) seen.set(run.detector_id, run);
  const detectorColumns = [
    { title: t("field.detector"), cell: (run) => run.detector_id || t("live.no_detector") },
    { title: t("field.run"), id: true, cell: (run) => runLink(run.run_number, run.collection) },
    { title: t("field.events"), number: true, cell: (run) => run.events },
    { title: t("field.last_seen"), cell: (run) => formatTime(run.last_seen) },
  ];
  byId("detectors").replaceChildren(runs.length ? table(t("live.detectors"), detectorColumns, [...seen.values()], { stack: true }) : empty(t("runs.none")));
}

const anotherToken = () => new Promise((resolve) => addEventListener("tokenchange", resolve, { once: true }));

async function run() {
  for (;;) {
    try {
      for await (const now of follow("/live")) show(now);
    } catch (error) {
      byId("away").hidden = false;
      byId("away").textContent = explain(error);
      if (NEEDS_TOKEN.has(error.status)) await anotherToken();
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

run();
