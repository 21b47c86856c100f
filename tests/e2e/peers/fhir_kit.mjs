// Uses the FHIR API with `fhir-kit-client`: ADDRESS, TOKEN and PATIENT as arguments, the modules' folder in NODE_PATH, the
// site's root in NODE_EXTRA_CA_CERTS. Prints one JSON document: what each step was answered.
import { pathToFileURL } from 'node:url';
const { Client } = await import(pathToFileURL(`${process.env.NODE_PATH}/fhir-kit-client/dist/index.js`));
const [baseUrl, bearerToken, patient] = process.argv.slice(2);
const client = new Client({ baseUrl, bearerToken });
const said = {};

const status = async (work) => {
  try {
    await work();
    return 200;
  } catch (error) {
    return { status: error.response?.status, kind: error.response?.data?.resourceType };
  }
};

said.capability = (await client.capabilityStatement()).fhirVersion;
said.patient = (await client.read({ resourceType: 'Patient', id: patient })).id;
const page = await client.search({ resourceType: 'Observation', searchParams: { patient, _sort: '-date', _count: '5' } });
said.total = page.total;
let [seen, at] = [0, page];
while (at) {
  seen += at.entry.length;
  at = await client.nextPage({ bundle: at });
}
said.seen = seen;
said.compartment = (await client.search({
  resourceType: 'Condition', compartment: { resourceType: 'Patient', id: patient }, searchParams: { _summary: 'count' },
})).total;
const posted = await client.search({ resourceType: 'Patient', searchParams: { _id: patient }, options: { postSearch: true } });
said.posted = posted.entry.length;
const everything = await client.operation({ name: '$everything', resourceType: 'Patient', id: patient, method: 'GET' });
said.everything = everything.entry.length;

const made = await client.create({
  resourceType: 'Patient', body: { resourceType: 'Patient', name: [{ family: '홍', given: ['길동'] }], birthDate: '1970-01-01' },
});
said.made = typeof made.id;
const changed = await client.update({ resourceType: 'Patient', id: made.id, body: { ...made, birthDate: '1971-02-03' } });
said.changed = changed.birthDate;
const patched = await client.patch({
  resourceType: 'Patient', id: made.id, jsonPatch: [{ op: 'replace', path: '/birthDate', value: '1972-03-04' }],
});
said.patched = patched.birthDate;
said.history = (await client.history({ resourceType: 'Patient', id: made.id })).entry.length;
said.first = (await client.vread({ resourceType: 'Patient', id: made.id, version: '1' })).birthDate;
const bundle = await client.transaction({
  body: {
    resourceType: 'Bundle', type: 'transaction', entry: [
      { resource: { resourceType: 'Condition', subject: { reference: `Patient/${made.id}` } }, request: { method: 'POST', url: 'Condition' } },
      { request: { method: 'GET', url: `Patient/${made.id}` } },
    ],
  },
});
said.transaction = bundle.entry.map((entry) => entry.response.status.slice(0, 3));
await client.delete({ resourceType: 'Patient', id: made.id });
said.deleted = await status(() => client.read({ resourceType: 'Patient', id: made.id }));
said.unknown = await status(() => client.read({ resourceType: 'Patient', id: 'nobody' }));
client.bearerToken = 'wrong';
said.stranger = await status(() => client.read({ resourceType: 'Patient', id: patient }));
console.log(JSON.stringify(said));
