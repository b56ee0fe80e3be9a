// The page "Lookup": a list is written, pasted or dropped, checked, sent, and its answers shown.

import { ask, getJson, parseJson } from "../lib/api.js";
import { collectionText } from "../lib/catalogue.js";
import { chosenCollection } from "../lib/collection.js";
import { parseColumns } from "../lib/columns.js";
import { announce, button, byId, copyButton } from "../lib/dom.js";
import { editor, listWrong } from "../lib/editor.js";
import { textOf } from "../lib/list_file.js";
import { failure, fill } from "../lib/notice.js";
import { showAnswers } from "./lookup_answers.js";
import { showStart } from "./lookup_start.js";
import { readPairs } from "../lib/pairs.js";
import { formatNumber, t } from "../lib/texts.js";

// A longer list is kept as it came: a text area of it would be slow.
const WRITTEN_BYTES_MAX = 256 * 1024;
const LINKED_PAIRS_MAX = 200;
const LINKED = /^\d+:\d+(,\d+:\d+)*$/;
const CHECKED_RUNS_MAX = 20;
const CONFLICTS_MAX = 10_000;
const LACKING_RUNS_MAX = 1000;

const area = byId("pairs");
const wrongPlace = byId("wrong");
const results = byId("results");
const send = byId("send");
const dropped = byId("dropped");
const columns = byId("columns");
const names = byId("names");
// A file that is not in the text area: its text, or the file itself where only the gateway reads it.
let kept = null;

const read = (text) => readPairs(text, parseColumns(columns.value) ?? null);

const written = editor(area, wrongPlace, read, (found) => {
  if (kept === null) update(found);
});

function update({ pairs, wrong }) {
  const whole = kept !== null && kept.text === undefined;
  send.textContent = whole ? t("lookup.send_file") : pairs ? t("lookup.send", { n: pairs }) : t("lookup.send_none");
  send.disabled = pairs === 0 && !whole;
  byId("clear").hidden = !area.value && kept === null;
  byId("left_out").textContent = pairs && wrong.length ? t("lookup.left_out", { n: wrong.length }) : "";
  const wanted = whole || columns.value || wrong.some(({ reason }) => reason === "columns" || reason === "twice");
  byId("columns_row").hidden = !wanted;
}

async function take(file) {
  const text = await textOf(file);
  if (text !== null && file.size <= WRITTEN_BYTES_MAX) {
    forget();
    area.value = text;
    written.check();
    area.focus();
    return;
  }
  kept = text === null ? { file } : { text, name: file.name };
  area.closest(".editor").hidden = true;
  dropped.hidden = false;
  checkKept();
  send.focus();
}

/** Say what a file that is not shown holds. */
function checkKept() {
  const { text, name, file } = kept;
  const found = text === undefined ? { pairs: 0, wrong: [] } : read(text);
  dropped.textContent =
    text === undefined
      ? t("lookup.whole_file", { name: file.name })
      : t("lookup.file", { name, count: formatNumber(found.pairs) });
  listWrong(wrongPlace, found.wrong);
  update(found);
}

function forget() {
  kept = null;
  dropped.hidden = true;
  area.closest(".editor").hidden = false;
}

function clear() {
  forget();
  area.value = columns.value = "";
  columns.setCustomValidity("");
  columns.removeAttribute("aria-invalid");
  written.check();
  results.replaceChildren();
  history.replaceState(null, "", location.pathname);
  area.focus();
}

/** Look the list up in a collection; "" is "raw". */
async function lookUp(collection = chosenCollection()) {
  const text = kept ? kept.text : area.value;
  const whole = text === undefined;
  const { pairs, wrong } = whole ? { wrong: [] } : read(text);
  if (!pairs && !whole) return;
  const done = await fill(results, async () => {
    const answer = await ask("/lookup", {
      method: "POST",
      parameters: { collection, format: "csv", olt_result: true, with_file_names: names.checked, columns: columns.value.trim() },
      headers: { "Content-Type": whole ? "application/octet-stream" : "text/plain" },
      body: whole ? kept.file : text,
    });
    const csv = await answer.text();
    const answers = readAnswers(csv);
    const [conflicts, lacking] = await Promise.all([conflictsOf(answers.rows, collection), lackingOf(answers.rows, collection)]);
    const share = shareLink(answers.rows, collection);
    // Those that are marked above need not be told again.
    const errors = answers.errors.length === wrong.length ? [] : answers.errors;
    const elsewhere = lacking.others.map((name) => button(t("lookup.look_in", { name: collectionText(name) }), () => lookUp(name)));
    return showAnswers({ rows: answers.rows, errors, conflicts, unknown: lacking.runs, csv, share, collection, elsewhere });
  });
  if (!done) return;
  const heading = results.querySelector("h2");
  heading.focus();
  announce(heading.textContent);
}

/** Columns of the answer by the names in its first line, and what is wrong with bad lines. */
function readAnswers(csv) {
  const [head, ...lines] = csv.split("\n").filter(Boolean);
  const titles = head.split(",");
  const rows = [];
  const errors = [];
  for (const line of lines) {
    const cells = cellsOf(line);
    const row = Object.fromEntries(titles.map((title, place) => [title, cells[place]]));
    if (row.run_number)
      rows.push({
        run: row.run_number,
        event: row.event_number,
        fuid: row.fuid_raw,
        dsid: row.dsid_raw,
        state: row.dataset_state,
        olt: row.olt_result,
        name: row.name ?? "",
        url: row.url ?? "",
      });
    else errors.push(row.error);
  }
  return { rows, errors };
}

/** The cells of a line of CSV; only names and errors are ever in quotes. */
function cellsOf(line) {
  if (!line.includes('"')) return line.split(",");
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
    quoted === undefined ? plain : quoted.replaceAll('""', '"'),
  );
}

/** Which of the pairs are in conflict, as a set of "run event", and whether all were compared. */
async function conflictsOf(rows, collection) {
  const runs = [...new Set(rows.filter((row) => row.fuid).map((row) => row.run))];
  const asked = runs.length <= CHECKED_RUNS_MAX ? runs : [""];
  const pages = await Promise.all(
    asked.map((run) => getJson("/conflicts", { run, collection, page_size: CONFLICTS_MAX })),
  );
  const found = pages.flatMap((page) => page.conflicts);
  return {
    pairs: new Set(found.map(({ stored }) => `${stored.run_number} ${stored.event_number}`)),
    complete: pages.every((page) => !page.next),
  };
}

/** Of the runs of events that were not found, those that are not there at all, and the collections that have some. */
async function lackingOf(rows, collection) {
  const events = new Map(rows.filter((row) => !row.fuid).map((row) => [row.run, row.event]));
  if (!events.size) return { runs: [], others: [] };
  const pairs = [...events].slice(0, LACKING_RUNS_MAX).map((pair) => pair.join(" "));
  const answer = await ask("/lookup", {
    method: "POST",
    parameters: { collection, format: "json" },
    headers: { "Content-Type": "text/plain" },
    body: pairs.join("\n"),
  });
  const { unknown_runs: runs, other_collections: others } = parseJson(await answer.text());
  return { runs: runs ?? [], others };
}

/** The address of this list, also put into the address bar; a button where it is small. */
function shareLink(rows, collection) {
  if (rows.length > LINKED_PAIRS_MAX) {
    history.replaceState(null, "", location.pathname);
    return null;
  }
  const pairs = rows.map((row) => `${row.run}:${row.event}`).join(",");
  history.replaceState(null, "", `#${pairs}${collection && `@${encodeURIComponent(collection)}`}`);
  return copyButton(t("lookup.copy_link"), () => location.href);
}

function openLink() {
  const [list, collection] = location.hash.slice(1).split("@").map(decodeURIComponent);
  // The link to the content is a hash too.
  if (!LINKED.test(list)) return;
  forget();
  columns.value = "";
  area.value = list.replaceAll(",", "\n");
  written.check();
  lookUp(collection ?? "");
}

byId("lookup").addEventListener("submit", (event) => {
  event.preventDefault();
  lookUp();
});
area.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    lookUp();
  }
});
columns.addEventListener("input", () => {
  const wrong = parseColumns(columns.value) === undefined;
  columns.setCustomValidity(wrong ? t("lookup.columns_wrong") : "");
  columns.setAttribute("aria-invalid", String(wrong));
  if (kept) checkKept();
  else written.check();
});
byId("clear").addEventListener("click", clear);
byId("choose").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) await take(file).catch(unreadable);
  event.target.value = "";
});
const unreadable = (error) => results.replaceChildren(failure(error));

for (const name of ["dragover", "dragleave", "drop"])
  document.addEventListener(name, (event) => {
    event.preventDefault();
    byId("lookup").classList.toggle("drop", name === "dragover");
    const file = name === "drop" && event.dataTransfer.files[0];
    if (file) take(file).catch(unreadable);
  });
addEventListener("hashchange", openLink);

written.check();
openLink();
showStart();
