// The page "Conflicts": both values of each, and the decision of an administrator.

import { fromAddress, toAddress } from "../lib/address.js";
import { getJson, postJson } from "../lib/api.js";
import { badge, bits, button, byId, datasetLink, fileLink, h, runLink, timeAgo } from "../lib/dom.js";
import { forEach, gather } from "../lib/bulk.js";
import { chosenCollection } from "../lib/collection.js";
import { confirm } from "../lib/confirm.js";
import { failure } from "../lib/notice.js";
import { pagedTable } from "../lib/table.js";
import { formatTime, known, t } from "../lib/texts.js";

const filter = byId("filter");
const NAME = "eventindex-name";
const asked = new URLSearchParams(location.search);
// What the address says; else what is chosen.
const collection = () => asked.get("collection") ?? chosenCollection();

const columns = [
  { title: t("field.run"), id: true, cell: ({ stored }) => runLink(stored.run_number, collection()) },
  { title: t("field.event"), id: true, cell: ({ stored }) => stored.event_number },
  { title: t("conflicts.stored"), cell: (conflict) => side(conflict.stored, conflict.offered, conflict.stored_record) },
  { title: t("conflicts.offered"), cell: (conflict) => side(conflict.offered, conflict.stored, conflict.offered_record) },
  { title: t("field.source"), cell: source },
  { title: t("conflicts.decision"), cell: decision },
];

/** One value; what differs from the other is marked. */
function side(value, other, record) {
  const marked = (same, ...content) => h("div", {}, same ? content : h("mark", {}, content));
  return h(
    "div",
    { class: "side" },
    marked(value.fuid_raw === other.fuid_raw, fileLink(value.fuid_raw)),
    marked(value.dsid_raw === other.dsid_raw, `${t("field.dataset")} `, datasetLink(value.dsid_raw)),
    marked(String(value.olt_result) === String(other.olt_result), `${t("field.bits")}: ${bits(value.olt_result)}`),
    record ? h("details", {}, h("summary", {}, t("cosmic.record")), h("pre", {}, record)) : null,
  );
}

/** Who offered it last, when, and how often it came. */
function source(conflict) {
  const times = t("conflicts.times", { n: conflict.times });
  const quiet = [timeAgo(conflict.last_seen), times].map((each) => h("div", { class: "quiet" }, each));
  return h("div", {}, h("div", {}, conflict.source), quiet);
}

function decision(conflict) {
  if (conflict.resolution) {
    const who = `${conflict.resolved_by}, ${formatTime(conflict.resolved)}`;
    return h("div", {}, badge(known(`resolution.${conflict.resolution}`, conflict.resolution)), " ", who);
  }
  const place = `${conflict.stored.run_number}:${conflict.stored.event_number}`;
  return h(
    "span",
    { class: "row tight wrap" },
    ...["keep", "replace"].map((name) =>
      button(t(`conflicts.${name}`), () => decide(conflict, name, place), { "aria-label": `${t(`conflicts.${name}`)} ${place}` }),
    ),
  );
}

async function decide(conflict, resolution, place) {
  await confirm({
    text: t(`conflicts.${resolution}_ask`, { place }),
    action: t(`conflicts.${resolution}`),
    field: { label: t("conflicts.who"), value: localStorage.getItem(NAME) ?? "" },
    async work(name) {
      localStorage.setItem(NAME, name);
      await postJson(`/conflicts/${conflict.conflict_id}/resolve`, { resolution, resolved_by: name });
      await conflicts.reload();
      return t("conflicts.done", { place });
    },
  });
}

/** Decide all open conflicts that the filter finds in the same way; they are counted before. */
async function decideAll(resolution) {
  const found = await gather("/conflicts", { run: filter.elements.run.value, collection: collection() }, "conflicts");
  if (!found.length) return;
  await confirm({
    text: t(`conflicts.${resolution}_all_ask`, { n: found.length }),
    action: t(`conflicts.${resolution}`),
    field: { label: t("conflicts.who"), value: localStorage.getItem(NAME) ?? "" },
    async work(name) {
      localStorage.setItem(NAME, name);
      const one = ({ conflict_id: id }) => postJson(`/conflicts/${id}/resolve`, { resolution, resolved_by: name });
      const outcome = await forEach(found, one);
      await conflicts.reload();
      return outcome;
    },
  });
}

const failed = (error) => byId("outcome").replaceWith(h("div", { id: "outcome" }, failure(error)));
for (const name of ["keep", "replace"]) byId(`${name}_all`).addEventListener("click", () => decideAll(name).catch(failed));

const conflicts = pagedTable(byId("conflicts"), {
  caption: t("menu.conflicts"),
  columns,
  order: "",
  stack: true,
  none: t("conflicts.none"),
  async load(_, next) {
    if (!next) toAddress(filter);
    const { run, with_resolved } = Object.fromEntries(new FormData(filter));
    const parameters = { run, collection: collection(), with_resolved: Boolean(with_resolved), page_size: 50 };
    const page = await (next ? getJson(next) : getJson("/conflicts", parameters));
    return { rows: page.conflicts, next: page.next };
  },
});

filter.addEventListener("submit", (event) => {
  event.preventDefault();
  conflicts.reload();
});
addEventListener("collectionchange", () => {
  asked.delete("collection");
  conflicts.reload();
});
filter.elements.with_resolved.addEventListener("change", () => conflicts.reload());
fromAddress(filter);
conflicts.reload();
