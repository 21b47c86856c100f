// A plain MLLP server that acknowledges every message and keeps nothing: the peer of `haechi bench mllp --peer`.
// Says {"port": N} on its first line and ends with its standard input.
'use strict';
const net = require('net');

const START = 0x0b;
const END = 0x1c;
let number = 0;

// The acknowledgement of one message, in its frame.
function acknowledgement(message) {
  const header = message.slice(0, message.indexOf('\r')).split('|');
  const time = new Date().toISOString().replace(/[-:T]/g, '').slice(0, 14);
  const type = (header[8] || '').split('^')[1] || '';
  number += 1;
  const lines = [
    ['MSH', header[1], header[4], header[5], header[2], header[3], time, '', `ACK^${type}^ACK`, `N${number}`, 'P', header[11]],
    ['MSA', 'AA', header[9]],
  ];
  return `\x0b${lines.map((line) => line.join('|')).join('\r')}\r\x1c\r`;
}

const server = net.createServer((socket) => {
  let held = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.on('data', (piece) => {
    held = held.length ? Buffer.concat([held, piece]) : piece;
    for (;;) {
      const end = held.indexOf(END);
      if (end < 0) return;
      const start = held.indexOf(START);
      const message = held.subarray(start + 1, end).toString('latin1');
      held = held.subarray(end + 2);
      socket.write(acknowledgement(message), 'latin1');
    }
  });
});

server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
process.stdin.on('end', () => process.exit(0)).resume();
