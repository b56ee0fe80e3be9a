// Pairs as people write them, by the rules of clients/eventindex/pair_lists/lines.py: "run event",
// "run,event", "run:event" or "run/event", one a line, or columns that are named by a header or by
// hand. Blank lines and # comments are skipped. Touches no element.

import { parseJson } from "./api.js";
import { DELIMITERS, PLAIN, isNamed, ofHeader, ofNames, pick, split } from "./columns.js";

const NUMBER_MAX = 2n ** 63n - 1n;
const LINE_BYTES_MAX = 64 * 1024;
const SPACE = "[ \\t\\v\\f]";
const LINE = new RegExp(`^${SPACE}*([0-9]+)(?:${SPACE}+|${SPACE}*[,:/]${SPACE}*)([0-9]+)${SPACE}*$`);
const DIGITS = /^[0-9]+$/;
const BLANK = new RegExp(`^${SPACE}*$`);
const DELIMITER_LINE = /^"?sep=."?\s*$/i;

/**
 * What a text says.
 *
 * @param byHand what the columns are, see parseColumns; null without a word about them.
 * @returns {{pairs: number, wrong: {line: number, reason: string, text: string}[]}} how many pairs
 * there are, and the lines that are none, from 1; reason is "shape", "range", "columns" where
 * there are more numbers than two, "width" where there are not as many as the header has, or "twice"
 * where the header has two columns for the same number: nothing is read then.
 */
export function readPairs(text, byHand = null) {
  const list = { columns: byHand ?? PLAIN, json: false, first: true };
  const wrong = [];
  let pairs = 0;
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/);
  for (const [index, line] of lines.entries()) {
    const content = line.split("#", 1)[0];
    if (BLANK.test(content) || saysNothing(content, list)) continue;
    if (list.twice) return { pairs: 0, wrong: [{ line: index + 1, reason: "twice", text: shown(content) }] };
    const reason = problem(line, content, list);
    if (reason) wrong.push({ line: index + 1, reason, text: shown(content) });
    else pairs += 1;
  }
  return { pairs, wrong };
}

const shown = (content) => content.trim().slice(0, 60);

/** Whether a line is a header, or a bracket around lines of JSON; takes what it says. */
function saysNothing(content, list) {
  const word = content.trim();
  if (!list.first) return list.json && (word === "[" || word === "]");
  if (DELIMITER_LINE.test(content)) return true;
  list.first = false;
  if (word.startsWith("{") || word.startsWith("[{") || word === "[") {
    list.json = true;
    return word === "[";
  }
  const columns = ofHeader(content);
  if (columns === "twice") list.twice = true;
  if (columns === "twice") return false;
  if (list.columns.byHand) return columns !== null || isNamed(content, list.columns);
  list.columns = columns ?? list.columns;
  return columns !== null;
}

/** What is wrong with a line; "" where it is a pair. */
function problem(line, content, { columns, json }) {
  if (line.length > LINE_BYTES_MAX) return "shape";
  const numbers = json ? ofJson(line) : numbersOf(line, content, columns);
  if (numbers) return numbers.every(fits) ? "" : "range";
  return json ? "shape" : trouble(content, columns);
}

function numbersOf(line, content, columns) {
  const match = columns.width === 2 && LINE.exec(content);
  if (match) return [match[1], match[2]];
  const texts = columns.width === 2 || content === line ? [content] : [line, content];
  for (const text of texts)
    for (const delimiter of delimitersOf(columns)) {
      const picked = pick(columns, split(text, delimiter));
      if (picked?.every((cell) => DIGITS.test(cell))) return picked;
    }
  return null;
}

function delimitersOf({ delimiter, byHand }) {
  if (delimiter !== null) return [delimiter];
  return byHand ? DELIMITERS : DELIMITERS.filter((each) => each !== ";");
}

function trouble(content, { width, delimiter }) {
  if (width === 2) {
    const wide = DELIMITERS.map((each) => split(content, each)).some(
      (cells) => cells.length > 2 && cells.filter((cell) => DIGITS.test(cell)).length > 1,
    );
    return wide ? "columns" : "shape";
  }
  if (delimiter === null) return "shape";
  return [1, width].includes(split(content, delimiter).length) ? "shape" : "width";
}

function ofJson(line) {
  let record;
  try {
    record = parseJson(line.trim().replace(/^\[/, "").replace(/,$/, "").replace(/\]$/, ""));
  } catch {
    return null;
  }
  if (typeof record !== "object" || record === null || Array.isArray(record)) return null;
  const columns = ofNames(Object.keys(record));
  if (!columns || columns === "twice") return null;
  const values = Object.values(record);
  const pair = [values[columns.run], values[columns.event]].map(String);
  return pair.every((value) => DIGITS.test(value)) ? pair : null;
}

// Up to 18 digits always fit.
const fits = (digits) => digits.length <= 18 || (digits.length <= 1000 && BigInt(digits) <= NUMBER_MAX);
