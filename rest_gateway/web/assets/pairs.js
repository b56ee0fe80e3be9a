// Pairs as people write them, by the rules of clients/eventindex/pair_text.py: "run event",
// "run,event", "run:event" or "run/event", one a line; a header, blank lines and # comments are
// skipped. Touches no element.

const NUMBER_MAX = 2n ** 63n - 1n;
const LINE_BYTES_MAX = 64 * 1024;
const SPACE = "[ \\t\\v\\f]";
const BETWEEN = `(?:${SPACE}+|${SPACE}*[,:/]${SPACE}*)`;
const RUN = '"?run(?:_?number)?"?';
const EVENT = '"?event(?:_?number)?"?';
const LINE = new RegExp(`^${SPACE}*([0-9]+)${BETWEEN}([0-9]+)${SPACE}*$`);
const HEADER = new RegExp(`^${SPACE}*${RUN}${BETWEEN}${EVENT}${SPACE}*$`, "i");
const SWAPPED = new RegExp(`^${SPACE}*${EVENT}${BETWEEN}${RUN}${SPACE}*$`, "i");
const BLANK = new RegExp(`^${SPACE}*$`);

/**
 * What a text says.
 *
 * @returns {{pairs: number, wrong: {line: number, reason: string, text: string}[]}} how many pairs
 * there are, and the lines that are none, from 1; reason is "shape" or "range".
 */
export function readPairs(text) {
  const wrong = [];
  let pairs = 0;
  let headerAllowed = true;
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/);
  lines.forEach((line, index) => {
    const content = line.split("#", 1)[0];
    if (BLANK.test(content)) return;
    const header = headerAllowed && (HEADER.test(content) || SWAPPED.test(content));
    headerAllowed = false;
    if (header) return;
    const reason = problem(content);
    if (reason) wrong.push({ line: index + 1, reason, text: content.trim().slice(0, 60) });
    else pairs += 1;
  });
  return { pairs, wrong };
}

function problem(content) {
  const match = content.length <= LINE_BYTES_MAX && LINE.exec(content);
  if (!match) return "shape";
  return match.slice(1).every(fits) ? "" : "range";
}

// Up to 18 digits always fit.
const fits = (digits) => digits.length <= 18 || (digits.length <= 1000 && BigInt(digits) <= NUMBER_MAX);
