// A text area with line numbers that marks the lines that are no pairs while they are written.

import { h } from "./dom.js";
import { t } from "./texts.js";

// Lines above and below those that are seen that have numbers and marks too, for scrolling.
const BEYOND_LINES = 40;
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
  let lines = [""];
  let wrong = new Map();
  area.addEventListener("scroll", draw);
  new ResizeObserver(draw).observe(area);

  /** Number and mark the lines that are seen: a list may have any length. */
  function draw() {
    const height = lineHeight();
    const first = Math.max(0, Math.floor(area.scrollTop / height) - BEYOND_LINES);
    const last = Math.min(lines.length, Math.ceil((area.scrollTop + area.clientHeight) / height) + BEYOND_LINES);
    const places = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
    const around = (shown, width) => [space(first * height, width), ...shown, space((lines.length - last) * height, width)];
    numbers.replaceChildren(...around(places.map((i) => h("div", { class: wrong.has(i + 1) ? "wrong" : null }, String(i + 1)))));
    marks.replaceChildren(...around(places.map((i) => h("div", {}, wrong.has(i + 1) ? h("mark", {}, lines[i]) : lines[i])), area.scrollWidth));
    numbers.style.minWidth = `calc(${String(lines.length).length}ch + 1rem)`;
    numbers.scrollTop = marks.scrollTop = area.scrollTop;
    marks.scrollLeft = area.scrollLeft;
  }

  const lineHeight = () => parseFloat(getComputedStyle(area).lineHeight);

  function space(height, width = 0) {
    const found = h("div");
    found.style.height = `${height}px`;
    if (width) found.style.width = `${width}px`;
    return found;
  }

  function check() {
    const found = read(area.value);
    lines = area.value.split("\n");
    wrong = new Map(found.wrong.map((each) => [each.line, each]));
    draw();
    area.setAttribute("aria-invalid", String(found.wrong.length > 0));
    listWrong(wrongPlace, found.wrong, select);
    onchange(found);
  }

  function select(line) {
    const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + lines[line - 1].length);
    area.scrollTop = Math.max(0, (line - 3) * lineHeight());
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
