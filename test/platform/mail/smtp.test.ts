import { randomUUID } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { MailLimits } from '../../../src/platform/mail/mail-limits.ts';
import { createSmtpDelivery, type SmtpOptions, type SmtpServer } from '../../../src/platform/mail/smtp.ts';
import type { DeliveryOutcome, Effect } from '../../../src/platform/outbox/effect.ts';
import { createRateLimiter } from '../../../src/platform/rate-limiter.ts';
import { SecretText } from '../../../src/platform/secret-text.ts';
import { TLS } from '../../support/flow-tls.ts';
import { answer, type MailServer, mailServerAt, startMailServer } from '../../support/mail-server.ts';

const FROM = { name: 'Daemun', address: 'no-reply@id.example.com' };

let closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing) await close();
  closing = [];
});

async function serve(options: Parameters<typeof startMailServer>[0] = {}): Promise<MailServer> {
  const server = await startMailServer(options);
  closing.push(() => server.close());
  return server;
}

function effect(more: Partial<Effect> = {}): Effect {
  const payload = { subject: 'Your password was changed', text: 'Hello Ada,\n\nhttps://id.example.com/link?a=b\n안녕' };
  return { id: randomUUID(), target: 'ada@example.com', payload, createdAt: new Date(0), ...more };
}

function send(
  server: SmtpServer,
  what: Effect = effect(),
  more: Partial<SmtpOptions> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<DeliveryOutcome> {
  return createSmtpDelivery({ server, from: FROM, ca: TLS.cert, ...more }).deliver(what, signal);
}

test('a message arrives as it was written, from whom the operator says, with an id that stays the same', async () => {
  const server = await serve();
  const what = effect();
  for (let tries = 0; tries < 2; tries++)
    expect(await send(mailServerAt(server.port), what)).toEqual({ kind: 'delivered' });
  const [message, repetition] = server.arrived;
  expect(message).toMatchObject({ from: FROM.address, to: ['ada@example.com'] });
  expect(message!.text.replaceAll('\r\n', '\n').trim()).toBe((what.payload as { text: string }).text);
  expect(message!.headers).toMatchObject({
    from: 'Daemun <no-reply@id.example.com>',
    to: 'ada@example.com',
    subject: 'Your password was changed',
    'message-id': `<${what.id}@id.example.com>`,
    date: 'Thu, 01 Jan 1970 00:00:00 +0000',
    'auto-submitted': 'auto-generated',
  });
  expect(repetition!.headers['message-id']).toBe(message!.headers['message-id']);
});

describe('the connection', () => {
  test('is TLS from the first byte with smtps, and tells the server who we are', async () => {
    const server = await serve({ tls: 'implicit', auth: true });
    expect(await send(mailServerAt(server.port, 'implicit', true))).toEqual({ kind: 'delivered' });
    expect(server.arrived).toEqual([expect.objectContaining({ secure: true, user: 'daemun' })]);
  });

  test('becomes TLS by STARTTLS before anything else is said', async () => {
    const server = await serve({ tls: 'starttls', auth: true });
    expect(await send(mailServerAt(server.port, 'required', true))).toEqual({ kind: 'delivered' });
    expect(server.arrived).toEqual([expect.objectContaining({ secure: true, user: 'daemun' })]);
  });

  test('says nothing to a server that has no STARTTLS, where it is required', async () => {
    const server = await serve({ auth: true });
    expect(await send(mailServerAt(server.port, 'required', true))).toMatchObject({ kind: 'failed' });
    expect(server.arrived).toEqual([]);
  });

  test.each(['implicit', 'required'] as const)('ends at a certificate that nobody vouches for (%s)', async (tls) => {
    const server = await serve({ tls: tls === 'implicit' ? 'implicit' : 'starttls' });
    const outcome = await send(mailServerAt(server.port, tls), effect(), { ca: undefined });
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringMatching(/certificate/) });
    expect(server.arrived).toEqual([]);
  });

  test('is not made with a name that the certificate does not have', async () => {
    const server = await serve({ tls: 'implicit', host: '127.0.0.2' });
    const outcome = await send({ ...mailServerAt(server.port, 'implicit'), host: '127.0.0.2' });
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('altnames') });
    expect(server.arrived).toEqual([]);
  });

  test('with a wrong password is worth another try, since somebody will mend it', async () => {
    const server = await serve({ tls: 'implicit', auth: true });
    const wrong = { ...mailServerAt(server.port, 'implicit'), user: 'daemun', password: new SecretText('wrong one') };
    const outcome = await send(wrong);
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('535') });
    // Nor as it is sent.
    for (const text of ['wrong one', Buffer.from('\0daemun\0wrong one').toString('base64')]) {
      expect(JSON.stringify(outcome)).not.toContain(text);
    }
  });
});

describe('what the server answers', () => {
  test.each([
    [450, 'failed'],
    [452, 'failed'],
    [530, 'failed'],
    [550, 'refused'],
    [553, 'refused'],
  ])('%i to the recipient: %s', async (code, kind) => {
    const server = await serve();
    server.onRecipient = () => {
      throw answer(code, 'not this one');
    };
    const outcome = await send(mailServerAt(server.port));
    expect(outcome).toEqual({ kind, reason: `${code} not this one` });
  });

  test.each([
    [451, 'failed'],
    [421, 'failed'],
    [554, 'refused'],
  ])('%i to the message: %s', async (code, kind) => {
    const server = await serve();
    server.onMessage = () => {
      throw answer(code, 'not like this');
    };
    const outcome = await send(mailServerAt(server.port));
    expect(outcome).toEqual({ kind, reason: expect.stringContaining(String(code)) });
  });
});

test.each([550, 553, 554])(
  '%i to who sends it is about our settings: worth another try when they are mended',
  async (code) => {
    const server = await serve({ onMailFrom: (_address, _session, done) => done(answer(code, 'not from you')) });
    expect(await send(mailServerAt(server.port))).toEqual({ kind: 'failed', reason: `${code} not from you` });
  },
);

describe('a server that', () => {
  const timeouts = { connection: 300, greeting: 300, silence: 300 };

  async function listen(onConnection: (socket: Socket) => void): Promise<number> {
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      onConnection(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    return (server.address() as { port: number }).port;
  }

  test('is down: worth another try', async () => {
    const server = await startMailServer();
    await server.close();
    const outcome = await send(mailServerAt(server.port));
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('ECONNREFUSED') });
  });

  test('has no such name: worth another try', async () => {
    const outcome = await send({ ...mailServerAt(25), host: 'mail.invalid' }, effect(), { timeouts });
    expect(outcome.kind).toBe('failed');
  });

  test('takes connections and says nothing: given up by the clock', async () => {
    const port = await listen(() => {});
    expect(await send(mailServerAt(port), effect(), { timeouts })).toMatchObject({ kind: 'failed' });
  });

  test('greets and then says nothing: given up by the clock', async () => {
    const port = await listen((socket) => socket.write('220 hello\r\n'));
    expect(await send(mailServerAt(port), effect(), { timeouts })).toMatchObject({ kind: 'failed' });
  });

  test('closes in the middle: worth another try', async () => {
    const port = await listen((socket) => socket.end('220 hello\r\n'));
    expect(await send(mailServerAt(port), effect(), { timeouts })).toMatchObject({ kind: 'failed' });
  });

  test('says a byte now and then for ever: the connection is cut when nobody waits any more', async () => {
    let cut = false;
    let reached: () => void = () => {};
    const isReached = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const port = await listen((socket) => {
      socket.on('close', () => {
        cut = true;
      });
      socket.write('220-wait\r\n');
      const timer = setInterval(() => socket.write('220-a little\r\n'), 50);
      socket.on('close', () => clearInterval(timer));
      reached();
    });
    const interruption = new AbortController();
    const outcome = send(mailServerAt(port), effect(), {}, interruption.signal);
    await isReached;
    interruption.abort();
    expect(await outcome).toMatchObject({ kind: 'failed' });
    for (let tries = 0; tries < 500 && !cut; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(cut).toBe(true);
  });
});

describe('S-146 one message has one recipient and the headers that we give it', () => {
  test.each([
    'ada@example.com,eve@example.com',
    'ada@example.com, eve@example.com',
    'ada@example.com;eve@example.com',
    'ada@example.com eve@example.com',
    'Ada <ada@example.com>',
    '<ada@example.com>',
    'ada@example.com\r\nBcc: eve@example.com',
    'ada@example.com>\r\nRCPT TO:<eve@example.com',
    'ada@example.com\n',
    '"ada@example.com eve"@example.com',
    '@relay.example.com:ada@example.com',
    'ada@еxample.com',
    'ada',
    'ada@',
    '@example.com',
    `${'a'.repeat(65)}@example.com`,
    '',
  ])('%j is refused for good, and no connection is made', async (target) => {
    const server = await serve();
    expect(await send(mailServerAt(server.port), effect({ target }))).toMatchObject({ kind: 'refused' });
    expect(server.connections).toBe(0);
  });

  test('an array in place of an address is refused too', async () => {
    const server = await serve();
    const target = ['ada@example.com', 'eve@example.com'] as never;
    expect(await send(mailServerAt(server.port), effect({ target }))).toMatchObject({ kind: 'refused' });
    expect(server.connections).toBe(0);
  });

  test.each(['\r\n', '\n', '\r', '\u2028', '\u0085'])(
    'a line break in the subject (%j) begins no header',
    async (end) => {
      const server = await serve();
      const payload = {
        subject: `Hello${end}Bcc: eve@example.com${end}X-Evil: yes`,
        text: `.${end}RCPT TO:<eve@example.com>`,
      };
      expect(await send(mailServerAt(server.port), effect({ payload }))).toEqual({ kind: 'delivered' });
      const [message] = server.arrived;
      expect(message!.to).toEqual(['ada@example.com']);
      expect(Object.keys(message!.headers)).not.toContain('bcc');
      expect(Object.keys(message!.headers)).not.toContain('x-evil');
      expect(message!.headers.subject).toBe('Hello Bcc: eve@example.com X-Evil: yes');
    },
  );

  test('a line that is one dot does not end the message', async () => {
    const server = await serve();
    const text = 'before\r\n.\r\nMAIL FROM:<eve@example.com>\r\nafter';
    expect(await send(mailServerAt(server.port), effect({ payload: { subject: 'Dots', text } }))).toEqual({
      kind: 'delivered',
    });
    expect(server.arrived).toHaveLength(1);
    expect(server.arrived[0]!.text).toContain('after');
  });
});

test('the text comes with the same words as HTML, in their language', async () => {
  const server = await serve();
  const payload = {
    subject: '<b>Gate</b> & 대문',
    text: '안녕하세요.\n\nhttps://id.example.com/a?b=c&d=e\n\n둘째 문단',
    language: 'ko',
  };
  expect(await send(mailServerAt(server.port), effect({ payload }))).toEqual({ kind: 'delivered' });
  const [message] = server.arrived;
  // RFC 2046 5.1.4: the plainest first.
  expect(message!.types).toEqual(['text/plain', 'text/html']);
  expect(message!.text.replaceAll('\r\n', '\n').trim()).toBe(payload.text);
  expect(message!.html).toContain('<html lang="ko">');
  expect(message!.html).toContain('&lt;b&gt;Gate&lt;/b&gt; &amp; 대문</h1>');
  expect(message!.html).toContain('<a href="https://id.example.com/a?b=c&amp;d=e">');
});

const plenty = () => createRateLimiter({ points: 1_000, seconds: 60 });
const limitsWith = (more: Partial<MailLimits>): MailLimits => ({
  ...{ recipient: plenty(), account: plenty(), source: plenty(), all: plenty() },
  // None, unless a test is about them.
  first: createRateLimiter({ points: 0, seconds: 60 }),
  ...more,
});

test('S-149 what is over the limit of its recipient is put off, others are not, and what failed does not count', async () => {
  const server = await serve();
  const limits = limitsWith({ recipient: createRateLimiter({ points: 2, seconds: 60 }) });
  const deliver = (target: string) => send(mailServerAt(server.port), effect({ target }), { limits });
  server.onRecipient = () => {
    throw answer(450, 'later');
  };
  for (let tries = 0; tries < 5; tries++) expect((await deliver('ada@example.com')).kind).toBe('failed');
  server.onRecipient = () => {};
  expect((await deliver('ada@example.com')).kind).toBe('delivered');
  expect((await deliver('ADA@example.com')).kind).toBe('delivered');
  const outcome = await deliver('Ada@example.com');
  expect(outcome).toMatchObject({ kind: 'delayed' });
  expect((outcome as { seconds: number }).seconds).toBeGreaterThan(0);
  expect((await deliver('eve@example.com')).kind).toBe('delivered');
  expect(server.arrived).toHaveLength(3);
});

describe('S-149 mail that one person, one address or all together cause', () => {
  const few = () => createRateLimiter({ points: 2, seconds: 60 });
  let people = 0;

  async function outcomes(limits: MailLimits, causes: (object | undefined)[]): Promise<string[]> {
    const server = await serve();
    const kinds: string[] = [];
    for (const cause of causes) {
      const payload = { subject: 'Hello', text: 'Hello', ...(cause && { cause }) };
      const what = effect({ target: `person-${++people}@example.com`, payload });
      kinds.push((await send(mailServerAt(server.port), what, { limits })).kind);
    }
    expect(server.arrived).toHaveLength(kinds.filter((kind) => kind === 'delivered').length);
    return kinds;
  }

  test.each([
    ['account', { account: 'ada' }, { account: 'eve' }],
    ['source', { source: '192.0.2.1' }, { source: '192.0.2.2' }],
  ])(
    'is put off over the limit of its %s, however many people it goes to; that of others is not',
    async (limit, cause, other) => {
      const kinds = await outcomes(limitsWith({ [limit]: few() }), [cause, cause, cause, other, undefined]);
      expect(kinds).toEqual(['delivered', 'delivered', 'delayed', 'delivered', 'delivered']);
    },
  );

  test('is put off over the limit of all, whoever it is for', async () => {
    const causes = [{ account: 'a' }, { source: 'b' }, { account: 'c' }, undefined];
    expect(await outcomes(limitsWith({ all: few() }), causes)).toEqual([
      'delivered',
      'delivered',
      'delayed',
      'delayed',
    ]);
  });

  test('S-147 reaches each person it is the first to, however much else came from the same address', async () => {
    const server = await serve();
    const limits = limitsWith({ source: few(), first: createRateLimiter({ points: 1, seconds: 60 }) });
    const deliver = async (target: string) => {
      const payload = { subject: 'Hello', text: 'Hello', cause: { source: '192.0.2.1' } };
      return (await send(mailServerAt(server.port), effect({ target, payload }), { limits })).kind;
    };
    const noise = [];
    for (let count = 0; count < 5; count++) noise.push(await deliver('eve@example.com'));
    expect(noise).toEqual(['delivered', 'delivered', 'delivered', 'delayed', 'delayed']);
    server.onRecipient = () => {
      throw answer(450, 'later');
    };
    // What failed was not the first.
    expect(await deliver('ada@example.com')).toBe('failed');
    server.onRecipient = () => {};
    expect(await deliver('Ada@example.com')).toBe('delivered');
    expect(await deliver('ada@example.com')).toBe('delayed');
  });

  test('does not count where it was put off by another limit', async () => {
    const ada = { account: 'ada', source: '192.0.2.1' };
    const limits = limitsWith({ account: few(), source: createRateLimiter({ points: 3, seconds: 60 }) });
    // The two that were put off took nothing from their address.
    const kinds = await outcomes(limits, [ada, ada, ada, ada, { ...ada, account: 'eve' }]);
    expect(kinds).toEqual(['delivered', 'delivered', 'delayed', 'delayed', 'delivered']);
  });
});
