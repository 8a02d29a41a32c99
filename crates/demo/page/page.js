// Sends files through URLs that Wharf signs. Three requests for each file:
//
//   POST {api}/api/v1/upload/{bucket}/signed-url            the name and type, for an upload URL
//   PUT  the upload URL                                     the file, with its Content-Type and nothing else
//   POST {api}/api/v1/upload/download/{bucket}/signed-url   the key, for a URL that opens the object
//
// The PUT is an XMLHttpRequest because fetch reports no progress of what it sends. Beside these, the page asks its own
// server what is on the stores' disks, and has it stop a store or start it again.

const NAME_BYTES_MAX = 90;
const LOOK_MILLISECONDS = 300;
const WORDS = { first: "First store", second: "Second store" };

const byId = (id) => document.getElementById(id);

/** A failure told in words that a person can act on. */
class Failure extends Error {}

/** Failures that a person asked for. */
class Cancelled extends Failure {}

const settings = await readSettings();
let queue = Promise.resolve();
/** The files that are stored. */
const cards = new Set();

if (settings) {
  listenForFiles();
  showStores();
  showCommands(settings.commands);
}

// --- What Wharf and the store are asked -----------------------------------------------------------------------------

async function readSettings() {
  try {
    const response = await fetch("/settings.json");
    if (!response.ok) throw new Failure(`status ${response.status}`);
    return await response.json();
  } catch (error) {
    notice(`The page could not read its settings (${error.message}). Is “wharf demo” still running?`);
    return null;
  }
}

/** Asks Wharf's upload API; answers with its reply, or throws its error in its own words. */
async function askWharf(route, body, log) {
  const url = `${settings.apiEndpoint}/api/v1/upload/${route}`;
  const started = performance.now();
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-API-Key": settings.apiKey },
      body: JSON.stringify(body),
    });
  } catch {
    log("POST", url, "no answer", started);
    throw new Failure("Wharf did not answer. Is “wharf demo” still running?");
  }
  log("POST", url, response.status, started);
  const reply = await response.json().catch(() => null);
  if (reply?.success) return reply;
  throw new Failure(describeReply(response.status, reply));
}

function describeReply(status, reply) {
  if (!reply?.error) return `Wharf answered with status ${status} and no reason.`;
  const lines = [`Wharf refused: ${reply.message ?? ""} (${reply.error})`, reply.hint];
  if (reply.requestId) lines.push(`Request id ${reply.requestId}`);
  return lines.filter(Boolean).join("\n");
}

/** What the stores have of `key`, or just what they are like. */
async function askStores(key = "") {
  const response = await fetch(`/stores?key=${encodeURIComponent(key)}`);
  if (!response.ok) throw new Failure(`The page's own server answered with status ${response.status}.`);
  return response.json();
}

/** Reads the object through its link. Answers with the store that served it, as Wharf's reply says. */
async function servedFrom(url) {
  const response = await fetch(url, { cache: "no-store" });
  await response.arrayBuffer();
  if (!response.ok) throw new Failure(`Wharf answered with status ${response.status}.`);
  return response.headers.get("x-wharf-served-from") ?? settings.stores[0];
}

/** Sends a file where its URL leads; answers with its ETag. */
function sendToStore(signed, file, { log, onProgress, onCancellable }) {
  const request = new XMLHttpRequest();
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const fail = (failure, outcome) => {
      log("PUT", signed.uploadUrl, outcome, started);
      reject(failure);
    };
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onload = () => {
      if (request.status !== 200) {
        return fail(new Failure(describeStoreError(request)), request.status);
      }
      log("PUT", signed.uploadUrl, request.status, started);
      resolve(request.getResponseHeader("ETag"));
    };
    request.onerror = () =>
      fail(new Failure("The file could not be sent: the connection to Wharf failed, or the file cannot be read."), "failed");
    request.onabort = () => fail(new Cancelled("Cancelled."), "cancelled");
    request.open("PUT", signed.uploadUrl);
    request.setRequestHeader("Content-Type", signed.data.contentType);
    onCancellable(() => request.abort());
    request.send(file);
  });
}

/** A store's error is XML with a Code and a Message. */
function describeStoreError(request) {
  const xml = new DOMParser().parseFromString(request.responseText, "application/xml");
  const code = xml.querySelector("Error > Code")?.textContent;
  const message = xml.querySelector("Error > Message")?.textContent;
  if (!code) return `Wharf's S3 endpoint answered with status ${request.status} and no reason.`;
  return `Wharf's S3 endpoint refused: ${message ?? ""} (${code})`;
}

// --- The stores -----------------------------------------------------------------------------------------------------

function showStores() {
  for (const name of settings.stores) {
    const entry = byId("store").content.firstElementChild.cloneNode(true);
    entry.id = `store-${name}`;
    entry.querySelector(".store-name").textContent = WORDS[name] ?? name;
    entry.querySelector(".switch").onclick = (event) => flip(name, event.currentTarget);
    byId("stores").append(entry);
  }
  askStores().then((states) => states.forEach(showStore), (error) => notice(error.message));
}

function showStore({ name, isRunning }) {
  const entry = byId(`store-${name}`);
  entry.dataset.running = isRunning;
  entry.querySelector(".store-state").textContent = isRunning ? "is running" : "is stopped";
  const button = entry.querySelector(".switch");
  button.textContent = isRunning ? "Stop it" : "Start it";
  button.setAttribute("aria-label", `${isRunning ? "Stop" : "Start"} the ${(WORDS[name] ?? name).toLowerCase()}`);
}

async function flip(name, button) {
  const action = byId(`store-${name}`).dataset.running === "true" ? "stop" : "start";
  button.disabled = true;
  try {
    const response = await fetch(`/stores/${name}/${action}`, { method: "POST" });
    if (!response.ok) throw new Failure(`The store cannot be switched: ${await response.text()}`);
    (await askStores()).forEach(showStore);
    announce(`The ${(WORDS[name] ?? name).toLowerCase()} ${action === "stop" ? "is stopped" : "is running"}.`);
  } catch (error) {
    notice(error.message);
  } finally {
    button.disabled = false;
  }
  for (const card of cards) card.readAgain();
}

// --- One upload -----------------------------------------------------------------------------------------------------

async function upload(file, card) {
  card.begin();
  const started = performance.now();
  try {
    card.say("Asking Wharf for a signed URL…");
    const { bucket } = settings;
    const wanted = { filename: storableName(file.name), contentType: file.type, fileSize: file.size };
    const signed = await askWharf(`${bucket}/signed-url`, wanted, card.log);
    const etag = await sendToStore(signed, file, {
      log: card.log,
      onProgress: (sent, total) => card.progress(sent, total),
      onCancellable: (cancel) => card.offerCancel(cancel),
    });
    const object = { key: signed.key, bucket: signed.data.bucket, url: signed.publicUrl, etag };
    const download = await askWharf(`download/${bucket}/signed-url`, { key: signed.key }, card.log);
    card.stored({ ...object, openUrl: download.downloadUrl, expiresIn: download.expiresIn }, performance.now() - started);
  } catch (error) {
    card.failed(error, () => enqueue(file, card));
  }
}

/**
 * The demo's store keeps an object's key in the name of a file, with its own words around it: what is too long for that
 * loses the end of its name, but not its extension.
 */
function storableName(name) {
  const bytes = (text) => new TextEncoder().encode(text).length;
  const extension = name.match(/\.[^.]{1,16}$/)?.[0] ?? "";
  const characters = [...name.slice(0, name.length - extension.length)];
  while (bytes(characters.join("") + extension) > NAME_BYTES_MAX) characters.pop();
  return characters.join("") + extension;
}

/** Files go one after the other, so that each has the whole line and the list fills from its top. */
function enqueue(file, card) {
  card.say("Waiting…");
  queue = queue.then(() => upload(file, card));
}

/** The list entry of one file: what a person sees of its upload. */
class Card {
  #element;
  #file;
  #object;

  constructor(file) {
    this.#file = file;
    this.#element = byId("upload").content.firstElementChild.cloneNode(true);
    this.#set("file-name", file.name);
    this.#part("file-name").title = file.name;
    this.#set("file-size", size(file.size));
    this.#part("cancel").onclick = () => this.cancel?.();
    this.#element.querySelector("progress").setAttribute("aria-label", `Progress of ${file.name}`);
    byId("uploads").prepend(this.#element);
  }

  begin() {
    this.#element.dataset.state = "sending";
    this.#element.querySelector("progress").value = 0;
    this.#element.querySelector(".requests").replaceChildren();
    this.#show("retry", false);
  }

  say(text) {
    this.#set("status", text);
  }

  progress(sent, total) {
    this.#element.querySelector("progress").value = total ? sent / total : 1;
    this.say(sent < total ? `Sent ${size(sent)} of ${size(total)}` : "Sent; waiting for Wharf…");
  }

  offerCancel(cancel) {
    this.cancel = cancel;
    this.#show("cancel", true);
  }

  stored(object, milliseconds) {
    this.#finish("stored", `Stored in ${seconds(milliseconds)}. The link works for ${minutes(object.expiresIn)}.`);
    this.#set("url", object.url);
    this.#set("bucket", object.bucket);
    this.#set("key", object.key);
    this.#set("etag", object.etag ?? "not shown by the store");
    this.#part("url").href = object.openUrl;
    this.#part("open").href = object.openUrl;
    this.#part("copy").onclick = (event) => copy(object.openUrl, event.currentTarget);
    for (const name of ["object", "open", "copy"]) this.#show(name, true);
    if (this.#file.type.startsWith("image/")) {
      this.#part("preview").src = object.openUrl;
      this.#show("preview", true);
    }
    announce(`${this.#file.name} is stored.`);
    cards.add(this);
    this.#object = object;
    this.#showCopies();
  }

  /** Says in which stores the object is, until it is in all of them. */
  async #showCopies() {
    const list = this.#part("copies");
    list.hidden = false;
    for (;;) {
      const states = await askStores(this.#object.key).catch(() => []);
      list.replaceChildren(...states.map(({ name, hasObject }) => {
        const line = document.createElement("li");
        line.dataset.there = hasObject;
        line.textContent = `${WORDS[name] ?? name}: ${hasObject ? "it is there" : "on its way…"}`;
        return line;
      }));
      if (states.length && states.every((state) => state.hasObject)) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
    }
  }

  /** Reads the object through its link, and says who served it. */
  async readAgain() {
    this.#show("served", true);
    this.#set("served", "Reading it through its link…");
    try {
      const name = await servedFrom(this.#object.openUrl);
      this.#set("served", `Its link still works: read from the ${(WORDS[name] ?? name).toLowerCase()}.`);
    } catch (error) {
      this.#set("served", `Its link does not work now. ${error.message}`);
    }
  }

  failed(error, retry) {
    const reason = error instanceof Failure ? error.message : `The page failed: ${error.message}`;
    this.#finish("failed", reason);
    this.#part("retry").onclick = retry;
    this.#show("retry", true);
    announce(`${this.#file.name} was not stored. ${reason}`);
  }

  /** Adds one request to the list behind the fold. Handed around as a function, so bound. */
  log = (method, url, outcome, started) => {
    const line = byId("request").content.firstElementChild.cloneNode(true);
    line.querySelector(".outcome").textContent = `${outcome} after ${seconds(performance.now() - started)}`;
    line.querySelector(".line").textContent = `${method} ${url}`;
    this.#element.querySelector(".requests").append(line);
    this.#element.querySelector("details").hidden = false;
  };

  #finish(state, text) {
    this.#element.dataset.state = state;
    this.#show("cancel", false);
    this.say(text);
  }

  #part(name) {
    return this.#element.querySelector(`.${name}`);
  }

  #set(name, text) {
    this.#part(name).textContent = text;
  }

  #show(name, shown) {
    this.#part(name).hidden = !shown;
  }
}

// --- Where files come from ------------------------------------------------------------------------------------------

function listenForFiles() {
  const input = byId("files");
  byId("choose").onclick = () => input.click();
  input.onchange = () => {
    accept([...input.files]);
    input.value = "";
  };

  // dragenter and dragleave fire for every element on the way: only their balance says whether the pointer left.
  let depth = 0;
  const drag = (change) => (event) => {
    event.preventDefault();
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dragging", depth > 0);
  };
  addEventListener("dragenter", drag(1));
  addEventListener("dragleave", drag(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    drag(-Infinity)(event);
    accept(droppedFiles(event.dataTransfer));
  });
}

function droppedFiles({ items }) {
  const entries = [...items].filter((item) => item.kind === "file");
  const isFolder = (item) => item.webkitGetAsEntry?.()?.isDirectory;
  if (entries.some(isFolder)) notice("Folders cannot be sent as they are; drop the files in them.");
  return entries.filter((item) => !isFolder(item)).map((item) => item.getAsFile());
}

function accept(files) {
  if (files.length) notice("");
  for (const file of files) enqueue(file, new Card(file));
}

// --- Words ----------------------------------------------------------------------------------------------------------

function showCommands(commands) {
  for (const command of commands) {
    const entry = byId("command").content.firstElementChild.cloneNode(true);
    entry.querySelector("code").textContent = command;
    entry.querySelector("button").onclick = (event) => copy(command, event.currentTarget);
    byId("commands").append(entry);
  }
  byId("terminal").hidden = commands.length === 0;
}

async function copy(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => (button.textContent = label), 1500);
}

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

function announce(text) {
  byId("announcer").textContent = text;
}

function size(bytes) {
  if (bytes === 1) return "1 byte";
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const number = bytes / 1024 ** power;
  return `${number.toLocaleString("en", { maximumFractionDigits: power ? 1 : 0 })} ${units[power]}`;
}

function seconds(milliseconds) {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

function minutes(count) {
  const rounded = Math.round(count / 60);
  return rounded === 1 ? "1 minute" : `${rounded} minutes`;
}
