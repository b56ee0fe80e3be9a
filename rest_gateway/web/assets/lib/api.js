// Calls of the REST API: JSON with whole numbers of 64 bits, problem documents as errors,
// server-sent events, and the reader's token where the services ask for one.

const PREFIX = "/api/v1";
const TOKEN = "eventindex-token";
export const NEEDS_TOKEN = new Set([401, 403]);
// A string, or a whole number that a double may not hold; not the fraction of another.
const BIG = /"(?:[^"\\]|\\.)*"|(?<![\d.])-?\d{16,}(?![\d.eE])/g;

/** An answer that is a problem document; status 0: nobody answered. */
export class ApiError extends Error {
  constructor(status, problem = {}, retryAfter = null) {
    super(problem.detail ?? "");
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** One that a reader gave is kept until the tab is closed, that of a reader who signed in in memory
 * alone; who waits for another one hears of it. */
export const token = {
  held: "",
  // Until it is known whether the reader is signed in.
  ready: Promise.resolve(),
  // Whether there is another one in the place of the one that was refused.
  renew: async () => false,
  get: () => token.held || (sessionStorage.getItem(TOKEN) ?? ""),
  set(value) {
    dispatchEvent(new Event("tokengiven"));
    sessionStorage.setItem(TOKEN, value);
    dispatchEvent(new Event("tokenchange"));
  },
  hold(value) {
    const comes = value && !token.held;
    token.held = value;
    if (comes) dispatchEvent(new Event("tokenchange"));
  },
};

/** Parse JSON; whole numbers of more than 15 digits become strings of digits. */
export function parseJson(text) {
  return JSON.parse(text.replace(BIG, (part) => (part[0] === '"' ? part : `"${part}"`)));
}

/** The address of a call; parameters that are empty are left out. */
export function address(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value != null);
  const query = new URLSearchParams(given).toString();
  return (path.startsWith(PREFIX) ? path : PREFIX + path) + (query && `?${query}`);
}

async function send(where, options) {
  const headers = { "EventIndex-Request": "page", ...options.headers };
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  try {
    return await fetch(where, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0);
  }
}

/** Ask; gives the Response of an answer that is no problem. */
export async function ask(path, { parameters, ...options } = {}) {
  await token.ready;
  const where = address(path, parameters);
  let answer = await send(where, options);
  if (answer.status === 401 && (await token.renew())) answer = await send(where, options);
  if (answer.ok) return answer;
  if (NEEDS_TOKEN.has(answer.status)) dispatchEvent(new Event("tokenwanted"));
  const problem = await answer.json().catch(() => ({}));
  throw new ApiError(answer.status, problem, Number(answer.headers.get("Retry-After")) || null);
}

export async function getJson(path, parameters) {
  return parseJson(await (await ask(path, { parameters })).text());
}

export async function getLines(path, parameters) {
  const text = await (await ask(path, { parameters })).text();
  return text.split("\n").filter(Boolean).map(parseJson);
}

export async function postJson(path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await ask(path, { method: "POST", headers, body: JSON.stringify(body ?? null) });
  return parseJson(await answer.text());
}

/** The data of server-sent events until the server ends; EventSource cannot send a token. */
export async function* follow(path, signal) {
  const answer = await ask(path, { signal, headers: { Accept: "text/event-stream" } });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => line.startsWith("data:"));
      if (lines.length) yield parseJson(lines.map((line) => line.slice(5)).join("\n"));
    }
  }
}
