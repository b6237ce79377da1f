// Writes the types of the API in the document that is its first argument to the file that is its second.
import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const [, , document, to] = process.argv;
const bytes = ts.factory.createTypeReferenceNode("Blob");
const types = await openapiTS(JSON.parse(readFileSync(document, "utf8")), {
  // A file is bytes, not text.
  transform: (schema) => (schema.format === "binary" ? bytes : undefined),
});
writeFileSync(to, astToString(types));
