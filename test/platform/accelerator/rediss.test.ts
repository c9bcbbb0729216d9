import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { freePort } from '../../support/free-port.ts';
import { type RedisServer, redisServer, startRedis } from '../../support/redis.ts';

jest.setTimeout(120_000);

const loader = new URL('../../support/typescript-loader.mjs', import.meta.url).href;
const script = fileURLToPath(new URL('rediss.script.ts', import.meta.url));
const PASSWORD = 'a-password-that-nobody-reads-on-the-way';

/** Why this machine cannot try it. One that was prepared for it (CI) has to. */
function missing(): string | undefined {
  if (process.env.CI === 'true') return undefined;
  if (!redisServer) return 'there is no redis-server';
  if (spawnSync('openssl', ['version']).status !== 0) return 'there is no openssl';
  const nothing = ['--port', '0', '--tls-port', '1', '--tls-cert-file', '/nonexistent'];
  const { stdout, stderr } = spawnSync(redisServer, nothing, { encoding: 'utf8', timeout: 10_000 });
  return /bad directive/i.test(stdout + stderr) ? 'this redis-server was built without TLS' : undefined;
}

const reason = missing();
const title = 'Redis over TLS (rediss://)';
(reason ? describe.skip : describe)(reason ? `${title}, left out: ${reason}` : title, () => {
  let folder: string;
  let certificate: string;
  let server: RedisServer;
  let port: number;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'daemun-rediss-'));
    const key = join(folder, 'key.pem');
    certificate = join(folder, 'certificate.pem');
    const { status, stderr } = spawnSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
        ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate],
      ],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(stderr);
    port = await freePort();
    server = await startRedis([
      ...['--tls-port', String(port), '--tls-cert-file', certificate, '--tls-key-file', key],
      ...['--tls-auth-clients', 'no', '--requirepass', PASSWORD],
    ]);
  });
  afterAll(async () => {
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function twoNodes(host: string, more: Record<string, string>) {
    const child = spawn(process.execPath, ['--import', loader, script], {
      env: { PATH: process.env.PATH, REDIS_URL: `rediss://:${PASSWORD}@${host}:${port}`, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let error = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      error += chunk;
    });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(error);
    return JSON.parse(out);
  }

  test('nodes that trust who signed its certificate count together', async () => {
    expect(await twoNodes('localhost', { NODE_EXTRA_CA_CERTS: certificate })).toMatchObject({
      areTogether: true,
      isAlone: false,
      decisions: [true, false],
    });
  });

  test.each([
    ['nobody vouches for', 'localhost', false, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['is for another name', '127.0.0.1', true, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ])(
    'a certificate that %s: nodes go on without it, say why, and each keeps its own count',
    async (_what, host, isTrusted, code) => {
      const outcome = await twoNodes(host, isTrusted ? { NODE_EXTRA_CA_CERTS: certificate } : {});
      expect(outcome).toEqual({ areTogether: false, isAlone: true, decisions: [true, false], reasons: [code, code] });
    },
  );
});
