// `wharf demo` as a person meets it: the process starts, a browser opens the page, a file is dropped and is in the store;
// then the printed commands are pasted, and Ctrl-C ends it. The last argument is a folder for screenshots.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { check, finish, setting } from "../report.mjs";
import { launch } from "./chromium.mjs";

const START_MILLISECONDS_MAX = 20_000;
const screenshots = process.argv[2];

/** Starts the demo; answers with the process and what it printed. */
async function startDemo() {
  const demo = spawn(setting("WHARF"), ["demo", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  demo.exited = new Promise((resolve) => demo.on("exit", (code, signal) => resolve({ code, signal })));
  let printed = "";
  const ready = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`the demo printed only: ${printed}`)), START_MILLISECONDS_MAX).unref();
    demo.exited.then(({ code }) => reject(new Error(`the demo ended with ${code}`)));
    demo.stdout.on("data", (chunk) => {
      printed += chunk;
      if (printed.includes("Ctrl-C")) resolve();
    });
  });
  await ready;
  return { demo, printed };
}

const { demo, printed } = await startDemo();
const address = printed.match(/http:\/\/127\.0\.0\.1:\d+\//)[0];
const [, objects, copies] = printed.match(/Objects are in (.*?), with a second copy in (.*?);/);
const browser = await launch();
const context = await browser.newContext({ viewport: { width: 900, height: 1000 } });

/** The only page, with an empty list; what the browser complains about fails the check that looks. */
async function openPage() {
  await Promise.all(context.pages().map((page) => page.close()));
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (message) => message.type() === "error" && page.complaints.push(message.text()));
  page.on("pageerror", (error) => page.complaints.push(error.message));
  await page.goto(address);
  await page.waitForSelector("#terminal:not([hidden])");
  return page;
}

const entry = (page, name, state) =>
  page.locator(`.upload[data-state="${state}"]`, { hasText: name }).first();

async function screenshot(page, name) {
  if (screenshots) await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
}

/** What the entry's link gives, read by the browser. */
async function bytesBehind(page, upload) {
  const url = await upload.locator("a.url").getAttribute("href");
  const answer = await page.request.get(url);
  assert.equal(answer.status(), 200);
  return answer.body();
}

await check("demo: a picked file is stored, and its link has the same bytes", async () => {
  const page = await openPage();
  const bytes = randomBytes(3_000_000);
  await page.setInputFiles("#files", { name: "picked file.bin", mimeType: "application/octet-stream", buffer: bytes });
  const upload = entry(page, "picked file.bin", "stored");
  await upload.waitFor();
  assert.deepEqual(await bytesBehind(page, upload), bytes);
  const etag = await upload.locator(".etag").textContent();
  assert.equal(etag, `"${createHash("md5").update(bytes).digest("hex")}"`);
  const key = await upload.locator(".key").textContent();
  assert.deepEqual(readFileSync(join(objects, key)), bytes);
  assert.deepEqual(page.complaints, []);
});

await check("demo: a dropped picture is stored and shown from the store", async () => {
  const page = await openPage();
  const transfer = await page.evaluateHandle(async () => {
    const canvas = new OffscreenCanvas(120, 120);
    const paint = canvas.getContext("2d");
    const sky = paint.createLinearGradient(0, 0, 0, 120);
    sky.addColorStop(0, "#f7b267");
    sky.addColorStop(1, "#0b6e7c");
    paint.fillStyle = sky;
    paint.fillRect(0, 0, 120, 120);
    const transfer = new DataTransfer();
    transfer.items.add(new File([await canvas.convertToBlob()], "Sonnenaufgang über dem Kai (1).png", { type: "image/png" }));
    return transfer;
  });
  await page.dispatchEvent("body", "dragenter", { dataTransfer: transfer });
  assert.equal(await page.locator("body.dragging").count(), 1);
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
  const upload = entry(page, "Sonnenaufgang über dem Kai (1).png", "stored");
  await upload.waitFor();
  await page.waitForFunction(() => document.querySelector(".preview").naturalWidth === 120);
  assert.equal(await page.locator("body.dragging").count(), 0);
  await screenshot(page, "stored");
  await page.emulateMedia({ colorScheme: "dark" });
  await upload.locator("summary").click();
  await screenshot(page, "stored-dark");
  assert.deepEqual(page.complaints, []);
});

await check("demo: several files at once, an empty one and one with a very long name among them", async () => {
  const page = await openPage();
  const names = ["one.txt", "empty.txt", `${"very ".repeat(45)}long.txt`];
  const files = names.map((name, size) => ({ name, mimeType: "text/plain", buffer: Buffer.alloc(size === 1 ? 0 : 9) }));
  await page.setInputFiles("#files", files);
  for (const name of names) await entry(page, name, "stored").waitFor();
});

await check("demo: the upload can be done with the keyboard alone", async () => {
  const page = await openPage();
  // Asked for first: the browser is told to hand its dialogs over, and has heard it by the time that Enter is pressed.
  const dialog = page.waitForEvent("filechooser");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "choose");
  await page.keyboard.press("Enter");
  const chooser = await dialog;
  await chooser.setFiles({ name: "by keyboard.txt", mimeType: "text/plain", buffer: Buffer.from("keys") });
  await entry(page, "by keyboard.txt", "stored").waitFor();
});

await check("demo: Wharf's refusal is told in its own words, and trying again helps when its cause is gone", async () => {
  const page = await openPage();
  const route = /\/api\/v1\/upload\/demo\/signed-url$/;
  await page.route(route, (one) => one.continue({ headers: { ...one.request().headers(), "x-api-key": "wrong" } }));
  await page.setInputFiles("#files", { name: "refused.txt", mimeType: "text/plain", buffer: Buffer.from("a") });
  const refused = entry(page, "refused.txt", "failed");
  await refused.waitFor();
  assert.match(await refused.locator(".status").textContent(), /INVALID_API_KEY/);
  await screenshot(page, "refused");
  await page.unroute(route);
  await refused.locator(".retry").click();
  await entry(page, "refused.txt", "stored").waitFor();
});

await check("demo: the store's refusal of a changed URL is told in its own words", async () => {
  const page = await openPage();
  await page.route(/X-Amz-Signature/, (one) => {
    const url = one.request().url().replace(/X-Amz-Signature=[0-9a-f]{64}/, `X-Amz-Signature=${"0".repeat(64)}`);
    return one.continue({ url });
  });
  await page.setInputFiles("#files", { name: "changed.txt", mimeType: "text/plain", buffer: Buffer.from("a") });
  const refused = entry(page, "changed.txt", "failed");
  await refused.waitFor();
  assert.match(await refused.locator(".status").textContent(), /Wharf's S3 endpoint refused: .*SignatureDoesNotMatch/);
});

await check("demo: the page says so when Wharf does not answer", async () => {
  const page = await openPage();
  await page.route(/\/api\/v1\/upload\//, (one) => one.abort("connectionrefused"));
  await page.setInputFiles("#files", { name: "lost.txt", mimeType: "text/plain", buffer: Buffer.from("a") });
  const lost = entry(page, "lost.txt", "failed");
  await lost.waitFor();
  assert.match(await lost.locator(".status").textContent(), /Wharf did not answer/);
});

await check("demo: a file gets to both stores, and is still served when the first one is stopped", async () => {
  const page = await openPage();
  const bytes = randomBytes(2_000_000);
  await page.setInputFiles("#files", { name: "twice.bin", mimeType: "application/octet-stream", buffer: bytes });
  const upload = entry(page, "twice.bin", "stored");
  await upload.waitFor();
  await upload.locator('.copies li[data-there="true"]').nth(1).waitFor();
  const key = await upload.locator(".key").textContent();
  assert.deepEqual(readFileSync(join(copies, key)), bytes);

  await page.click("#store-first .switch");
  await page.locator('#store-first[data-running="false"]').waitFor();
  await upload.locator(".served", { hasText: "read from the second store" }).waitFor();
  assert.deepEqual(await bytesBehind(page, upload), bytes);
  await screenshot(page, "first-stopped");

  await page.setInputFiles("#files", { name: "while stopped.txt", mimeType: "text/plain", buffer: Buffer.from("a") });
  const refused = entry(page, "while stopped.txt", "failed");
  await refused.waitFor();
  await page.click("#store-first .switch");
  await page.locator('#store-first[data-running="true"]').waitFor();
  await upload.locator(".served", { hasText: "read from the first store" }).waitFor();
  await refused.locator(".retry").click();
  await entry(page, "while stopped.txt", "stored").waitFor();
});

await check("demo: the page fits a small screen", async () => {
  const page = await openPage();
  await page.setViewportSize({ width: 360, height: 740 });
  await page.setInputFiles("#files", { name: "small screen.txt", mimeType: "text/plain", buffer: Buffer.from("a") });
  await entry(page, "small screen.txt", "stored").waitFor();
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.equal(overflow, 0);
  await screenshot(page, "small");
});

for (const shell of ["sh", "bash"]) {
  await check(`demo: the three printed commands work when pasted into ${shell}`, async () => {
    const commands = printed.split("\n").filter((line) => line.includes("curl"));
    assert.equal(commands.length, 3);
    const output = execFileSync(shell, ["-c", commands.join("\n")], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    assert.match(output, /^{"success":true,/);
    assert.ok(output.endsWith("Hello from the wharf.\n"), output);
  });
}

await check("demo: Ctrl-C ends it well, and its temporary folder is gone", async () => {
  assert.ok(existsSync(objects));
  demo.kill("SIGINT");
  assert.deepEqual(await demo.exited, { code: 0, signal: null });
  assert.ok(!existsSync(objects));
});

await browser.close();
finish();
