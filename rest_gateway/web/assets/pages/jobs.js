// The page "Jobs": lists that are looked up in the background. This browser remembers the ids of its own;
// whoever knows one may read it.

import { ask, getJson, parseJson } from "../lib/api.js";
import { confirm } from "../lib/confirm.js";
import { badge, button, byId, downloadLink, h, timeAgo, withShare } from "../lib/dom.js";
import { empty, explain, fill } from "../lib/notice.js";
import { table } from "../lib/table.js";
import { formatNumber, known, t } from "../lib/texts.js";

const KEY = "eventindex-jobs";
const REMEMBERED_MAX = 50;
const AGAIN_MS = 1500;
let timer = null;

const ids = () => JSON.parse(localStorage.getItem(KEY) ?? "[]");
const remember = (found) => localStorage.setItem(KEY, JSON.stringify(found.slice(0, REMEMBERED_MAX)));
const add = (id) => remember([id, ...ids().filter((each) => each !== id)]);
const forget = (id) => remember(ids().filter((each) => each !== id));

/** A job, or why it cannot be had; one that is gone is forgotten. */
async function find(id) {
  try {
    return await getJson(`/jobs/${id}`);
  } catch (error) {
    if (error.status === 404) {
      forget(id);
      return null;
    }
    throw error;
  }
}

async function show() {
  clearTimeout(timer);
  const done = await fill(byId("jobs"), async () => {
    const jobs = (await Promise.all(ids().map(find))).filter(Boolean);
    if (!jobs.length) return empty(t("jobs.none"));
    if (jobs.some(({ state }) => state === "queued" || state === "receiving")) timer = setTimeout(show, AGAIN_MS);
    return table(t("menu.jobs"), columns, jobs, { stack: true });
  });
  return done;
}

const columns = [
  { title: t("field.created"), cell: (job) => timeAgo(job.created) },
  { title: t("field.state"), cell: state },
  { title: t("field.pairs"), number: true, cell: (job) => job.pairs },
  { title: t("jobs.found"), number: true, cell: (job) => job.found },
  { title: t("jobs.not_found"), number: true, cell: (job) => job.not_found },
  { title: t("jobs.expires"), cell: (job) => timeAgo(job.expires) },
  { title: t("jobs.result"), cell: results },
  { title: t("dead_letters.actions"), cell: (job) => button(t("jobs.remove"), () => remove(job), { "aria-label": `${t("jobs.remove")} ${job.job_id}` }) },
];

function state(job) {
  const name = known(`jobs.state_${job.state}`, job.state);
  if (job.state === "failed") return h("span", {}, badge(name, "bad"), ` ${job.failure}`);
  if (job.state === "done") return badge(name, "good");
  const share = Number(job.pairs) ? Number(job.pairs_done) / Number(job.pairs) : 0;
  return h("span", {}, `${name} ${formatNumber(job.pairs_done)}`, withShare(h("span", { class: "bar", "aria-hidden": "true" }), share));
}

function results(job) {
  if (job.state !== "done") return "";
  const path = `/jobs/${job.job_id}/result`;
  const one = (format, name) => downloadLink(path, { format }, `job-${job.job_id}.${format}`, name);
  return h("span", { class: "row tight" }, one("csv", "CSV"), one("parquet", "Parquet"), one("ndjson", "NDJSON"));
}

const remove = (job) =>
  confirm({
    text: t("jobs.remove_ask", { id: job.job_id }),
    action: t("jobs.remove"),
    async work() {
      await ask(`/jobs/${job.job_id}`, { method: "DELETE" });
      forget(job.job_id);
      await show();
      return t("jobs.removed");
    },
  });

byId("send").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { file, olt_result: olt } = event.target.elements;
  const place = byId("sending");
  await fill(place, async () => {
    const answer = await ask("/jobs", {
      method: "POST",
      parameters: { olt_result: olt.checked },
      headers: { "Content-Type": "application/octet-stream" },
      body: file.files[0],
    });
    add(parseJson(await answer.text()).job_id);
    event.target.reset();
    show();
    return [];
  });
});
byId("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = event.target.elements.job;
  const id = field.value.trim().toLowerCase();
  field.setCustomValidity("");
  try {
    await getJson(`/jobs/${id}`);
    add(id);
    event.target.reset();
    show();
  } catch (error) {
    field.setCustomValidity(explain(error));
    field.reportValidity();
  }
});
byId("add").addEventListener("input", (event) => event.target.setCustomValidity(""));
show();
