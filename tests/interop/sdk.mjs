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
