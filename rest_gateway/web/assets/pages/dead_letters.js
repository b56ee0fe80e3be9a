// The page "Dead letters": refused messages, read, sent again, discarded by an administrator.

import { fromAddress, toAddress } from "../lib/address.js";
import { ApiError, ask, getJson, postJson } from "../lib/api.js";
import { forEach, gather } from "../lib/bulk.js";
import { confirm } from "../lib/confirm.js";
import { badge, button, byId, copyButton, h, save, timeAgo } from "../lib/dom.js";
import { failure, fill } from "../lib/notice.js";
import { pagedTable } from "../lib/table.js";
import { formatNumber, formatTime, known, t, told } from "../lib/texts.js";

const filter = byId("filter");
const SHOWN_BYTES_MAX = 20_000;

const columns = [
  { title: t("field.number"), id: true, cell: (letter) => letter.dead_letter_id },
  { title: t("field.received"), cell: (letter) => timeAgo(letter.received) },
  { title: t("field.reason"), cell: (letter) => badge(known(`reason.${letter.reason}`, letter.reason), "bad") },
  { title: t("field.detail"), cell: detail },
  { title: t("field.bytes"), number: true, cell: (letter) => letter.payload_bytes },
  { title: t("dead_letters.actions"), cell: actions },
];

function detail(letter) {
  const topic = letter.topic && h("div", { class: "quiet" }, h("code", {}, letter.topic));
  return h("div", { class: "wide" }, h("div", {}, told(letter.detail, letter.detail_reason, letter.detail_parameters)), topic || null);
}

function actions(letter) {
  const id = letter.dead_letter_id;
  const named = (key) => ({ "aria-label": `${t(key)} ${id}` });
  return h(
    "span",
    { class: "row tight" },
    button(t("dead_letters.read"), () => read(id), named("dead_letters.read")),
    letter.truncated ? badge(t("dead_letters.cut")) : button(t("dead_letters.replay"), () => replay(id), named("dead_letters.replay")),
    button(t("dead_letters.discard"), () => discard(id), named("dead_letters.discard")),
  );
}

function replay(id) {
  return confirm({
    text: t("dead_letters.replay_ask", { id }),
    action: t("dead_letters.replay"),
    async work() {
      const outcome = await postJson(`/dead-letters/${id}/replay`);
      await letters.reload();
      const numbers = ["inserted", "duplicates", "conflicts", "rejected"].map((name) => [name, formatNumber(outcome[name])]);
      return { text: t("dead_letters.replayed", { id, ...Object.fromEntries(numbers) }), good: !Number(outcome.rejected) };
    },
  });
}

function discard(id) {
  return confirm({
    text: t("dead_letters.discard_ask", { id }),
    action: t("dead_letters.discard"),
    async work() {
      await ask(`/dead-letters/${id}`, { method: "DELETE" });
      await letters.reload();
      return t("dead_letters.discarded", { id });
    },
  });
}

/** Do the same to all that the filter finds; they are counted before. */
async function toAll(name, work) {
  const { reason, topic } = Object.fromEntries(new FormData(filter));
  const found = await gather("/dead-letters", { reason, topic }, "dead_letters");
  if (!found.length) return;
  await confirm({
    text: t(`dead_letters.${name}_all_ask`, { n: found.length }),
    action: t(`dead_letters.${name}`),
    async work() {
      const outcome = await forEach(found, work);
      await letters.reload();
      return outcome;
    },
  });
}

const replayOne = async ({ dead_letter_id: id }) => {
  const { rejected } = await postJson(`/dead-letters/${id}/replay`);
  if (Number(rejected)) throw new ApiError(409);
};
const discardOne = ({ dead_letter_id: id }) => ask(`/dead-letters/${id}`, { method: "DELETE" });
const failed = (error) => byId("outcome").replaceWith(h("div", { id: "outcome" }, failure(error)));
byId("replay_all").addEventListener("click", () => toAll("replay", replayOne).catch(failed));
byId("discard_all").addEventListener("click", () => toAll("discard", discardOne).catch(failed));

/** Show what a message held. */
function read(id) {
  const place = h("div");
  const close = h("button", {}, t("common.close"));
  const dialog = h(
    "dialog",
    { "aria-label": t("dead_letters.title", { id }), class: "large" },
    h("h2", {}, t("dead_letters.title", { id })),
    place,
    h("form", { method: "dialog", class: "row" }, close),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  fill(place, async () => {
    const letter = await getJson(`/dead-letters/${id}`);
    const bytes = Uint8Array.from(atob(letter.payload_base64), (char) => char.charCodeAt(0));
    const shown = readable(bytes.subarray(0, SHOWN_BYTES_MAX));
    return [
      h("p", {}, told(letter.detail, letter.detail_reason, letter.detail_parameters)),
      h("p", { class: "quiet" }, `${letter.topic} · ${letter.source} · ${formatTime(letter.received)} · ${letter.request_id}`),
      h("pre", { tabindex: 0 }, shown + (bytes.length > SHOWN_BYTES_MAX ? "\n…" : "")),
      h("div", { class: "row" }, copyButton(t("dead_letters.copy"), () => shown), button(t("dead_letters.save"), () => save(`dead-letter-${id}.bin`, bytes, "application/octet-stream"))),
    ];
  });
}

/** Text as text; other bytes as hexadecimal, 16 a line. */
function readable(bytes) {
  const text = new TextDecoder().decode(bytes);
  if (!/[\u0000-\u0008\u000e-\u001f\ufffd]/.test(text.slice(0, -3))) return text;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  const lines = [];
  for (let at = 0; at < digits.length; at += 16) lines.push(digits.slice(at, at + 16).join(" "));
  return lines.join("\n");
}

const letters = pagedTable(byId("letters"), {
  caption: t("menu.dead_letters"),
  columns,
  order: "",
  stack: true,
  none: t("dead_letters.none"),
  async load(_, next) {
    if (!next) toAddress(filter);
    const { reason, topic } = Object.fromEntries(new FormData(filter));
    const page = await (next ? getJson(next) : getJson("/dead-letters", { reason, topic, page_size: 50 }));
    return { rows: page.dead_letters, next: page.next };
  },
});

filter.addEventListener("submit", (event) => {
  event.preventDefault();
  letters.reload();
});
filter.addEventListener("reset", () => setTimeout(letters.reload));
filter.elements.reason.addEventListener("change", () => letters.reload());
fromAddress(filter);
letters.reload();
