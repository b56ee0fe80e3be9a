// A file with a list: its text where it is some, by the rules of clients/eventindex/pair_lists/source.py.
// What the browser does not read is for the gateway: compression, Parquet, Arrow. Touches no element.

// gzip, zst, Parquet, an Arrow file, an Arrow stream, UTF-32.
const FOR_THE_GATEWAY = ["1f8b", "28b52ffd", "50415231", "4152524f5731", "ffffffff", "fffe0000", "0000feff"];
const MARKS = { fffe: "utf-16le", feff: "utf-16be" };
const HEAD_BYTES = 8;

/** The text of a file; null where the gateway has to read it. */
export async function textOf(file) {
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const hex = [...head].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (FOR_THE_GATEWAY.some((magic) => hex.startsWith(magic))) return null;
  const text = new TextDecoder(encodingOf(head, hex)).decode(await file.arrayBuffer());
  return text.includes("\0") ? null : text;
}

/** Without a mark it is UTF-16 where every second byte is zero, and only these. */
function encodingOf(head, hex) {
  const marked = MARKS[hex.slice(0, 4)];
  if (marked || head.length < 2) return marked ?? "utf-8";
  const first = head.slice(0, head.length < 4 ? 2 : 4);
  const zeros = (place) => first.every((byte, i) => (byte === 0) === (i % 2 === place));
  if (zeros(1)) return "utf-16le";
  return zeros(0) ? "utf-16be" : "utf-8";
}
