// The page "Live": what comes in now, second by second.

import { follow, NEEDS_TOKEN } from "../lib/api.js";
import { timeChart } from "../lib/chart.js";
import { badge, bits, byId, datasetLink, fileLink, h, link, runLink, timeAgo, withShare } from "../lib/dom.js";
import { empty, explain } from "../lib/notice.js";
import { table } from "../lib/table.js";
import { formatNumber, formatSpan, known, t } from "../lib/texts.js";

const SHOWN_S = 900;
const KEPT = "eventindex-live";
const AGAIN_MS = 2000;
const OUTCOMES = ["received", "inserted", "duplicate", "conflict", "rejected"];
const history = kept();
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
    sessionStorage.setItem(KEPT, JSON.stringify(history));
    showRate(rate(now, before, "received"));
  }
  if (intake) showCounts(intake);
  showDetectors(now);
  if (now.runs && (!before?.runs || changed(now, before))) {
    showRuns(now);
  }
  before = now;
}

const changed = (now, then) => JSON.stringify([now.runs, now.last_events]) !== JSON.stringify([then.runs, then.last_events]);

/** The rates that this tab saw before it was loaded again, without those that are too old. */
function kept() {
  const found = JSON.parse(sessionStorage.getItem(KEPT) ?? '{"times":[],"rates":[]}');
  const since = Date.now() / 1000 - SHOWN_S;
  const first = found.times.findIndex((time) => time >= since);
  return first < 0 ? { times: [], rates: [] } : { times: found.times.slice(first), rates: found.rates.slice(first) };
}

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

/** Of a reason that something was refused for, a link to what it was. */
function named(kind, name) {
  const text = known(`${kind}.${name}`, name);
  return kind === "reason" ? link(`/dead-letters?reason=${name}`, text) : text;
}

function counted(caption, entries, kind) {
  const all = entries.reduce((sum, [, count]) => sum + Number(count), 0);
  return table(
    caption,
    [
      { title: t(`field.${kind}`), cell: ([name]) => named(kind, name) },
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
    { title: t("field.dataset"), cell: (event) => (event.fuid_raw ? datasetLink(event.dsid_raw) : "") },
    { title: t("field.file"), cell: (event) => (event.fuid_raw ? fileLink(event.fuid_raw) : "") },
  ];
  byId("last").replaceChildren(runs.length ? table(t("live.last"), eventColumns, events, { stack: true }) : empty(t("runs.none")));
}

/** Those that were heard over MQTT, and the file writers; the silent ones first. */
function showDetectors({ time, detectors, runs }) {
  const lastRuns = new Map();
  for (const run of runs ?? []) if (!lastRuns.has(run.detector_id)) lastRuns.set(run.detector_id, run);
  const heard = new Set(detectors.map((each) => each.detector_id));
  const others = [...lastRuns.values()]
    .filter((run) => !heard.has(run.detector_id))
    .map((run) => ({ detector_id: run.detector_id, last_heard: run.last_seen, silent: false }));
  const rows = [...detectors.filter((each) => each.silent), ...detectors.filter((each) => !each.silent), ...others];
  const columns = [
    { title: t("field.detector"), cell: ({ detector_id: id }) => (id ? link(`/cosmic?detector=${encodeURIComponent(id)}`, id) : t("live.no_detector")) },
    { title: t("field.run"), id: true, cell: ({ detector_id: id }) => (lastRuns.has(id) ? runLink(lastRuns.get(id).run_number) : "") },
    { title: t("field.events"), number: true, cell: ({ detector_id: id }) => lastRuns.get(id)?.events ?? "" },
    { title: t("field.last_seen"), cell: (each) => timeAgo(each.last_heard, time) },
    { title: t("field.state"), cell: (each) => (each.silent ? silence(each) : "") },
  ];
  byId("detectors").replaceChildren(rows.length ? table(t("live.detectors"), columns, rows, { stack: true }) : empty(t("live.none_heard")));
}

// Messages in a burst say nothing of how long a detector is silent otherwise.
const SILENCE_S_LEAST = 60;
const silence = ({ longest_silence_seconds: longest }) =>
  badge(t("live.silent", { longest: formatSpan(Math.max(longest, SILENCE_S_LEAST)) }), "bad");

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
