import type { ServerResponse } from 'node:http';

/** What can be wrong with how an answer comes. */
export const TRANSPORT_FAULTS = [
  'hang',
  'drip',
  'reset',
  'status_400',
  'status_401',
  'status_403',
  'status_429',
  'status_429_global',
  'status_500',
  'status_503',
  'huge',
  'broken_json',
  'json_array',
  'wrong_type',
  'redirect',
] as const;
export type TransportFault = (typeof TRANSPORT_FAULTS)[number];

/** What can be wrong with what is signed. */
export const ID_TOKEN_FAULTS = [
  'missing',
  'not_a_token',
  'wrong_issuer',
  'wrong_audience',
  'more_audiences',
  'wrong_azp',
  'expired',
  'from_the_future',
  'issued_long_ago',
  'without_iat',
  'without_exp',
  'without_sub',
  'empty_sub',
  'wrong_nonce',
  'without_nonce',
  'wrong_at_hash',
  'bad_signature',
  'unknown_kid',
  'alg_none',
  'alg_hs256',
  'alg_rs512',
] as const;
export type IdTokenFault = (typeof ID_TOKEN_FAULTS)[number];

/** What can be wrong with how the browser is sent back. */
export const CALLBACK_FAULTS = [
  'state_lost',
  'state_altered',
  'state_empty',
  'state_repeated',
  'code_lost',
  'code_repeated',
] as const;
export type CallbackFault = (typeof CALLBACK_FAULTS)[number];

/** Spoils the address of the way back. */
export function spoilCallback({ searchParams }: URL, fault: CallbackFault): void {
  const state = searchParams.get('state') ?? '';
  switch (fault) {
    case 'state_lost':
      searchParams.delete('state');
      return;
    case 'state_altered':
      // By one character, in the middle.
      searchParams.set(
        'state',
        state.replace(/(?<=^.{9})./, (one) => (one === 'a' ? 'b' : 'a')),
      );
      return;
    case 'state_empty':
      searchParams.set('state', '');
      return;
    case 'state_repeated':
      searchParams.append('state', state);
      return;
    case 'code_lost':
      searchParams.delete('code');
      return;
    case 'code_repeated':
      searchParams.append('code', searchParams.get('code') ?? '');
  }
}

const HUGE = 'x'.repeat(300 * 1024);
const JSON_TYPE = { 'content-type': 'application/json' };

/** Answers the way that the fault says; `right` is what should have been answered. */
export function answerBadly(response: ServerResponse, fault: TransportFault, right: string): void {
  switch (fault) {
    case 'hang':
      return;
    case 'drip':
      drip(response, right);
      return;
    case 'reset':
      response.socket?.destroy();
      return;
    case 'status_400':
      response.writeHead(400, JSON_TYPE).end('{"error":"invalid_grant","error_description":"<b>Bad</b> Request"}');
      return;
    case 'status_401':
      response.writeHead(401, JSON_TYPE).end('{"error":"invalid_client","error_description":"Unauthorized"}');
      return;
    case 'status_403':
      response.writeHead(403, { 'content-type': 'text/html' }).end('<h1>Access denied</h1>error code: 1010');
      return;
    case 'status_429':
      response
        .writeHead(429, { ...JSON_TYPE, 'retry-after': '1', 'x-ratelimit-scope': 'user' })
        .end('{"message":"You are being rate limited.","retry_after":0.529,"global":false}');
      return;
    case 'status_429_global':
      response
        .writeHead(429, {
          ...JSON_TYPE,
          'retry-after': '1',
          'x-ratelimit-global': 'true',
          'x-ratelimit-scope': 'global',
        })
        .end('{"message":"You are being rate limited.","retry_after":0.529,"global":true}');
      return;
    case 'status_500':
      response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>Oops</h1>');
      return;
    case 'status_503':
      response.writeHead(503).end();
      return;
    case 'huge':
      response.writeHead(200, JSON_TYPE).end(`${right.slice(0, -1)},"padding":"${HUGE}"}`);
      return;
    case 'broken_json':
      response.writeHead(200, JSON_TYPE).end(right.slice(0, -1));
      return;
    case 'json_array':
      response.writeHead(200, JSON_TYPE).end(`[${right}]`);
      return;
    case 'wrong_type':
      response.writeHead(200, { 'content-type': 'text/html' }).end(right);
      return;
    case 'redirect':
      response.writeHead(302, { location: '/elsewhere' }).end();
  }
}

/** One byte a second, for as long as somebody listens. */
function drip(response: ServerResponse, right: string): void {
  response.writeHead(200, { ...JSON_TYPE, 'content-length': Buffer.byteLength(right) });
  let sent = 0;
  const send = () => response.write(right.charAt(sent++));
  send();
  const timer = setInterval(send, 1_000);
  response.on('close', () => clearInterval(timer));
}
