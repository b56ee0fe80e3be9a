// Which columns of a list hold the run and the event number, by the rules of
// clients/eventindex/pair_lists/columns.py. Touches no element.

export const DELIMITERS = [",", ";", "\t", ":", "/", ""];

const RUN_NAMES = new Set(["run", "runnumber", "runnum", "runno", "runnr", "runid"]);
const EVENT_NAMES = new Set(
  ["event", "evt"].flatMap((word) => ["", "number", "num", "no", "nr", "id"].map((end) => word + end)),
);
const LUMI_NAMES = new Set(["lumi", "ls", "lumisection", "lumiblock", "luminosityblock", "lb", "lbn"]);
const NAME = /^[\p{L}_][\p{L}\p{N}_]*$/u;
const BLANK = "[\\s\\x1c-\\x1f\\x85]";
const BLANKS = new RegExp(`${BLANK}+`);
const AROUND = new RegExp(`^${BLANK}+|${BLANK}+$`, "g");

export const PLAIN = { run: 0, event: 1, width: 2, delimiter: null, byHand: false };

/** What "run,-,event" says; null for none, undefined where it makes no sense. */
export function parseColumns(text) {
  if (!text.trim()) return null;
  const words = text.split(",").map((word) => word.trim());
  const kinds = words.map(kindOf);
  if (words.some((word, i) => !kinds[i] && word !== "-")) return undefined;
  const count = (kind) => kinds.filter((each) => each === kind).length;
  if (count("run") !== 1 || count("event") !== 1) return undefined;
  return { ...places(kinds), delimiter: null, byHand: true };
}

/** What a line says as a header; null where it is none, "twice" where a number has two columns. */
export function ofHeader(line) {
  for (const delimiter of DELIMITERS) {
    const found = ofNames(split(line, delimiter));
    if (found === "twice") return found;
    if (!found || (!delimiter && !split(line, delimiter).every(isWord))) continue;
    return { ...found, delimiter, byHand: false };
  }
  return null;
}

/** The same for names of columns. */
export function ofNames(names) {
  const kinds = names.map(kindOf);
  if (!kinds.includes("run") || !kinds.includes("event")) return null;
  return kinds.filter(Boolean).length > 2 ? "twice" : places(kinds);
}

/** Whether names stand where columns said by hand have numbers. */
export function isNamed(line, columns) {
  return DELIMITERS.some((delimiter) =>
    pick(columns, split(line, delimiter))?.every((cell) => NAME.test(cell)),
  );
}

/** The cells of the run and the event number; null for a line of another width. */
export function pick({ run, event, width, byHand }, cells) {
  if (cells.length < width || (cells.length > width && !byHand)) return null;
  return [cells[run], cells[event]];
}

/** The cells of a line without the blanks and quotes around them. */
export function split(line, delimiter) {
  if (!delimiter) return line.split(BLANKS).filter(Boolean).map(unquoted);
  return (line.includes('"') ? csvCells(line, delimiter) : line.split(delimiter)).map(unquoted);
}

function unquoted(cell) {
  const text = cell.replace(AROUND, "");
  const quoted = text.length > 1 && text[0] === text.at(-1) && "\"'".includes(text[0]);
  return quoted ? text.slice(1, -1).replace(AROUND, "") : text;
}

function csvCells(line, delimiter) {
  const cells = [];
  let [cell, inside, begun] = ["", false, false];
  for (let i = 0; i < line.length; i += 1) {
    const c = line[i];
    if (inside && c === '"' && line[i + 1] === '"') cell += line[(i += 1)];
    else if (c === '"' && (inside || !begun)) [inside, begun] = [!inside, true];
    else if (!inside && c === delimiter) {
      cells.push(cell);
      [cell, begun] = ["", false];
    } else if (inside || begun || c !== " ") [cell, begun] = [cell + c, true];
  }
  return [...cells, cell];
}

const places = (kinds) => ({ run: kinds.indexOf("run"), event: kinds.indexOf("event"), width: kinds.length });

function kindOf(name) {
  const word = name.replace(/[\s_.-]+/g, "").toLowerCase();
  if (RUN_NAMES.has(word)) return "run";
  return EVENT_NAMES.has(word) ? "event" : null;
}

const isWord = (name) => kindOf(name) || LUMI_NAMES.has(name.toLowerCase());
