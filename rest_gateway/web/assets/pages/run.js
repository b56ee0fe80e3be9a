// The page of one run: what it holds, its files, triggers, overlaps and gaps.

import { getJson } from "../lib/api.js";
import { collectionText, facts, filesTable, getSubject } from "../lib/catalogue.js";
import { byId, downloadLink, h, link, withShare } from "../lib/dom.js";
import { heatTable } from "../lib/heat.js";
import { empty, fill } from "../lib/notice.js";
import { table } from "../lib/table.js";
import { formatNumber, formatPercent, formatTime, t } from "../lib/texts.js";

const run = document.body.dataset.subject;
const collection = new URLSearchParams(location.search).get("collection") ?? "";

async function showRun() {
  const found = await getSubject(`/runs/${run}`, { collection });
  const conflicts = Number(found.conflicts)
    ? link(`/conflicts?${new URLSearchParams({ run, collection: found.collection })}`, formatNumber(found.conflicts))
    : "0";
  return [
    facts([
      ...(collection ? [[t("field.collection"), collectionText(found.collection)]] : []),
      [t("field.events"), formatNumber(found.events)],
      [t("field.event_first"), String(found.event_first)],
      [t("field.event_last"), String(found.event_last)],
      [t("field.files"), formatNumber(found.files)],
      [t("field.conflicts"), conflicts],
      [t("field.detector"), found.detector_id ? link(`/cosmic?detector=${encodeURIComponent(found.detector_id)}`, found.detector_id) : "–"],
      [t("field.first_seen"), formatTime(found.first_seen)],
      [t("field.last_seen"), formatTime(found.last_seen)],
    ]),
    h("p", {}, downloadLink("/events", { run, collection, format: "csv" }, `run-${run}.csv`, t("run.download"))),
  ];
}

const bitName = (bit, name) => (name ? `${bit} ${name}` : String(bit));

async function showTriggers() {
  const { total, counts } = await getJson("/counts", { run, collection, by: "bit" });
  if (!counts.length) return empty(t("run.no_triggers"));
  return table(
    t("run.triggers"),
    [
      { title: t("field.bit"), cell: (count) => bitName(count.olt_bit, count.olt_name) },
      { title: t("field.events"), number: true, cell: (count) => count.events },
      { title: t("field.share"), number: true, cell: (count) => h("span", {}, formatPercent(count.events / total)) },
      { title: "", cell: (count) => withShare(h("span", { class: "bar", "aria-hidden": "true" }), count.events / total) },
    ],
    counts,
    { stack: true },
  );
}

/** How many events of a row's bit have the column's bit too. */
async function showOverlaps() {
  const { overlaps } = await getJson("/overlaps", { run, collection });
  if (!overlaps.length) return empty(t("run.no_triggers"));
  const events = new Map();
  const names = new Map();
  for (const each of overlaps) {
    events.set(`${each.olt_bit} ${each.other_olt_bit}`, Number(each.events));
    events.set(`${each.other_olt_bit} ${each.olt_bit}`, Number(each.events));
    names.set(each.olt_bit, each.olt_name).set(each.other_olt_bit, each.other_olt_name);
  }
  const bitsSet = [...names.keys()].sort((one, other) => one - other);
  return heatTable(
    t("run.overlaps"),
    t("field.bit"),
    bitsSet.map((bit) => bitName(bit, names.get(bit))),
    (row, column) => events.get(`${bitsSet[row]} ${bitsSet[column]}`) ?? 0,
  );
}

async function showGaps() {
  const found = await getJson(`/runs/${run}/gaps`, { collection, limit: 10 });
  const strip = h("div", { class: "strip", role: "img", "aria-labelledby": "strip_text" });
  for (const bin of found.bins) {
    const size = Number(BigInt(bin.event_last) - BigInt(bin.event_first)) + 1;
    const share = bin.events / size;
    const title = `${bin.event_first}–${bin.event_last}: ${formatPercent(share)}`;
    strip.append(withShare(h("span", { title }), share));
  }
  const ends = h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, String(found.event_first)), h("span", {}, String(found.event_last)));
  const text = h("p", { id: "strip_text", class: "quiet" }, t("run.strip"));
  if (!Number(found.missing)) return [strip, ends, text, empty(t("run.no_gaps"))];
  return [
    strip,
    ends,
    text,
    h("p", {}, t("run.missing", { n: found.missing }), " ", t("run.in_gaps", { n: found.gaps })),
    table(
      t("run.widest"),
      [
        { title: t("field.event_first"), id: true, cell: (gap) => gap.event_first },
        { title: t("field.event_last"), id: true, cell: (gap) => gap.event_last },
        { title: t("field.missing"), number: true, cell: (gap) => gap.missing },
      ],
      found.widest,
      { narrow: true },
    ),
  ];
}

fill(byId("facts"), showRun);
filesTable(byId("files"), { run, collection });
fill(byId("triggers"), showTriggers);
fill(byId("overlaps"), showOverlaps);
fill(byId("gaps"), showGaps);
