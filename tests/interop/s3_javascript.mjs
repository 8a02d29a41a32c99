// The JavaScript clients as a command: `s3_javascript.mjs buffer|stream|storage|minio VERB BUCKET KEY …`. The first three
// are ways to give an object to @aws-sdk/client-s3.

import { createReadStream, createWriteStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

import * as aws from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import * as minio from "minio";

const endpoint = process.env.INTEROP_ENDPOINT;
const PART_BYTES = 5 << 20;
const PRESIGNED_SECONDS = 600;

/** How an object is given to the AWS SDK. */
const awsUploads = {
  async buffer(s3, bucket, key, file) {
    const bytes = await readFile(file);
    if (bytes.length <= PART_BYTES) {
      await s3.send(new aws.PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }));
      return;
    }
    const where = { Bucket: bucket, Key: key };
    const { UploadId } = await s3.send(new aws.CreateMultipartUploadCommand(where));
    const parts = [];
    for (let start = 0; start < bytes.length; start += PART_BYTES) {
      const part = { PartNumber: parts.length + 1, Body: bytes.subarray(start, start + PART_BYTES) };
      const reply = await s3.send(new aws.UploadPartCommand({ ...where, UploadId, ...part }));
      parts.push({ PartNumber: part.PartNumber, ETag: reply.ETag, ChecksumCRC32: reply.ChecksumCRC32 });
    }
    await s3.send(new aws.CompleteMultipartUploadCommand({ ...where, UploadId, MultipartUpload: { Parts: parts } }));
  },
  async stream(s3, bucket, key, file) {
    const { size } = await stat(file);
    const body = createReadStream(file);
    await s3.send(new aws.PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentLength: size }));
  },
  async storage(s3, bucket, key, file) {
    const params = { Bucket: bucket, Key: key, Body: createReadStream(file) };
    await new Upload({ client: s3, params, partSize: PART_BYTES }).done();
  },
};

function awsClient(upload) {
  const s3 = new aws.S3Client({ endpoint, region: "us-east-1", forcePathStyle: true });
  const sign = (command) => getSignedUrl(s3, command, { expiresIn: PRESIGNED_SECONDS });
  return {
    put: (bucket, key, file) => upload(s3, bucket, key, file),
    async get(bucket, key, file) {
      const { Body } = await s3.send(new aws.GetObjectCommand({ Bucket: bucket, Key: key }));
      await pipeline(Body, createWriteStream(file));
    },
    async list(bucket, prefix) {
      for await (const page of aws.paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket: bucket, Prefix: prefix })) {
        page.Contents?.forEach((entry) => console.log(entry.Key));
      }
    },
    async copy(bucket, key, target) {
      const source = `${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`;
      await s3.send(new aws.CopyObjectCommand({ Bucket: bucket, Key: target, CopySource: source }));
    },
    presign: async (bucket, key) => console.log(await sign(new aws.GetObjectCommand({ Bucket: bucket, Key: key }))),
    "presign-put": async (bucket, key) => console.log(await sign(new aws.PutObjectCommand({ Bucket: bucket, Key: key }))),
    async delete(bucket, key) {
      await s3.send(new aws.DeleteObjectCommand({ Bucket: bucket, Key: key }));
    },
  };
}

function minioClient() {
  const { protocol, hostname, port } = new URL(endpoint);
  const client = new minio.Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: protocol === "https:",
    accessKey: process.env.AWS_ACCESS_KEY_ID,
    secretKey: process.env.AWS_SECRET_ACCESS_KEY,
    partSize: PART_BYTES,
  });
  return {
    put: (bucket, key, file) => client.fPutObject(bucket, key, file),
    get: (bucket, key, file) => client.fGetObject(bucket, key, file),
    async list(bucket, prefix) {
      for await (const entry of client.listObjectsV2(bucket, prefix, true)) console.log(entry.name);
    },
    async copy(bucket, key, target) {
      const source = new minio.CopySourceOptions({ Bucket: bucket, Object: key });
      await client.copyObject(source, new minio.CopyDestinationOptions({ Bucket: bucket, Object: target }));
    },
    presign: async (bucket, key) => console.log(await client.presignedGetObject(bucket, key, PRESIGNED_SECONDS)),
    "presign-put": async (bucket, key) => console.log(await client.presignedPutObject(bucket, key, PRESIGNED_SECONDS)),
    delete: (bucket, key) => client.removeObject(bucket, key),
  };
}

const [flavour, verb, ...rest] = process.argv.slice(2);
const client = flavour === "minio" ? minioClient() : awsClient(awsUploads[flavour]);
await client[verb](...rest);
