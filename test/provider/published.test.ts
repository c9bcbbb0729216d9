import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, test } from '@jest/globals';
import type { Provider } from '../../src/provider/engine.ts';
import { answerPublished, publish } from '../../src/provider/published.ts';
import type { SigningKeySet } from '../../src/signing-keys/key-set.ts';

const PATH = '/.well-known/openid-configuration';
const CONTENT = { issuer: 'https://id.example', service_documentation: 'https://id.example/대문?café=🚪' };

/** Only what answers for the metadata. */
const provider = {
  issuer: CONTENT.issuer,
  createContext: (_req: IncomingMessage, res: ServerResponse) => ({ res }),
  middleware: [
    async (ctx: { res: ServerResponse; body?: object }) => {
      ctx.res.statusCode = 200;
      ctx.body = CONTENT;
    },
  ],
} as unknown as Provider;

const documents = () =>
  publish(provider, { keys: [] } as unknown as SigningKeySet, { jwksMaxAge: 60, cacheSupport: 120 } as never);

function ask(published: Awaited<ReturnType<typeof documents>>, method: string, headers: Record<string, string> = {}) {
  const written = { status: 0, headers: [] as string[], body: '' };
  const res = {
    writeHead(status: number, list: string[]) {
      Object.assign(written, { status, headers: list });
      return res;
    },
    end(text = '', encoding?: BufferEncoding) {
      written.body = Buffer.from(text, encoding).toString('utf8');
    },
  };
  const req = { url: PATH, method, headers };
  expect(answerPublished(published, req as unknown as IncomingMessage, res as unknown as ServerResponse)).toBe(true);
  const of = (name: string) => written.headers[written.headers.indexOf(name) + 1];
  return { ...written, of };
}

test('Documents say every character there is in bytes that are as many as they say', async () => {
  const { status, body, of } = ask(await documents(), 'GET');
  expect(status).toBe(200);
  expect(JSON.parse(body)).toEqual(CONTENT);
  expect(of('Content-Length')).toBe(String(Buffer.byteLength(body)));
});

test('Whoever has a document is told so, without what would describe one', async () => {
  const published = await documents();
  const { of } = ask(published, 'GET');
  const again = ask(published, 'GET', { 'if-none-match': of('ETag')! });
  expect(again).toMatchObject({ status: 304, body: '' });
  expect(again.headers).not.toContain('Content-Length');
  expect(again.headers).not.toContain('Content-Type');
  expect(again.of('ETag')).toBe(of('ETag'));
});
