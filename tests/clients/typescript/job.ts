// One job of a business system, done with the types that openapi-typescript generates.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type IssueRequest = components["schemas"]["IssueRequest"];
type RowResult = components["schemas"]["RowResult"];

function given(name: string): string {
  const value = process.env[name];
  assert(value, `${name} is not set`);
  return value;
}

const token = readFileSync(given("CERTMESH_TOKEN_FILE"), "utf8").trim();
const node = createClient<paths>({
  baseUrl: given("CERTMESH_NODE"),
  headers: { Authorization: `Bearer ${token}` },
});
const type = `${given("CERTMESH_DEPARTMENT")}772`;
const pdf = Buffer.concat([Buffer.from("%PDF-1.7\n"), Buffer.alloc(100_000, 7)]);

/** What came, or the problem that came in its place as an error. */
function ok<T>(answer: { data?: T; error?: { detail: string } }): T {
  assert(answer.data !== undefined, answer.error?.detail);
  return answer.data;
}

/** A body of bytes, sent as it is. */
function bytes(content: Blob, kind: string) {
  return { body: content, bodySerializer: (body: Blob) => body, headers: { "Content-Type": kind } };
}

function request(serial: string): IssueRequest {
  const holder = { kind: "001", code: "11330105002500287C" } as const;
  return { type, serial, holder, valid_from: "2026-01-01" };
}

ok(await node.POST("/v1/types", { body: { code: type, name: "Job permit" } }));

const uploaded = ok(await node.POST("/v1/attachments", bytes(new Blob([pdf]), "application/octet-stream")));
assert.equal(uploaded.media_type, "application/pdf");
const wanted = { ...request("TS0001"), attachments: { "permit.pdf": uploaded.upload } };
const answer = await node.POST("/v1/certificates", {
  params: { header: { "Idempotency-Key": "typescript-1" } },
  body: wanted,
});
const issued = ok(answer);
assert.equal(answer.response.headers.get("Location"), `/v1/certificates/${issued.id}`);
const id = issued.id;

const file = ok(
  await node.GET("/v1/certificates/{id}/attachments/{name}", {
    params: { path: { id, name: "permit.pdf" } },
    parseAs: "blob",
  }),
);
assert.deepEqual(Buffer.from(await file.arrayBuffer()), pdf);

const verification = ok(await node.GET("/v1/certificates/{id}/verification", { params: { path: { id } } }));
switch (verification.verdict) {
  case "valid":
    break;
  case "not-valid":
  case "unknown":
    assert.fail(verification.explanation);
}
const proof = ok(await node.GET("/v1/certificates/{id}/proof", { params: { path: { id } }, parseAs: "blob" }));
assert(proof.size > 100);

const rows = ["TS1001", "TS1002", "TS1003"].map(request);
rows[1]!.valid_from = "2026-02-30";
const lines = new Blob(rows.map((row) => `${JSON.stringify(row)}\n`));
const sent = ok(
  await node.POST("/v1/certificates/bulk", { ...bytes(lines, "application/x-ndjson"), parseAs: "blob" }),
);
const results = (await sent.text()).trim().split("\n").map((line) => JSON.parse(line) as RowResult);
assert.deepEqual(results.map((row) => row.ok), [true, false, true]);
assert.equal(results[1]?.error?.type, "urn:certmesh:problem:invalid-field");
