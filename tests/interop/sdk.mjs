// The unmodified SDK of npm, @obitox/upload 1.0.0: its only setting is `baseUrl`. It brings its own credentials with each
// request and no endpoint, so Wharf's `upload.callers.default_endpoints` says where they are good.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

import ObitoX from "@obitox/upload";

import { check, finish, setting } from "./report.mjs";

// The SDK prints what it does; only what was checked is worth a line here.
const say = console.log;
console.log = (line, ...rest) => /^(ok|FAILED) /.test(line) && say(line, ...rest);
console.error = () => {};

const credentials = {
  s3AccessKey: setting("AWS_ACCESS_KEY_ID"),
  s3SecretKey: setting("AWS_SECRET_ACCESS_KEY"),
  s3Bucket: "sdk",
  s3Region: "us-east-1",
};

/** What was asked of Wharf and answered with a success: `METHOD /path`. */
const served = new Set();
const fetched = globalThis.fetch;
globalThis.fetch = async (url, options = {}) => {
  const response = await fetched(url, options);
  const asked = new URL(url);
  if (response.ok && asked.origin === new URL(setting("INTEROP_API")).origin) {
    served.add(`${options.method ?? "GET"} ${asked.pathname}`);
  }
  return response;
};

const client = (secret) =>
  new ObitoX({ apiKey: setting("INTEROP_SDK_KEY"), apiSecret: secret, baseUrl: setting("INTEROP_API") });
const sdk = client(setting("INTEROP_SDK_SECRET"));

/** The object's key in a URL of the form that the store has: /bucket/key. */
const keyIn = (url) => decodeURIComponent(new URL(url).pathname.split("/").slice(2).join("/"));

async function bytesAt(url) {
  const response = await fetch(url);
  assert.equal(response.status, 200, `GET ${new URL(url).pathname} was answered with ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

const download = (key) => sdk.downloadFile({ provider: "S3", key, ...credentials });

await check("SDK: validateApiKey", async () => {
  const reply = await sdk.validateApiKey();
  assert.equal(reply.success, true);
});

const photo = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1, 2, 3, 250, 251]);
const names = ["my photo (1).jpg", "note.txt", "résumé 日本.pdf", "a+b&c=d%20.txt", "README"];
for (const name of names) {
  await check(`SDK: uploadFile and downloadFile, byte for byte: ${name}`, async () => {
    const progress = [];
    const file = new File([photo], name, { type: name.endsWith(".jpg") ? "image/jpeg" : "" });
    const url = await sdk.uploadFile(file, {
      provider: "S3",
      ...credentials,
      onProgress: (percent) => progress.push(percent),
    });
    assert.ok(url.startsWith(setting("S3_ENDPOINT")), `the object's URL is ${url}`);
    assert.deepEqual(progress, [0, 100]);
    assert.deepEqual(await bytesAt(await download(keyIn(url))), photo);
  });
}

// The store here does not take metadata from a query, as S3 does; that the upload goes through all the same is the point.
await check("SDK: an upload of 8 MiB with metadata and a storage class", async () => {
  const bytes = Buffer.alloc(8 << 20, "wharf ");
  const file = new File([bytes], "big.bin", { type: "application/octet-stream" });
  const options = { provider: "S3", ...credentials, s3StorageClass: "STANDARD", metadata: { origin: "interop" } };
  const key = keyIn(await sdk.uploadFile(file, options));
  assert.deepEqual(await bytesAt(await download(key)), bytes);
});

await check("SDK: batchUploadS3 of 25 files, each uploaded and read back", async () => {
  const files = Array.from({ length: 25 }, (_, index) => ({
    filename: `part ${index}.txt`,
    contentType: "text/plain",
    fileSize: 10,
  }));
  const reply = await sdk.batchUploadS3({ files, ...credentials });
  assert.deepEqual(reply.summary, { total: 25, successful: 25, failed: 0 });
  assert.deepEqual(reply.results.map((result) => result.originalFilename), files.map((file) => file.filename));
  assert.equal(new Set(reply.results.map((result) => result.key)).size, 25);
  await Promise.all(
    reply.results.map(async ({ uploadUrl, contentType, key, index }) => {
      const body = `body no ${String(index).padStart(2, "0")}`;
      const stored = await fetch(uploadUrl, { method: "PUT", body, headers: { "Content-Type": contentType } });
      assert.equal(stored.status, 200);
      assert.equal(String(await bytesAt(await download(key))), body);
    }),
  );
});

await check("SDK: r2 upload and getSignedDownloadUrl", async () => {
  const r2 = sdk.r2({
    accessKey: credentials.s3AccessKey,
    secretKey: credentials.s3SecretKey,
    accountId: "0123456789abcdef0123456789abcdef",
    bucket: "sdk",
  });
  const url = await r2.upload(new File([photo], "r2.jpg", { type: "image/jpeg" }), {});
  const signed = await r2.getSignedDownloadUrl({ fileKey: keyIn(url) });
  assert.deepEqual(await bytesAt(signed), photo);
});

const bucket = () => sdk.s3({ ...provider(), bucket: credentials.s3Bucket, region: credentials.s3Region });
const r2Bucket = () =>
  sdk.r2({ ...provider(), accountId: "0123456789abcdef0123456789abcdef", bucket: credentials.s3Bucket });

function provider() {
  return { accessKey: credentials.s3AccessKey, secretKey: credentials.s3SecretKey };
}

/** Uploads an empty file for each name; the keys under which they are. */
async function uploaded(names) {
  const files = names.map((filename) => ({ filename, contentType: "text/plain", fileSize: 0 }));
  const { results } = await sdk.batchUploadS3({ files, ...credentials });
  const sent = results.map(({ uploadUrl, contentType }) =>
    fetch(uploadUrl, { method: "PUT", body: "", headers: { "Content-Type": contentType } }),
  );
  for (const stored of await Promise.all(sent)) assert.equal(stored.status, 200);
  return results.map(({ key }) => key);
}

async function keysListed(list) {
  const keys = [];
  let token;
  do {
    const page = await list(token);
    keys.push(...page.files.map((file) => file.key));
    token = page.nextContinuationToken ?? page.continuationToken;
  } while (token);
  return keys;
}

await check("SDK: list goes through all pages, odd names among them, for S3 and R2", async () => {
  const keys = (await uploaded(["a b+c.txt", "résumé 日本.pdf", "x&y=z%20.txt", "plain"])).sort();
  const prefix = "upl";
  const s3 = await keysListed((continuationToken) => bucket().list({ prefix, maxKeys: 3, continuationToken }));
  const r2 = await keysListed((continuationToken) => r2Bucket().list({ prefix, maxKeys: 3, continuationToken }));
  assert.deepEqual(s3, [...s3].sort());
  assert.deepEqual(r2, s3);
  assert.deepEqual(keys.filter((key) => s3.includes(key)), keys);
  const { files } = await bucket().list({ prefix: keys[0] });
  assert.equal(files.length, 1);
  assert.equal(files[0].size, 0);
  assert.ok(!Number.isNaN(Date.parse(files[0].lastModified)));
  assert.match(files[0].etag, /^"[0-9a-f]{32}"$/);
});

await check("SDK: getMetadata", async () => {
  const file = new File([photo], "described.jpg", { type: "image/jpeg" });
  const key = keyIn(await sdk.uploadFile(file, { provider: "S3", ...credentials }));
  const { metadata } = await bucket().getMetadata({ key, ...credentials });
  assert.equal(metadata.key, key);
  assert.equal(metadata.size, photo.length);
  assert.equal(metadata.contentType, "image/jpeg");
  assert.equal(metadata.storageClass, "STANDARD");
  assert.match(metadata.etag, /^"[0-9a-f]{32}"$/);
  await assert.rejects(bucket().getMetadata({ key: `${key}x`, ...credentials }), /404 .*"FILE_NOT_FOUND"/);
});

await check("SDK: deleteFile of S3, and what is not there is told", async () => {
  const [key] = await uploaded(["to delete (1).txt"]);
  await sdk.deleteFile({ provider: "S3", key, ...credentials });
  assert.equal((await fetch(await download(key))).status, 404);
  await assert.rejects(sdk.deleteFile({ provider: "S3", key, ...credentials }), /404 .*"FILE_NOT_FOUND"/);
});

await check("SDK: r2 delete", async () => {
  const [key] = await uploaded(["r2.txt"]);
  await r2Bucket().delete({ fileUrl: `https://pub.example.com/${key}` });
  assert.equal((await fetch(await download(key))).status, 404);
});

await check("SDK: batchDelete of S3 and R2", async () => {
  const keys = await uploaded(Array.from({ length: 100 }, (_, index) => `batch ${index}&<>"'.txt`));
  const { deleted, deletedCount, errors } = await bucket().batchDelete({ keys: keys.slice(0, 60) });
  assert.deepEqual([deleted, deletedCount, errors], [keys.slice(0, 60), 60, []]);
  const rest = await sdk.batchDeleteR2({
    r2AccessKey: credentials.s3AccessKey,
    r2SecretKey: credentials.s3SecretKey,
    r2AccountId: "0123456789abcdef0123456789abcdef",
    r2Bucket: credentials.s3Bucket,
    fileKeys: keys.slice(60),
  });
  assert.deepEqual(rest.deleted, keys.slice(60));
  for (const key of keys) assert.equal((await fetch(await download(key))).status, 404, key);
});

const page = "https://app.example.com";

/** What the store tells a page of `origin` that wants to upload. */
async function preflight(origin) {
  const headers = { origin, "access-control-request-method": "PUT", "access-control-request-headers": "content-type" };
  const reply = await fetch(`${setting("S3_ENDPOINT")}/${credentials.s3Bucket}/a`, { method: "OPTIONS", headers });
  return reply.headers.get("access-control-allow-origin");
}

const r2Credentials = {
  r2AccessKey: credentials.s3AccessKey,
  r2SecretKey: credentials.s3SecretKey,
  r2AccountId: "0123456789abcdef0123456789abcdef",
  r2Bucket: credentials.s3Bucket,
};

for (const [name, configure, verify] of [
  ["configureS3Cors", (rules) => sdk.configureS3Cors({ ...credentials, ...rules }), () => sdk.verifyS3Cors(credentials)],
  ["s3 configureCors", (rules) => bucket().configureCors({ ...credentials, ...rules }), () => bucket().verifyCors(credentials)],
  ["configureR2Cors", (rules) => sdk.configureR2Cors({ ...r2Credentials, ...rules }), () => sdk.verifyR2Cors(r2Credentials)],
  ["r2 configureCors", (rules) => r2Bucket().configureCors(rules), () => r2Bucket().verifyCors()],
]) {
  await check(`SDK: ${name} lets a page in, and verifying says so`, async () => {
    const origin = `${page}:${name.length}`;
    const rules = { allowedMethods: ["GET", "PUT"], maxAgeSeconds: 60 };
    const shut = [await configure({ ...rules, origins: [origin] }), await verify()];
    // The pages that Wharf's own API is open to are those that it is about.
    assert.deepEqual(shut.map((reply) => [reply.success, reply.isValid]), [[true, undefined], [true, false]]);
    assert.match(shut[1].issues.join(), /may not upload/);
    const open = [await configure({ ...rules, origins: [origin, setting("INTEROP_APP_ORIGIN")] }), await verify()];
    assert.deepEqual(open.map((reply) => [reply.success, reply.isValid]), [[true, undefined], [true, true]]);
    assert.deepEqual(open[1].issues, []);
    assert.ok(JSON.stringify(open[1].rules).includes(origin), "the rule is shown");
    assert.equal(await preflight(origin), origin);
    assert.equal(await preflight("https://elsewhere.example.com"), null);
  });
}

await check("SDK: multipartUpload begins an upload", async () => {
  const file = new File([Buffer.alloc(11 << 20)], "film.mp4", { type: "video/mp4" });
  const url = await bucket().multipartUpload(file, credentials);
  assert.match(new URL(url).pathname, /^\/upl[^/]*_film\.mp4$/);
});

await check("SDK: batchUploadR2 of three files, each uploaded and read back by getR2DownloadUrl", async () => {
  const files = ["a b.txt", "ü.txt", "c"].map((filename) => ({ filename, contentType: "text/plain", fileSize: 4 }));
  const reply = await sdk.batchUploadR2({ files, ...r2Credentials });
  assert.deepEqual(reply.summary, { total: 3, successful: 3, failed: 0 });
  for (const { uploadUrl, key, index } of reply.results) {
    const headers = { "Content-Type": "text/plain" };
    assert.equal((await fetch(uploadUrl, { method: "PUT", body: `no ${index}`, headers })).status, 200);
    assert.equal(String(await bytesAt(await sdk.getR2DownloadUrl({ fileKey: key, ...r2Credentials }))), `no ${index}`);
    assert.equal(String(await bytesAt(await r2Bucket().getDownloadUrl({ fileKey: key }))), `no ${index}`);
  }
  const keys = reply.results.map(({ key }) => key);
  const { files: found } = await sdk.listR2Files({ prefix: keys[0], ...r2Credentials });
  assert.deepEqual(found.map((file) => file.key), [keys[0]]);
  const { deletedCount } = await r2Bucket().batchDelete({ keys });
  assert.equal(deletedCount, 3);
});

await check("SDK: generateR2AccessToken makes a token that opens one key and no other, until it is taken back", async () => {
  const [own, other] = await uploaded(["own.txt", "other.txt"]);
  const { r2AccessKey: r2AccessKeyId, r2SecretKey: r2SecretAccessKey, ...place } = r2Credentials;
  const named = { r2AccessKeyId, r2SecretAccessKey, ...place, fileKey: own, permissions: ["read"] };
  const issued = await sdk.generateR2AccessToken(named);
  assert.equal(issued.success, true);
  assert.equal((await r2Bucket().generateAccessToken({ permissions: ["read"] })).success, true);
  const ask = async (path, method, body) => {
    const headers = { authorization: `Bearer ${issued.token}`, "content-type": "application/json" };
    return fetch(`${setting("INTEROP_API")}/api/v1/upload/r2/${path}`, { method, headers, body: JSON.stringify(body) });
  };
  const download = (fileKey) => ask("download-url", "POST", { fileKey, ...r2Credentials });
  const opened = await download(own);
  assert.equal(opened.status, 200);
  assert.equal((await bytesAt((await opened.json()).downloadUrl)).length, 0);
  assert.equal((await download(other)).status, 403);
  assert.equal((await ask("delete", "POST", { fileKey: own, ...r2Credentials })).status, 403);
  assert.equal((await ask("access-token/revoke", "DELETE", { token: issued.token })).status, 200);
  assert.equal((await download(own)).status, 401);
});

/** Waits for one delivery to `INTEROP_HOOK`: its body, parsed, once its signature was verified. */
function delivered(secret) {
  return new Promise((resolve, reject) => {
    const server = createServer(async (request, response) => {
      const body = Buffer.concat(await request.toArray());
      response.end();
      server.close();
      const signature = `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
      if (request.headers["x-webhook-signature"] === signature) resolve(JSON.parse(body));
      else reject(new Error(`signed ${request.headers["x-webhook-signature"]}`));
    });
    server.listen(new URL(setting("INTEROP_HOOK")).port, "127.0.0.1");
    setTimeout(() => reject(new Error("no delivery came")), 20_000).unref();
  });
}

const hook = { url: `${setting("INTEROP_HOOK")}/hook`, secret: "a secret of the hook's", metadata: { order: 7 } };

await check("SDK: r2 upload with a webhook, which it confirms by itself and which is delivered", async () => {
  const delivery = delivered(hook.secret);
  const url = await r2Bucket().upload(new File([photo], "hooked.jpg", { type: "image/jpeg" }), { webhook: hook });
  const { event, file, metadata } = await delivery;
  assert.deepEqual([event, file.key, file.size, metadata], ["upload.completed", keyIn(url), photo.length, { order: 7 }]);
});

await check("SDK: uploadFile with a webhook that is triggered by itself", async () => {
  const delivery = delivered(hook.secret);
  const file = new File([photo], "looked.jpg", { type: "image/jpeg" });
  const options = { provider: "S3", ...credentials, webhook: { ...hook, trigger: "auto" } };
  const url = await sdk.uploadFile(file, options);
  assert.equal((await delivery).file.key, keyIn(url));
});

await check("SDK: analytics and track", async () => {
  const reply = await sdk.analytics({ event: "file_viewed", fileUrl: "https://example.com/a.jpg", provider: "r2" });
  assert.equal(reply.success, true);
  await sdk.track({ event: "completed" });
});

// The SDK has the method's name only: its provider for R2 has no such method, and nothing is sent.
await check("SDK: getR2Metadata asks nothing of anybody", async () => {
  await assert.rejects(sdk.getR2Metadata({ key: "a", ...r2Credentials }), TypeError);
});

await check("SDK: Supabase's and Uploadcare's methods are told that nobody serves them", async () => {
  const unknown = /404 .*"UNKNOWN_PROVIDER"/;
  const supabase = { provider: "SUPABASE", supabaseUrl: "https://x.supabase.co", supabaseToken: "a token", bucket: "b" };
  await assert.rejects(sdk.downloadFile({ ...supabase, filename: "a.txt" }), unknown);
  await assert.rejects(sdk.listBuckets(supabase), unknown);
  const uploadcare = { provider: "UPLOADCARE", uploadcarePublicKey: "demopublickey", uploadcareSecretKey: "demosecretkey" };
  const fileUrl = "https://ucarecdn.com/11111111-1111-4111-8111-111111111111/";
  await assert.rejects(sdk.deleteFile({ ...uploadcare, fileUrl }), unknown);
});

await check("SDK: a wrong API secret is refused", async () => {
  await assert.rejects(
    client("sk_not_the_secret_at_all").downloadFile({ provider: "S3", key: "a", ...credentials }),
    /401 .*"INVALID_(SECRET|SIGNATURE)"/,
  );
});

await check("SDK: a batch refuses the file that is not what it says, and it alone", async () => {
  const png = { contentType: "image/png", fileSize: 16 };
  const files = [
    { filename: "true.png", ...png, magicBytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] },
    { filename: "false.png", ...png, magicBytes: [0x4d, 0x5a, 0x90, 0, 3, 0, 0, 0] },
  ];
  const { results, summary } = await sdk.batchUploadS3({ files, validation: "images", ...credentials });
  assert.deepEqual(summary, { total: 2, successful: 1, failed: 1 });
  assert.deepEqual(results.map((result) => result.error), [undefined, "VALIDATION_FAILED"]);
});

await check("SDK: every route that its methods for S3 and R2 are known to ask for was asked for, and served", () => {
  const recorded = JSON.parse(readFileSync(new URL("../it/data/sdk-requests.json", import.meta.url), "utf8"));
  const missing = new Set(recorded.map(({ method, path }) => `${method} ${path}`).filter((route) => !served.has(route)));
  assert.deepEqual([...missing], []);
});

finish();
