// Sends messages with the MLLP clients of `node-hl7-client` and `@medplum/hl7`: PORT as argument, their folder in NODE_PATH.
// Prints one JSON line: what each message was answered.
'use strict';
const port = Number(process.argv[2]);

async function nodeHl7Client() {
  const { Client, Message } = require('node-hl7-client');
  const client = new Client({ host: '127.0.0.1' });
  const answers = [];
  let answered;
  const connection = client.createConnection({ port }, async (response) => {
    const message = response.getMessage();
    answers.push({ code: message.get('MSA.1').toString(), control_id: message.get('MSA.2').toString() });
    answered();
  });
  for (const [id, number] of [['node-1', '8001'], ['node-2', '8002'], ['node-3', '8001']]) {
    const message = new Message({
      text: `MSH|^~\\&|NODE|WARD|HAECHI|SITE|20260101120000||ADT^A01^ADT_A01|${id}|P|2.5\rEVN|A01|20260101120000\rPID|1||${number}^^^SITE^MR||DOE^JANE|||F`,
    });
    const answer = new Promise((resolve) => { answered = resolve; });
    await connection.sendMessage(message);
    await answer;
  }
  await connection.close();
  return answers;
}

async function medplum() {
  const { Hl7Client } = require('@medplum/hl7');
  const { Hl7Message } = require('@medplum/core');
  const client = new Hl7Client({ host: '127.0.0.1', port });
  const answers = [];
  const text = (id, kind) =>
    `MSH|^~\\&|MEDPLUM|WARD|HAECHI|SITE|20260101120000||${kind}|${id}|P|2.5\rPID|1||9001^^^SITE^MR||DOE^JOHN`;
  for (const [id, kind] of [['med-1', 'ADT^A01'], ['med-2', 'ORU^R01'], ['med-3', 'MFN^M01']]) {
    const answer = await client.sendAndWait(Hl7Message.parse(text(id, kind)));
    const msa = answer.getSegment('MSA');
    answers.push({ code: msa.getField(1).toString(), control_id: msa.getField(2).toString() });
  }
  await client.close();
  return answers;
}

(async () => {
  console.log(JSON.stringify({ 'node-hl7-client': await nodeHl7Client(), '@medplum/hl7': await medplum() }));
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
