// A third-party writer of FHIR XML: the npm package `fhir` (FHIR.js).
//
//     node fhir_xml.cjs FILE...    for each JSON resource or bundle's entry one line {"xml", "json"}
const fs = require("node:fs");
const zlib = require("node:zlib");
const { createRequire } = require("node:module");
const { Fhir } = createRequire(process.env.NODE_MODULES_OF + "/")("fhir");

const fhir = new Fhir();
let written = 0, refused = 0;
for (const path of process.argv.slice(2)) {
  let data = fs.readFileSync(path);
  if (data[0] === 0x1f && data[1] === 0x8b) data = zlib.gunzipSync(data);
  const text = data.toString("utf8").replace(/^\ufeff/, "");
  for (const document of /\.ndjson(\.gz)?$/.test(path) ? text.split("\n") : [text]) {
    let one;
    try { one = JSON.parse(document); } catch { continue; }
    if (!one.resourceType) continue;
    for (const json of one.resourceType === "Bundle" ? (one.entry ?? []).flatMap((e) => e.resource ?? []) : [one]) {
      try {
        const xml = fhir.objToXml(json);
        process.stdout.write(JSON.stringify({ xml, json }) + "\n");
        written += 1;
      } catch { refused += 1; }
    }
  }
}
process.stderr.write(`${written} written, ${refused} refused\n`);
