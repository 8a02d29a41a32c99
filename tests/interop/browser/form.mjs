// A page's form, as HTML has had it for ever, posts a file to the S3 endpoint: no script, no SDK, a policy that the app has
// signed. The browser writes the body, and follows the redirect when the file is stored.

import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { createServer } from "node:http";

import { GetObjectCommand, HeadObjectCommand, S3Client } from "@aws-sdk/client-s3";

import { check, finish, setting } from "../report.mjs";
import { launch } from "./chromium.mjs";

const endpoint = setting("INTEROP_S3");
const credentials = { accessKeyId: setting("INTEROP_S3_KEY"), secretAccessKey: setting("INTEROP_S3_SECRET") };
const FORM_MINUTES = 10;
const REGION = "us-east-1";
const store = new S3Client({ endpoint, region: REGION, credentials, forcePathStyle: true });

const hmac = (key, text) => createHmac("sha256", key).update(text).digest();

/** The fields of a form whose key begins with `prefix`: POST policies of SigV4. */
function sign(bucket, prefix, fields) {
  const now = new Date();
  const date = now.toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = [date.slice(0, 8), REGION, "s3", "aws4_request"];
  const signed = {
    ...fields,
    "x-amz-algorithm": "AWS4-HMAC-SHA256",
    "x-amz-credential": [credentials.accessKeyId, ...scope].join("/"),
    "x-amz-date": date,
  };
  const { key, ...exact } = signed;
  const policy = {
    expiration: new Date(now.getTime() + FORM_MINUTES * 60_000).toISOString(),
    conditions: [
      { bucket },
      ["starts-with", "$key", prefix],
      ["content-length-range", 0, 10_000_000],
      ...Object.entries(exact).map(([name, value]) => ({ [name]: value })),
    ],
  };
  const encoded = Buffer.from(JSON.stringify(policy)).toString("base64");
  const signature = hmac(scope.reduce(hmac, `AWS4${credentials.secretAccessKey}`), encoded).toString("hex");
  return { ...signed, policy: encoded, "x-amz-signature": signature };
}

const attribute = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");

/** A page with the form. The file is its last field, as S3 wants it. */
function html(bucket, fields) {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${attribute(name)}" value="${attribute(value)}">`,
  );
  return `<!doctype html><meta charset="utf-8"><title>form</title>
<form action="${endpoint}/${bucket}" method="post" enctype="multipart/form-data">
${inputs.join("\n")}
<input type="file" name="file"><button>Upload</button></form>`;
}

let shown = "";
const app = await new Promise((resolve) => {
  const server = createServer((_, response) => response.setHeader("content-type", "text/html").end(shown));
  server.listen(0, "127.0.0.1", () => resolve(server));
});
const origin = `http://127.0.0.1:${app.address().port}`;
const browser = await launch();

/** Fills the form in and sends it as a person would; answers with where the browser ends up. */
async function post(bucket, fields, file) {
  shown = html(bucket, fields);
  const page = await browser.newPage();
  await page.goto(origin);
  await page.setInputFiles("input[type=file]", file);
  const [response] = await Promise.all([
    page.waitForResponse((one) => one.request().method() === "POST"),
    page.waitForNavigation(),
    page.click("button"),
  ]);
  const outcome = { status: response.status(), url: page.url(), text: await page.content() };
  await page.close();
  return outcome;
}

for (const bucket of ["seaweedfs-files", "rclone-files"]) {
  await check(`browser form: a file lands byte for byte in ${bucket}, and the browser is sent on`, async () => {
    const bytes = randomBytes(3_000_001);
    const fields = sign(bucket, "from a form/", {
      key: "from a form/${filename}",
      "content-type": "image/png",
      "x-amz-meta-title": "Grüße & “quotes”",
      success_action_redirect: `${origin}/stored`,
    });
    const file = { name: "Möwe am Kai (1).png", mimeType: "image/png", buffer: bytes };
    const outcome = await post(bucket, fields, file);
    assert.equal(outcome.status, 303);
    const sentTo = new URL(outcome.url);
    const key = sentTo.searchParams.get("key");
    assert.deepEqual([sentTo.pathname, sentTo.searchParams.get("bucket")], ["/stored", bucket]);
    assert.equal(key, "from a form/Möwe am Kai (1).png");
    const object = await store.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    assert.deepEqual(Buffer.from(await object.Body.transformToByteArray()), bytes);
    assert.equal(object.ContentType, "image/png");
  });

  await check(`browser form: an empty file is an empty object in ${bucket}`, async () => {
    const fields = sign(bucket, "empty", { key: "empty", success_action_status: "201" });
    const outcome = await post(bucket, fields, { name: "empty", mimeType: "text/plain", buffer: Buffer.alloc(0) });
    assert.equal(outcome.status, 201);
    const object = await store.send(new HeadObjectCommand({ Bucket: bucket, Key: "empty" }));
    assert.equal(object.ContentLength, 0);
  });

  await check(`browser form: what the policy does not allow is refused, and nothing lands in ${bucket}`, async () => {
    const fields = { ...sign(bucket, "allowed/", { key: "allowed/a" }), key: "elsewhere" };
    const outcome = await post(bucket, fields, { name: "a", mimeType: "text/plain", buffer: Buffer.from("a") });
    assert.equal(outcome.status, 403);
    assert.match(outcome.text, /AccessDenied/);
    await assert.rejects(store.send(new HeadObjectCommand({ Bucket: bucket, Key: "elsewhere" })), { name: "NotFound" });
  });
}

await browser.close();
app.close();
finish();
