// Uppy, versions 5 and 6, as npm has them: the dashboard in a page of an app, uploads through Wharf's routes for it to a real
// store. Small files, large ones in parts, a reload in the middle, and a person who changes their mind.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { GetObjectCommand, HeadObjectCommand, ListMultipartUploadsCommand, S3Client } from "@aws-sdk/client-s3";
import { build } from "esbuild";

import { check, finish, setting } from "../report.mjs";
import { launch } from "./chromium.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const api = setting("INTEROP_API");
const origin = new URL(setting("INTEROP_APP_ORIGIN"));
const companion = `${api}/companion`;
const s3 = setting("INTEROP_S3");
const store = new S3Client({
  endpoint: s3,
  region: "us-east-1",
  credentials: { accessKeyId: setting("INTEROP_S3_KEY"), secretAccessKey: setting("INTEROP_S3_SECRET") },
  forcePathStyle: true,
});
const FORMS = "seaweedfs-whole";
/** A part of a bucket, in a store as if it took no forms. */
const NO_FORMS = "seaweedfs-no-forms";
/** A part of a bucket, whose forms the store would take. */
const BELOW = "seaweedfs-files";
const LARGE_BYTES = 120_000_000;
/** Slow enough that there is a middle to reload in. */
const SLOW_BYTES_PER_SECOND = 12_000_000;

/** The page's script with one version of Uppy, and its styles. */
async function bundle(version) {
  const made = await build({
    entryPoints: [join(here, "uppy-page.mjs")],
    nodePaths: [join(here, "..", `uppy-${version}`, "node_modules")],
    bundle: true,
    format: "iife",
    write: false,
    outdir: "/page",
    loader: { ".svg": "dataurl" },
  });
  const text = (suffix) => made.outputFiles.find((file) => file.path.endsWith(suffix)).text;
  return { script: text(".js"), styles: text(".css") };
}

const bundles = { 5: await bundle(5), 6: await bundle(6) };
const app = await new Promise((resolve) => {
  const server = createServer((request, response) => {
    const { script, styles } = bundles[request.url.slice(1)] ?? { script: "", styles: "" };
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><meta charset="utf-8"><title>app</title><style>${styles}</style>
<div id="dashboard"></div><script>${script.replaceAll("</script", "<\\/script")}</script>`);
  });
  server.listen(origin.port, "127.0.0.1", () => resolve(server));
});
const browser = await launch();
const folder = mkdtempSync(join(tmpdir(), "wharf-uppy-"));

async function mint(bucket) {
  const response = await fetch(`${api}/api/v1/upload/uppy-token`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": setting("INTEROP_KEY") },
    body: JSON.stringify({ bucket }),
  });
  assert.equal(response.status, 200);
  return (await response.json()).token;
}

/** What the page is told. */
const addresses = async (bucket) => ({ companion, s3, bucket, key: setting("INTEROP_KEY"), token: await mint(bucket) });

/** A page of its own, with nothing remembered; `requests` are those to Wharf and to stores. */
async function open(way, at) {
  const context = await browser.newContext({ viewport: { width: 900, height: 800 } });
  const page = await context.newPage();
  page.requests = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(origin.origin)) page.requests.push(`${request.method()} ${request.url()}`);
  });
  page.start = async () => {
    await page.goto(`${origin.origin}/${way[0]}`);
    await page.evaluate(([way, at]) => window.begin(way, at), [way, at]);
  };
  await page.start();
  return page;
}

function file(name, bytes) {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Picks the file in the dashboard and presses its button. */
async function pick(page, path) {
  await page.setInputFiles(".uppy-Dashboard-input >> nth=0", path);
  await page.click(".uppy-StatusBar-actionBtn--upload");
}

/** Waits for the end of the upload, and gives what Uppy says of it. */
async function uploaded(page) {
  await page.waitForFunction(() => window.seen.uploads.length + window.seen.errors.length > 0, null, { timeout: 120_000 });
  const { uploads, errors } = await page.evaluate(() => window.seen);
  assert.deepEqual(errors, []);
  return uploads[0];
}

const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** The object as a client of Wharf reads it. */
async function stored(bucket, key) {
  const object = await store.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  return { ...object, bytes: Buffer.from(await object.Body.transformToByteArray()) };
}

async function openUploads(bucket, key) {
  const { Uploads } = await store.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return (Uploads ?? []).filter((upload) => key === undefined || upload.Key === key);
}

const puts = (page) => page.requests.filter((request) => request.startsWith("PUT ") && request.includes("partNumber="));

/** Makes the way to the stores slow. */
async function slow(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: SLOW_BYTES_PER_SECOND,
  });
}

const WAYS = ["5, with a key", "5, with a token", "6, companionEndpoint", "6, signRequest", "6, getCredentials"];
const small = randomBytes(300_001);

for (const way of WAYS) {
  for (const bucket of [FORMS, NO_FORMS, BELOW]) {
    await check(`uppy ${way}: a small file lands byte for byte in ${bucket}`, async () => {
      const page = await open(way, await addresses(bucket));
      await pick(page, file("Möwe am Kai (1).png", small));
      const upload = await uploaded(page);
      const object = await stored(bucket, upload.key);
      assert.equal(digest(object.bytes), digest(small));
      assert.equal(object.ContentType, "image/png");
      assert.ok(upload.key.endsWith(".png"), upload.key);
      // Version 5 reads it from the answer to the form, where SeaweedFS has none.
      const isTold = way[0] !== "5" || bucket !== FORMS;
      if (isTold) assert.ok(decodeURIComponent(upload.uploadURL).endsWith(upload.key), upload.uploadURL);
      await page.context().close();
    });
  }
}

const atStore = setting("S3_ENDPOINT");

for (const [way, bucket, expected] of [
  ["5, with a key", FORMS, `POST ${atStore}/`],
  ["6, companionEndpoint", FORMS, `POST ${atStore}/`],
  ["5, with a key", NO_FORMS, `PUT ${atStore}/`],
  ["6, companionEndpoint", NO_FORMS, `POST ${s3}/`],
]) {
  await check(`uppy ${way}: a small file goes to ${bucket} as ${expected.split(" ")[0]} ${expected.includes(s3) ? "through Wharf" : "to the store"}`, async () => {
    const page = await open(way, await addresses(bucket));
    await pick(page, file("small.bin", small));
    await uploaded(page);
    assert.ok(page.requests.some((request) => request.startsWith(expected)), page.requests.join(" | "));
    await page.context().close();
  });
}

const large = randomBytes(LARGE_BYTES);
const largePath = file("large.bin", large);

for (const way of WAYS) {
  await check(`uppy ${way}: 120 MB in parts survive a reload in the middle`, async () => {
    const at = await addresses(FORMS);
    const page = await open(way, at);
    await slow(page);
    await pick(page, largePath);
    await page.waitForFunction(() => window.seen.parts >= 3, null, { timeout: 60_000 });
    // What the page remembers is written a moment later.
    await page.waitForTimeout(1_500);
    page.requests.length = 0;
    await page.start();
    await page.waitForFunction(() => window.seen.restored);
    await page.click(".uppy-StatusBar-actionBtn--upload");
    const upload = await uploaded(page);
    const sent = new Set(puts(page).map((request) => new URL(request.slice(4)).searchParams.get("partNumber")));
    assert.ok(sent.size > 0 && !sent.has("1"), `sent again: ${[...sent]}`);
    const object = await stored(FORMS, upload.key);
    assert.equal(digest(object.bytes), digest(large));
    assert.deepEqual(await openUploads(FORMS, upload.key), []);
    await page.context().close();
  });

  await check(`uppy ${way}: who cancels leaves nothing behind`, async () => {
    const before = await openUploads(FORMS);
    const page = await open(way, await addresses(FORMS));
    await slow(page);
    await pick(page, largePath);
    await page.waitForFunction(() => window.seen.parts >= 2, null, { timeout: 60_000 });
    const begun = (await openUploads(FORMS)).filter((one) => !before.some((other) => other.UploadId === one.UploadId));
    assert.equal(begun.length, 1);
    const aborted = page.waitForResponse((response) => response.request().method() === "DELETE");
    await page.click(".uppy-StatusBar-actionCircleBtn >> nth=-1");
    assert.ok((await aborted).ok());
    assert.deepEqual(await openUploads(FORMS, begun[0].Key), []);
    await assert.rejects(store.send(new HeadObjectCommand({ Bucket: FORMS, Key: begun[0].Key })), { name: "NotFound" });
    await page.context().close();
  });
}

await check("uppy 6 shows what Wharf says when it refuses", async () => {
  const at = { ...(await addresses(FORMS)), bucket: NO_FORMS };
  const page = await open("6, companionEndpoint", at);
  await pick(page, file("small.bin", small));
  await page.waitForFunction(() => window.seen.errors.length > 0);
  const [message] = await page.evaluate(() => window.seen.errors);
  assert.match(message, /Companion request failed: .*[a-z]{4}/);
  await page.context().close();
});

await browser.close();
app.close();
rmSync(folder, { recursive: true });
finish();
