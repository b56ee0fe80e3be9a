// What stands around the list editor: what the index holds, an example, the runs that grew last.

import { getJson, NEEDS_TOKEN } from "../lib/api.js";
import { facts } from "../lib/catalogue.js";
import { byId, h, link, runLink, timeAgo } from "../lib/dom.js";
import { explain } from "../lib/notice.js";
import { table } from "../lib/table.js";
import { formatBytes, formatNumber, t } from "../lib/texts.js";

const LATEST = 8;

/** Nobody comes for this: what fails is said in a quiet line, and asked for again with another token. */
export async function showStart() {
  const place = byId("contents");
  try {
    place.replaceChildren(await showContents());
    await showLatest();
  } catch (error) {
    place.replaceChildren(h("p", { class: "quiet" }, explain(error)));
    if (NEEDS_TOKEN.has(error.status)) addEventListener("tokenchange", showStart, { once: true });
  }
}

async function showContents() {
  const held = await getJson("/status");
  const events = Number(held.events);
  return facts([
    [t("field.events"), formatNumber(held.events)],
    [t("menu.runs"), formatNumber(held.runs)],
    [t("field.files"), formatNumber(held.files)],
    [t("menu.datasets"), formatNumber(held.datasets)],
    [t("start.collections"), formatNumber(held.collections)],
    [t("start.last"), held.last_seen ? timeAgo(held.last_seen) : "–"],
    [t("start.size"), formatBytes(held.bytes)],
    [t("start.each"), events ? formatBytes(held.bytes / events) : "–"],
  ]);
}

async function showLatest() {
  const { runs } = await getJson("/runs", { order_by: "last_seen desc", page_size: LATEST });
  byId("latest_section").hidden = !runs.length;
  byId("examples").hidden = !runs.length;
  if (!runs.length) return;
  const pairs = example(runs);
  const shown = pairs.length > 1 ? `${pairs[0]} … ${pairs.at(-1)}` : pairs[0];
  byId("examples").replaceChildren(`${t("start.example")} `, link(`#${pairs.join(",")}`, shown));
  byId("latest").replaceChildren(
    table(
      t("start.latest"),
      [
        { title: t("field.run"), id: true, cell: (run) => runLink(run.run_number) },
        { title: t("field.events"), number: true, cell: (run) => run.events },
        { title: t("field.files"), number: true, cell: (run) => run.files },
        { title: t("field.detector"), cell: (run) => run.detector_id },
        { title: t("field.last_seen"), cell: (run) => timeAgo(run.last_seen) },
      ],
      runs,
      { stack: true, narrow: true },
    ),
    h("p", {}, link("/runs", t("start.all_runs"))),
  );
}

/** A list that the index can answer: the first and the last event of some runs. */
const example = (runs) => [
  ...new Set(runs.slice(0, 3).flatMap((run) => [`${run.run_number}:${run.event_first}`, `${run.run_number}:${run.event_last}`])),
];
