// The unmodified SDK of npm, @obitox/upload 1.0.0: its only setting is `baseUrl`. It brings its own credentials with each
// request and no endpoint, so Wharf's `upload.callers.default_endpoints` says where they are good.

import assert from "node:assert/strict";

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

finish();
