import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { createLogger } from '../../src/platform/logger.ts';
import { type FakeUpstream, startFakeUpstream } from './fake-upstream.ts';
import { openTraceCollector, type TraceCollector } from './trace-collector.ts';
import { startWholeService, type WholeService } from './whole-service.ts';

export const randomSecret = () => randomBytes(24).toString('base64url');

export interface SecretSearch {
  /** Writes down a secret by what it is, and hands it back. */
  learn(what: string, value: string | null | undefined): string;
  /** How many there are, or of one kind. */
  count(what?: string): number;
  /**
   * Each place in which a secret is told, in clear, in an address, or in base64. `textFor` is what of a place is searched for one
   * secret: undefined where it may be.
   */
  toldIn(
    places: Record<string, string>,
    textFor?: (place: string, text: string, what: string) => string | undefined,
  ): string[];
}

/** @param known by what they are */
export function createSecretSearch(known: Record<string, string>): SecretSearch {
  const secrets = new Map(Object.entries(known));
  return {
    learn(what, value) {
      if (!value || value.length < 8) throw new Error(`no ${what}`);
      secrets.set(`${what} ${secrets.size}`, value);
      return value;
    },
    count: (what = '') => [...secrets.keys()].filter((known) => known.startsWith(what)).length,
    toldIn(places, textFor = (_place, text) => text) {
      const told: string[] = [];
      for (const [what, value] of secrets) {
        const forms = [value, encodeURIComponent(value), Buffer.from(value).toString('base64').replace(/=+$/, '')];
        for (const [place, text] of Object.entries(places)) {
          const searched = textFor(place, text, what);
          if (searched !== undefined && forms.some((form) => searched.includes(form))) told.push(`${what} in ${place}`);
        }
      }
      return told;
    },
  };
}

/** A whole service that tells all it can: its log and its traces are kept, and people may come from an upstream. */
export interface TalkativeService {
  whole: WholeService;
  upstream: FakeUpstream;
  collector: TraceCollector;
  log(): string;
  /** What is beside the service, which is closed by the test, to see all of its log. */
  close(): Promise<void>;
}

export async function startTalkativeService({
  keyEncryptionKey,
  clientSecret,
  variables,
}: {
  keyEncryptionKey: string;
  /** At the upstream. */
  clientSecret?: string;
  variables(upstream: FakeUpstream): Record<string, string>;
}): Promise<TalkativeService> {
  const log: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      log.push(String(chunk));
      done();
    },
  });
  const collector = await openTraceCollector();
  const upstream = await startFakeUpstream(clientSecret === undefined ? {} : { clientSecret });
  const whole = await startWholeService(
    {
      KEYS_DIR: '',
      KEY_ENCRYPTION_KEY: keyEncryptionKey,
      DAEMUN_SIGN_UP: 'open',
      DANGEROUSLY_UPSTREAMS_AT: upstream.origin,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      ...variables(upstream),
    },
    createLogger({ level: 'debug', production: true, destination }),
  );
  upstream.register(whole.issuer);
  return {
    whole,
    upstream,
    collector,
    log: () => log.join(''),
    async close() {
      await upstream.close();
      await collector.close();
    },
  };
}
