import { connect } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');
const CHUNKED_END = Buffer.from('0\r\n\r\n');

/**
 * `at` is where to, if not where the origin says. One keep-alive HTTP/1.1 connection with one request at a time, over a bare socket: a loader that shares the machine
 * with the server must cost less than the server. Understands what our servers send: Content-Length, or chunks.
 */
export function openConnection(origin, at = origin) {
  const { host } = new URL(origin);
  const { hostname, port } = new URL(at);
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), noDelay: true });
  let received = Buffer.alloc(0);
  let waiting;

  socket.on('data', (chunk) => {
    received = received.length ? Buffer.concat([received, chunk]) : chunk;
    const response = takeResponse(received);
    if (!response) return;
    received = Buffer.alloc(0);
    const { resolve } = waiting;
    waiting = undefined;
    resolve(response);
  });
  socket.on('error', fail);
  socket.on('close', () => fail(new Error(`${origin} closed the connection`)));

  function fail(error) {
    waiting?.reject(error);
    waiting = undefined;
  }

  return {
    /** Sends prepared bytes. */
    exchange(bytes) {
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(bytes);
      });
    },
    /** `form` makes it a POST. */
    request(url, { headers = {}, form } = {}) {
      return this.exchange(requestBytes(host, url, headers, form));
    },
    close() {
      waiting = undefined;
      socket.destroy();
    },
  };
}

/** A whole request, ready to be sent any number of times. */
export function requestBytes(host, url, headers = {}, form = undefined) {
  const { pathname, search } = new URL(url);
  const body = form ? new URLSearchParams(form).toString() : '';
  const lines = [
    `${form ? 'POST' : 'GET'} ${pathname}${search} HTTP/1.1`,
    `Host: ${host}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(form ? ['Content-Type: application/x-www-form-urlencoded', `Content-Length: ${Buffer.byteLength(body)}`] : []),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

/** The response at the beginning of `bytes`, or undefined while it is incomplete. */
function takeResponse(bytes) {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = bytes.latin1Slice(0, headEnd);
  const bodyStart = headEnd + HEAD_END.length;
  const [, length] = /\r\ncontent-length: (\d+)/i.exec(head) ?? [];
  const chunked = length === undefined && /\r\ntransfer-encoding: chunked/i.test(head);
  const bodyEnd = chunked ? endOfChunks(bytes, bodyStart) : bodyStart + Number(length ?? 0);
  if (bodyEnd === undefined || bytes.length < bodyEnd) return undefined;
  return {
    status: Number(head.slice(9, 12)),
    head,
    text: () => (chunked ? joinChunks(bytes, bodyStart) : bytes.utf8Slice(bodyStart, bodyEnd)),
  };
}

function endOfChunks(bytes, start) {
  const end = bytes.indexOf(CHUNKED_END, start);
  return end < 0 ? undefined : end + CHUNKED_END.length;
}

function joinChunks(bytes, start) {
  const parts = [];
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const size = Number.parseInt(bytes.latin1Slice(at, lineEnd), 16);
    if (!size) return Buffer.concat(parts).toString('utf8');
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}

/** One response header; the first when it is repeated. */
export function header({ head }, name) {
  return new RegExp(`\\r\\n${name}: ([^\\r]*)`, 'i').exec(head)?.[1];
}

export function headers({ head }, name) {
  return [...head.matchAll(new RegExp(`\\r\\n${name}: ([^\\r]*)`, 'gi'))].map(([, value]) => value);
}
