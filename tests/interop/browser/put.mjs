// An app's page, on an origin of its own, uploads with fetch: to Wharf for a signed URL, then to the store. Both must let
// the browser through (CORS), and Wharf only for the origins in its configuration.

import assert from "node:assert/strict";
import { createServer } from "node:http";

import { check, finish, setting } from "../report.mjs";
import { launch } from "./chromium.mjs";

const api = `${setting("INTEROP_API")}/api/v1/upload`;
const key = setting("INTEROP_KEY");
const allowed = new URL(setting("INTEROP_APP_ORIGIN"));

const serve = (port) =>
  new Promise((resolve) => {
    const app = createServer((_, response) => response.setHeader("content-type", "text/html").end("<title>app</title>"));
    app.listen(port, "127.0.0.1", () => resolve(app));
  });

/** Runs in the page. */
async function uploadAndReadBack({ api, key }) {
  const ask = async (route, body) => {
    const headers = { "content-type": "application/json", "x-api-key": key };
    const response = await fetch(`${api}/${route}`, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: response.status, id: response.headers.get("x-request-id"), ...(await response.json()) };
  };
  const body = crypto.getRandomValues(new Uint8Array(50_000));
  const signed = await ask("seaweedfs-files/signed-url", { filename: "from a page.bin", contentType: "image/png" });
  const put = await fetch(signed.uploadUrl, { method: "PUT", body, headers: { "content-type": "image/png" } });
  const download = await ask("download/seaweedfs-files/signed-url", { key: signed.key });
  const read = await fetch(download.downloadUrl);
  const bytes = new Uint8Array(await read.arrayBuffer());
  return {
    status: put.status,
    etag: put.headers.get("etag"),
    type: read.headers.get("content-type"),
    same: bytes.length === body.length && bytes.every((byte, index) => byte === body[index]),
  };
}

const app = await serve(allowed.port);
const stranger = await serve(0);
const browser = await launch();

await check("browser: fetch uploads through a signed URL, sees the ETag, and reads the same bytes back", async () => {
  const page = await browser.newPage();
  await page.goto(allowed.href);
  const outcome = await page.evaluate(uploadAndReadBack, { api, key });
  assert.match(outcome.etag ?? "", /^"[0-9a-f]{32}"$/);
  assert.deepEqual({ ...outcome, etag: null }, { status: 200, etag: null, type: "image/png", same: true });
});

await check("browser: a page of an origin that is not configured may not call Wharf", async () => {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${stranger.address().port}`);
  await assert.rejects(page.evaluate(uploadAndReadBack, { api, key }), /Failed to fetch/);
});

await browser.close();
app.close();
stranger.close();
finish();
