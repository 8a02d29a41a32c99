// An app behind Wharf ([upstream]), as users meet it: one origin for its pages, its uploads, its events and its WebSocket,
// and for Wharf's upload API. The app is Node's own HTTP server, the user a Chromium.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { launch } from "./browser/chromium.mjs";
import { check, finish, setting } from "./report.mjs";

const KEY = "interop_app_key_0123456789";
const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

// --- The app ------------------------------------------------------------------------------------------------------------

const PAGE = `<!doctype html><title>the app</title>
<form method=post enctype=multipart/form-data action=/files><input type=file name=file><button>Send</button></form>`;

/** Answers what a browser asks of it. */
function answer(request, response) {
  const { pathname } = new URL(request.url, "http://app");
  if (pathname === "/") {
    response.writeHead(200, { "content-type": "text/html", "set-cookie": ["session=1; Path=/", "theme=dark; Path=/"] });
    return response.end(PAGE);
  }
  if (pathname === "/files") return takeFile(request, response);
  if (pathname === "/events") return sendEvents(response);
  if (pathname === "/who") {
    const { host, cookie } = request.headers;
    const forwarded = Object.entries(request.headers).filter(([name]) => name.startsWith("x-forwarded-"));
    return response.end(JSON.stringify({ url: request.url, host, cookie, ...Object.fromEntries(forwarded) }));
  }
  response.writeHead(404, { "content-type": "text/plain" });
  response.end("the app has no such page");
}

async function takeFile(request, response) {
  const digest = createHash("sha256");
  let bytes = 0;
  for await (const piece of request) {
    digest.update(piece);
    bytes += piece.length;
  }
  response.end(JSON.stringify({ bytes, sha256: digest.digest("hex") }));
}

/** Three events; each waits for the page to have acknowledged the one before. */
let acknowledge;
async function sendEvents(response) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const number of [1, 2, 3]) {
    const seen = new Promise((resolve) => (acknowledge = resolve));
    response.write(`data: ${number}\n\n`);
    await seen;
  }
  response.end();
}

/** Speaks just enough WebSocket: says each short text back, and "late" after a quiet while. */
function upgrade(request, socket) {
  const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + WEBSOCKET_GUID).digest("base64");
  const say = (text) => socket.write(Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]));
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
  );
  let read = Buffer.alloc(0);
  socket.on("data", (piece) => {
    read = Buffer.concat([read, piece]);
    while (read.length >= 6 && read.length >= 6 + (read[1] & 0x7f)) {
      const [opcode, length] = [read[0] & 0x0f, read[1] & 0x7f];
      const mask = read.subarray(2, 6);
      const text = Buffer.from(read.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4]));
      read = read.subarray(6 + length);
      // A close is answered with the same.
      if (opcode === 8) socket.end(Buffer.concat([Buffer.from([0x88, length]), text]));
      else if (text.toString() === "wait") setTimeout(() => say("late"), 3000);
      else say(text.toString());
    }
  });
  socket.on("error", () => {});
}

// --- Wharf in front of it -----------------------------------------------------------------------------------------------

const listening = (server) =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));

async function freePort() {
  const socket = createSocket();
  const port = await listening(socket);
  await new Promise((resolve) => socket.close(resolve));
  return port;
}

async function startWharf(appPort, directory) {
  const [api, admin] = [await freePort(), await freePort()];
  const config = join(directory, "wharf.toml");
  // Timeouts that a quiet WebSocket outlives.
  await writeFile(
    config,
    `[server]
api_listen = "127.0.0.1:${api}"
admin_listen = "127.0.0.1:${admin}"
data_directory = "${directory}"
[server.limits]
header_timeout_seconds = 1
idle_timeout_seconds = 1
[upstream]
endpoint = "http://127.0.0.1:${appPort}"
[[keys]]
id = "${KEY}"
allow = []
`,
  );
  const wharf = spawn(setting("WHARF"), ["--config", config, "serve"], { stdio: "ignore" });
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const ready = await fetch(`http://127.0.0.1:${admin}/readyz`).catch(() => null);
    if (ready?.ok) return { wharf, origin: `http://127.0.0.1:${api}` };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  wharf.kill();
  throw new Error("Wharf did not start");
}

const app = createServer(answer).on("upgrade", upgrade);
app.on("request", (request) => request.url === "/seen" && acknowledge?.());
const directory = await mkdtemp(join(tmpdir(), "wharf-app-"));
const { wharf, origin } = await startWharf(await listening(app), directory);
const browser = await launch();

// --- The checks ---------------------------------------------------------------------------------------------------------

const page = await browser.newPage();
await page.goto(`${origin}/`);

await check("app: its page comes through Wharf's port, with both of its cookies", async () => {
  assert.equal(await page.title(), "the app");
  const cookies = (await page.context().cookies()).map(({ name }) => name).sort();
  assert.deepEqual(cookies, ["session", "theme"]);
});

await check("app: a form with a file of 8 MiB arrives, byte for byte of its multipart body", async () => {
  const file = Buffer.alloc(8 * 1024 * 1024, "wharf");
  await page.setInputFiles("input[type=file]", { name: "a file.bin", mimeType: "application/octet-stream", buffer: file });
  await Promise.all([page.waitForURL(`${origin}/files`), page.click("button")]);
  const { bytes } = JSON.parse(await page.textContent("body"));
  assert.ok(bytes > file.length && bytes < file.length + 1000, `${bytes} bytes`);
  const body = new Uint8Array(3_000_000).fill(7);
  const sent = await fetch(`${origin}/files`, { method: "POST", body });
  assert.equal((await sent.json()).sha256, createHash("sha256").update(body).digest("hex"));
});

await check("app: it is told its client's address and the host that was asked for, and the target as it was sent", async () => {
  const headers = { "x-forwarded-for": "203.0.113.1", cookie: "a=b" };
  const told = await (await fetch(`${origin}/who?q=100%25&//x`, { headers })).json();
  assert.deepEqual(told, {
    url: "/who?q=100%25&//x",
    host: new URL(origin).host,
    cookie: "a=b",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "http",
    "x-forwarded-host": new URL(origin).host,
  });
});

await check("app: server-sent events reach the page one by one", async () => {
  await page.goto(`${origin}/`);
  const heard = await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const numbers = [];
        const events = new EventSource("/events");
        events.onerror = () => reject(new Error(`the events ended after ${numbers}`));
        events.onmessage = async ({ data }) => {
          numbers.push(data);
          if (numbers.length === 3) {
            events.close();
            resolve(numbers);
          }
          await fetch("/seen");
        };
      }),
  );
  assert.deepEqual(heard, ["1", "2", "3"]);
});

await check("app: a WebSocket opens, talks, is quiet for longer than HTTP may be, talks again, and closes in order", async () => {
  const outcome = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const heard = [];
        const socket = new WebSocket(`${location.origin.replace("http", "ws")}/socket`);
        socket.onopen = () => socket.send("hello");
        socket.onmessage = ({ data }) => {
          heard.push(data);
          if (data === "hello") socket.send("wait");
          else socket.close(1000);
        };
        socket.onclose = ({ code, wasClean }) => resolve({ heard, code, wasClean });
      }),
  );
  assert.deepEqual(outcome, { heard: ["hello", "late"], code: 1000, wasClean: true });
});

await check("app: Wharf's own API answers beside it, without CORS, to the same page", async () => {
  const outcome = await page.evaluate(async (key) => {
    const valid = await fetch("/api/v1/upload/validate-key", { method: "POST", headers: { "x-api-key": key } });
    const missing = await fetch("/no/such/page");
    return { valid: (await valid.json()).success, status: missing.status, text: await missing.text() };
  }, KEY);
  assert.deepEqual(outcome, { valid: true, status: 404, text: "the app has no such page" });
});

await browser.close();
wharf.kill();
app.closeAllConnections();
app.close();
await rm(directory, { recursive: true, force: true });
finish();
