// The answers to a list: by file and by pair, with what needs a look on top.

import { badge, bits, button, copyButton, datasetLink, h, link, namedFile, runLink, save } from "../lib/dom.js";
import { closedBadge, collectionText } from "../lib/catalogue.js";
import { table } from "../lib/table.js";
import { t } from "../lib/texts.js";

const SHOWN_MAX = 500;
const NAMED_MAX = 5;
const CSV_HEADER = "run_number,event_number\n";

/** The nodes of the result. */
export function showAnswers({ rows, errors, conflicts, unknown, csv, share, collection, elsewhere }) {
  const inConflict = (row) => conflicts.pairs.has(`${row.run} ${row.event}`);
  const files = byFile(rows);
  const missing = rows.filter((row) => !row.fuid);
  const disputed = rows.filter(inConflict);
  const found = rows.length - missing.length;
  const summary = `${t("lookup.found", { n: found })} ${t("lookup.in_files", { n: files.length })}`;
  return [
    h("h2", { tabindex: -1 }, summary),
    collection ? h("p", {}, `${t("field.collection")}: `, h("strong", {}, collectionText(collection))) : null,
    elsewhere.length ? h("div", { class: "notice warn" }, h("p", {}, t("lookup.elsewhere")), h("div", { class: "row" }, elsewhere)) : null,
    missing.length ? attention("bad", t("lookup.missing", { n: missing.length }), missing, "not-found.csv", { note: unknownText(unknown, elsewhere.length) }) : null,
    disputed.length ? attention("warn", t("lookup.disputed", { n: disputed.length }), disputed, "conflicts.csv", { more: link("/conflicts", t("lookup.see_conflicts")) }) : null,
    conflicts.complete ? null : h("p", { class: "notice" }, t("lookup.not_compared")),
    errors.length ? h("div", { class: "notice warn" }, h("p", {}, t("lookup.wrong_lines", { n: errors.length })), h("ul", {}, errors.slice(0, 10).map((each) => h("li", {}, each)))) : null,
    h(
      "div",
      { class: "row" },
      button(t("lookup.download"), () => save("lookup.csv", csv), { class: "main" }),
      files.length ? copyButton(t("lookup.copy_files"), () => files.map((each) => each.fuid).join("\n")) : null,
      files.some((each) => each.url) ? copyButton(t("lookup.copy_urls"), () => files.map((each) => each.url).filter(Boolean).join("\n")) : null,
      share,
    ),
    ...views(files, rows, inConflict, collection),
  ].filter(Boolean);
}

/** That the index has runs not at all, which is not what it says of an event that one of its runs lacks. */
function unknownText(runs, elsewhere) {
  const key = elsewhere ? "lookup.unknown_here" : "lookup.unknown_runs";
  return runs.length ? t(key, { n: runs.length, runs: firstOf(runs.map(String)) }) : null;
}

const firstOf = (texts) => `${texts.slice(0, NAMED_MAX).join(", ")}${texts.length > NAMED_MAX ? ", …" : ""}`;

function attention(kind, text, rows, name, { note = null, more = null }) {
  const list = firstOf(rows.map((row) => `${row.run}:${row.event}`));
  return h(
    "div",
    { class: `notice ${kind}` },
    h("p", {}, h("strong", {}, text), ` ${list}`),
    note ? h("p", {}, note) : null,
    h(
      "div",
      { class: "row" },
      copyButton(t("lookup.copy_pairs"), () => pairLines(rows)),
      button(t("lookup.download_pairs"), () => save(name, CSV_HEADER + pairLines(rows))),
      more,
    ),
  );
}

const pairLines = (rows) => rows.map((row) => `${row.run},${row.event}\n`).join("");

function byFile(rows) {
  const files = new Map();
  for (const row of rows) {
    if (!row.fuid) continue;
    if (!files.has(row.fuid)) files.set(row.fuid, { ...row, rows: [] });
    files.get(row.fuid).rows.push(row);
  }
  return [...files.values()].sort((one, other) => other.rows.length - one.rows.length);
}

/** Two views of the same answers, and the buttons that choose one. */
function views(files, rows, inConflict, collection) {
  const shown = {
    by_file: () => fileTable(files),
    by_pair: () => pairTable(rows, inConflict, collection),
  };
  const place = h("div");
  const buttons = Object.keys(shown).map((name) =>
    button(t(`lookup.${name}`), () => choose(name), { "data-view": name }),
  );
  function choose(name) {
    for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.view === name));
    place.replaceChildren(shown[name]());
  }
  choose(files.length ? "by_file" : "by_pair");
  return [h("div", { class: "switch", role: "group", "aria-label": t("lookup.view") }, buttons), place];
}

function fileTable(files) {
  const columns = [
    { title: t("field.file"), cell: (file) => namedFile(file.fuid, file) },
    { title: t("field.dataset"), cell: (file) => datasetLink(file.dsid) },
    ...(files.some((file) => file.state !== "open") ? [{ title: t("field.state"), cell: (file) => closedBadge(file.state) }] : []),
    { title: t("field.pairs"), number: true, cell: (file) => file.rows.length },
    { title: t("field.list"), cell: fileButtons },
  ];
  return limited(t("lookup.by_file"), columns, files);
}

function fileButtons(file) {
  const of = { "aria-label": `${t("lookup.copy_pairs")} ${file.fuid}` };
  return h(
    "span",
    { class: "row tight" },
    copyButton(t("lookup.copy"), () => pairLines(file.rows), of),
    button(t("lookup.save"), () => save(`${file.fuid}.csv`, CSV_HEADER + pairLines(file.rows)), {
      "aria-label": `${t("lookup.download_pairs")} ${file.fuid}`,
    }),
  );
}

function pairTable(rows, inConflict, collection) {
  const columns = [
    { title: t("field.run"), id: true, cell: (row) => runLink(row.run, collection) },
    { title: t("field.event"), id: true, cell: (row) => row.event },
    { title: t("field.answer"), cell: (row) => answerBadge(row, inConflict(row)) },
    { title: t("field.file"), cell: (row) => (row.fuid ? namedFile(row.fuid, row) : "") },
    { title: t("field.dataset"), cell: (row) => (row.dsid ? datasetLink(row.dsid) : "") },
    { title: t("field.bits"), cell: (row) => (row.fuid ? bits(row.olt) : "") },
  ];
  return limited(t("lookup.by_pair"), columns, rows);
}

function answerBadge(row, disputed) {
  if (!row.fuid) return badge(t("lookup.badge_missing"), "bad");
  return disputed ? badge(t("lookup.badge_conflict"), "warn") : badge(t("lookup.badge_found"), "good");
}

/** A table of the first rows; a button shows more. */
function limited(caption, columns, rows, shown = SHOWN_MAX) {
  const place = h("div", {}, table(caption, columns, rows.slice(0, shown), { stack: true }));
  if (rows.length > shown)
    place.append(
      button(t("lookup.more", { n: rows.length - shown }), () =>
        place.replaceWith(limited(caption, columns, rows, shown + 10 * SHOWN_MAX)),
      ),
    );
  return place;
}
