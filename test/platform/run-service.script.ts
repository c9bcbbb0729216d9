// A process whose service does what the argument says.
import { createHttpServer } from '../../src/platform/http/server.ts';
import { OperatorError } from '../../src/platform/operator-error.ts';
import { runService } from '../../src/platform/run-service.ts';

const [behaviour, port = '0', portVariable] = process.argv.slice(2);
await runService({
  shutdownTimeout: 500,
  production: behaviour?.endsWith('in production') ?? false,
  async create() {
    if (behaviour?.startsWith('refuses')) throw new OperatorError('Set ISSUER.', new Error('hidden'));
    if (behaviour === 'starts slowly') {
      process.stdout.write('starting\n');
      await new Promise(() => setInterval(() => {}, 1000));
    }
    if (behaviour === 'is told off') throw new Error('no\u001b[2J\nDaemun is ready at http://evil');
    if (behaviour?.startsWith('breaks')) throw new TypeError('x is not a function', { cause: new Error('deeper') });
    const server = createHttpServer((_request, response) => response.end('ok'));
    return {
      ...(behaviour === '' && { setupLink: 'http://localhost/setup/token' }),
      ...(behaviour === 'in production' && { setupCommand: 'daemun users setup-link' }),
      ...(behaviour !== 'plain' && { mailboxUrl: 'http://localhost/mailbox' }),
      async listen() {
        if (behaviour?.startsWith('has a defect')) {
          const defect = new TypeError('x is not a function', { cause: new Error('deeper') });
          setTimeout(
            () => void Promise.reject(Object.assign(defect, { detail: 'Failing row contains (secret).' })),
            50,
          );
        }
        const given = await server.listen({
          host: '127.0.0.1',
          port: Number(port),
          ...(portVariable !== undefined && { portVariable }),
        });
        return { url: `http://127.0.0.1:${given}` };
      },
      async close() {
        if (behaviour === 'hangs') await new Promise(() => setInterval(() => {}, 1000));
        if (behaviour?.startsWith('fails to close')) throw new Error('stuck');
        await server.close();
        process.stdout.write('closed\n');
      },
    };
  },
});
