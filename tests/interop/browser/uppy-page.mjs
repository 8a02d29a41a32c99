// A page as an app would have it: Uppy with its dashboard, which remembers files over a reload. uppy.mjs bundles it with one
// version of Uppy or the other, and says how to reach Wharf.

import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";
import Dashboard from "@uppy/dashboard";
import GoldenRetriever from "@uppy/golden-retriever";
import "@uppy/core/css/style.min.css";
import "@uppy/dashboard/css/style.min.css";

const MIB = 1024 * 1024;

/** The ways to reach Wharf, by name. `at` has addresses, a bucket and a key. */
const ways = {
  // Version 5 may send headers of its own.
  "5, with a key": (at) => ({ endpoint: `${at.companion}/${at.bucket}`, headers: { "x-api-key": at.key } }),
  "5, with a token": (at) => ({ endpoint: `${at.companion}/t/${at.token}/${at.bucket}` }),
  "6, companionEndpoint": (at) => ({ companionEndpoint: `${at.companion}/t/${at.token}/${at.bucket}` }),
  "6, signRequest": (at) => ({
    signRequest: (request) =>
      ask(`${at.companion}/t/${at.token}/${at.bucket}/s3/sign`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(request),
      }),
  }),
  "6, getCredentials": (at) => ({
    s3Endpoint: `${at.s3}/${at.bucket}`,
    getCredentials: async () => {
      const { credentials, region } = await ask(`${at.companion}/t/${at.token}/${at.bucket}/s3/sts`);
      const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = credentials;
      return {
        credentials: {
          accessKeyId: AccessKeyId,
          secretAccessKey: SecretAccessKey,
          sessionToken: SessionToken,
          expiration: Expiration,
        },
        region,
      };
    },
  }),
};

async function ask(url, options) {
  const response = await fetch(url, options);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

window.begin = (way, at) => {
  const uppy = new Uppy({ id: "uppy", autoProceed: false })
    .use(Dashboard, { inline: true, target: "#dashboard" })
    .use(GoldenRetriever, { indexedDB: { maxFileSize: 500 * MIB, maxTotalSize: 1000 * MIB } })
    .use(AwsS3, { id: "AwsS3", limit: 2, ...ways[way](at) });
  window.seen = { parts: 0, uploads: [], errors: [] };
  uppy.on("s3-multipart:part-uploaded", () => (window.seen.parts += 1));
  uppy.on("upload-success", (_, { body, uploadURL }) => window.seen.uploads.push({ ...body, uploadURL }));
  uppy.on("upload-error", (_, error) => window.seen.errors.push(error.message));
  uppy.on("restored", () => (window.seen.restored = true));
  window.uppy = uppy;
};
