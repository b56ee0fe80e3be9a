// A text area with line numbers that marks the lines that are no pairs while they are written.

import { h } from "./dom.js";
import { t } from "./texts.js";

// Above, marks would cost more than they show; the list of wrong lines is still there.
const MARKED_LINES_MAX = 5000;
const LISTED_MAX = 10;

/**
 * @param area the text area; it is put into a frame with numbers and marks.
 * @param wrongPlace where the wrong lines are listed.
 * @param read what a text says, see readPairs.
 * @param onchange is told what the text says.
 */
export function editor(area, wrongPlace, read, onchange) {
  const numbers = h("div", { class: "numbers", "aria-hidden": "true" });
  const marks = h("div", { class: "marks", "aria-hidden": "true" });
  const frame = h("div", { class: "editor" }, numbers, marks);
  area.replaceWith(frame);
  frame.append(area);
  area.addEventListener("scroll", () => {
    numbers.scrollTop = marks.scrollTop = area.scrollTop;
    marks.scrollLeft = area.scrollLeft;
  });

  function check() {
    const found = read(area.value);
    const lines = area.value.split("\n");
    const wrong = new Map(found.wrong.map((each) => [each.line, each]));
    const shown = lines.length <= MARKED_LINES_MAX ? lines : [];
    numbers.replaceChildren(
      ...shown.map((_, i) => h("div", { class: wrong.has(i + 1) ? "wrong" : null }, String(i + 1))),
    );
    marks.replaceChildren(
      ...shown.map((line, i) => h("div", {}, wrong.has(i + 1) ? h("mark", {}, line) : line)),
    );
    area.dispatchEvent(new Event("scroll"));
    area.setAttribute("aria-invalid", String(found.wrong.length > 0));
    listWrong(wrongPlace, found.wrong, select);
    onchange(found);
  }

  function select(line) {
    const lines = area.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + lines[line - 1].length);
    const height = parseFloat(getComputedStyle(area).lineHeight);
    area.scrollTop = Math.max(0, (line - 3) * height);
  }

  area.addEventListener("input", check);
  return { check };
}

/** List the first wrong lines; pressing one goes there, where `select` can. */
export function listWrong(place, wrong, select) {
  const items = wrong.slice(0, LISTED_MAX).map(({ line, reason, text }) => {
    const label = `${t("lookup.line", { line })}: ${t(`lookup.wrong_${reason}`)}: ${text}`;
    const inside = select ? h("button", { type: "button", class: "plain", onclick: () => select(line) }, label) : label;
    return h("li", {}, inside);
  });
  const rest = wrong.length - items.length;
  if (rest) items.push(h("li", {}, t("lookup.wrong_more", { n: rest })));
  place.replaceChildren(
    ...(wrong.length ? [h("p", {}, t("lookup.wrong_lines", { n: wrong.length })), h("ul", {}, items)] : []),
  );
  place.hidden = !wrong.length;
}
