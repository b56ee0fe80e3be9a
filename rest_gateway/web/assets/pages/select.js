// The page "Select": counts of the events that meet conditions first, then the list or a download.

import { fromAddress, toAddress } from "../lib/address.js";
import { getJson, getLines } from "../lib/api.js";
import { facts } from "../lib/catalogue.js";
import { bits, button, byId, datasetLink, downloadLink, fileLink, h, link, runLink, withShare } from "../lib/dom.js";
import { empty, fill } from "../lib/notice.js";
import { table } from "../lib/table.js";
import { formatNumber, formatPercent, t } from "../lib/texts.js";

const filter = byId("filter");
const LISTED = 100;
const ROWS_MAX = 20;
const SUGGESTED = 100;
const CRITERIA = ["all", "any", "none"];

/** What the form asks for, as parameters of the API. */
function selection() {
  const given = Object.fromEntries([...new FormData(filter)].map(([name, value]) => [name, value.trim()]));
  return { ...given, runs: given.runs.replace(/\s/g, "") };
}

const countAll = () =>
  fill(byId("counts"), async (current) => {
    toAddress(filter);
    byId("listed").hidden = true;
    const wanted = selection();
    // The bits of all events of the runs, so that one that is ruled out can be taken in again.
    const { all, any, none, ...base } = wanted;
    // Of a whole index it would be a long list.
    const few = base.runs || base.dataset || base.file || base.detector;
    const [byRun, byDataset, byBit] = await Promise.all([
      few ? getJson("/counts", { ...wanted, by: "run" }) : { counts: [] },
      getJson("/counts", { ...wanted, by: "dataset" }),
      getJson("/counts", { ...base, by: "bit" }),
    ]);
    if (!current()) return [];
    return [
      facts([
        [t("field.events"), formatNumber(byDataset.total)],
        [t("select.of"), formatNumber(byBit.total)],
        ...(few ? [[t("menu.runs"), formatNumber(byRun.counts.length)]] : []),
        [t("menu.datasets"), formatNumber(byDataset.counts.length)],
      ]),
      Number(byDataset.total) ? actions(wanted) : empty(t("select.no_events")),
      byBit.counts.length ? h("section", {}, h("h2", {}, t("run.triggers")), criteria(byBit)) : null,
      h("div", { class: "columns" }, counted(t("menu.runs"), t("field.run"), byRun, (each) => runLink(each.run_number)), counted(t("menu.datasets"), t("field.dataset"), byDataset, (each) => datasetLink(each.dsid_raw))),
    ].filter(Boolean);
  });

function actions(wanted) {
  return h(
    "div",
    { class: "row" },
    button(t("select.list", { count: formatNumber(LISTED) }), () => list(wanted), { class: "main" }),
    downloadLink("/events", { ...wanted, format: "csv" }, "events.csv", t("file.events_csv")),
    downloadLink("/events", { ...wanted, format: "ndjson" }, "events.ndjson", t("file.events_ndjson")),
  );
}

/** How many events have each criterion, and a choice of it. */
function criteria({ total, counts }) {
  return table(
    t("run.triggers"),
    [
      { title: t("field.bit"), cell: ({ olt_bit: bit, olt_name: name }) => (name ? `${bit} ${name}` : String(bit)) },
      { title: t("field.events"), number: true, cell: ({ events }) => events },
      { title: t("field.share"), number: true, cell: ({ events }) => h("span", {}, formatPercent(events / total)) },
      { title: t("select.condition"), cell: condition },
      { title: "", cell: ({ events }) => withShare(h("span", { class: "bar", "aria-hidden": "true" }), events / total) },
    ],
    counts,
    { stack: true },
  );
}

const listOf = (name) => filter.elements[name].value.split(",").map((each) => each.trim()).filter(Boolean);

/** Puts the criterion into one of the three fields, or into none. */
function condition({ olt_bit: bit, olt_name: name }) {
  const word = name || String(bit);
  const isIt = (text) => text === word || text === String(bit);
  const chosen = CRITERIA.find((each) => listOf(each).some(isIt)) ?? "";
  const options = ["", ...CRITERIA].map((each) => h("option", { value: each, selected: each === chosen }, each ? t(`select.is_${each}`) : t("common.any")));
  const choice = h("select", { "aria-label": `${t("select.condition")}: ${word}` }, options);
  choice.addEventListener("change", () => {
    for (const each of CRITERIA) filter.elements[each].value = listOf(each).filter((text) => !isIt(text)).join(",");
    if (choice.value) filter.elements[choice.value].value = [...listOf(choice.value), word].join(",");
    countAll();
  });
  return choice;
}

function counted(caption, title, { counts }, first) {
  const rows = counts.toSorted((one, other) => Number(other.events) - Number(one.events)).slice(0, ROWS_MAX);
  if (!rows.length) return null;
  const more = counts.length > rows.length ? h("p", { class: "quiet" }, t("select.more", { n: counts.length - rows.length })) : null;
  const columns = [
    { title, cell: first },
    { title: t("field.events"), number: true, cell: ({ events }) => events },
  ];
  return h("section", {}, h("h2", {}, caption), table(caption, columns, rows, { narrow: true }), more);
}

function list(wanted) {
  byId("listed").hidden = false;
  return fill(byId("events"), async () => {
    const events = await getLines("/events", { ...wanted, limit: LISTED });
    if (!events.length) return empty(t("select.no_events"));
    const pairs = events.map((event) => `${event.run_number}:${event.event_number}`);
    return [
      table(
        t("cosmic.events"),
        [
          { title: t("field.run"), id: true, cell: (event) => runLink(event.run_number) },
          { title: t("field.event"), id: true, cell: (event) => event.event_number },
          { title: t("field.bits"), cell: (event) => bits(event.olt_result) },
          { title: t("field.dataset"), cell: (event) => datasetLink(event.dsid_raw) },
          { title: t("field.file"), cell: (event) => fileLink(event.fuid_raw) },
        ],
        events,
        { stack: true },
      ),
      h("p", {}, link(`/#${pairs.join(",")}`, t("select.look_up"))),
    ];
  });
}

/** Names to choose from; who writes another one is not hindered. */
async function suggest() {
  const option = (value, text) => h("option", { value }, text);
  const [{ datasets }, { counts }] = await Promise.all([
    getJson("/datasets", { page_size: SUGGESTED, order_by: "events desc" }),
    getJson("/cosmic/counts", { by: "detector" }),
  ]);
  byId("dataset_names").replaceChildren(...datasets.map(({ name, dsid_raw: dsid }) => option(name, String(dsid))));
  byId("detector_names").replaceChildren(...counts.map(({ detector_id: id, events }) => option(id, t("common.events", { n: events }))));
}

filter.addEventListener("submit", (event) => {
  event.preventDefault();
  countAll();
});
filter.addEventListener("reset", () => setTimeout(countAll));
fromAddress(filter);
countAll();
suggest().catch(() => {});
